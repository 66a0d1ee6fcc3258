//! The bytes of the codec postcard, worked out by hand from its specification
//! (<https://postcard.jamesmunns.com/wire-format.html>), and held against the crate of that name.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Kind, Nest, Order, bytes_of, orders, refusal};
use crate::codec::{Bulk, CodecKind::Postcard, NoArguments};

fn is_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, golden: &[u8]) {
    assert_eq!(bytes_of(Postcard, value), golden, "{value:?}");
    assert_eq!(&Postcard.decode::<T>(golden).unwrap(), value);
}

#[test]
fn unsigned_integers_have_seven_bits_a_byte() {
    is_written(&0_u16, &[0]);
    is_written(&127_u16, &[0x7f]);
    is_written(&128_u16, &[0x80, 0x01]);
    is_written(&u16::MAX, &[0xff, 0xff, 0x03]);
    is_written(&300_u32, &[0xac, 0x02]);
    is_written(&u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    is_written(&(1_u64 << 63), &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    is_written(&300_usize, &[0xac, 0x02]);
    is_written(&u128::MAX, &[&[0xff; 18][..], &[0x03]].concat());
}

#[test]
fn signed_integers_are_zigzag() {
    is_written(&0_i16, &[0]);
    is_written(&-1_i16, &[1]);
    is_written(&1_i32, &[2]);
    is_written(&63_i32, &[0x7e]);
    is_written(&-64_i32, &[0x7f]);
    is_written(&64_i32, &[0x80, 0x01]);
    is_written(&i16::MIN, &[0xff, 0xff, 0x03]);
    is_written(&i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    is_written(&i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    is_written(&i128::MIN, &[&[0xff; 18][..], &[0x03]].concat());
    is_written(&-1_isize, &[1]);
}

#[test]
fn single_bytes_and_floats_are_written_as_they_are_and_characters_as_strings() {
    is_written(&255_u8, &[255]);
    is_written(&-1_i8, &[255]);
    is_written(&(true, false), &[1, 0]);
    is_written(&1.0_f32, &[0, 0, 0x80, 0x3f]);
    is_written(&-2.0_f64, &[0, 0, 0, 0, 0, 0, 0, 0xc0]);
    is_written(&'a', &[1, b'a']);
    is_written(&'\u{e9}', &[2, 0xc3, 0xa9]);
}

#[test]
fn sequences_strings_and_maps_begin_with_their_length() {
    is_written(&String::from("h\u{e9}"), &[3, b'h', 0xc3, 0xa9]);
    is_written(&String::new(), &[0]);
    is_written(&vec![1_u8, 2, 255], &[3, 1, 2, 255]);
    is_written(&vec![1_u16, 300], &[2, 1, 0xac, 0x02]);
    is_written(&"x".repeat(128), &[&[0x80, 0x01], "x".repeat(128).as_bytes()].concat());
    is_written(&BTreeMap::from([(1_u8, "a".to_string()), (2, String::new())]), &[2, 1, 1, b'a', 2, 0]);
    is_written(&Nest(vec![Nest(vec![]), Nest(vec![Nest(vec![])])]), &[2, 0, 1, 0]);
    is_written(&vec![(); 3], &[3]);
}

#[test]
fn options_and_variants_begin_with_their_number() {
    is_written(&None::<u8>, &[0]);
    is_written(&Some(5_u8), &[1, 5]);
    is_written(&Some(None::<u8>), &[1, 0]);
    is_written(&Ok::<u8, u8>(9), &[0, 9]);
    is_written(&Kind::Unit, &[0]);
    is_written(&Kind::Newtype(Box::new(Kind::Unit)), &[1, 0]);
    is_written(&Kind::Tuple(-2, 300), &[2, 254, 0xac, 0x02]);
    is_written(&Kind::Struct { x: -3, y: Some(1.0) }, &[3, 5, 1, 0, 0, 0x80, 0x3f]);
}

#[test]
fn tuples_arrays_structs_and_units_add_nothing() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Args {
        a: i32,
        b: i32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    is_written(&((), Nothing), &[]);
    is_written(&NoArguments, &[]);
    is_written(&(1_u8, (2_u8, 3_i32)), &[1, 2, 6]);
    is_written(&[1_u8, 2, 3], &[1, 2, 3]);
    is_written(&(Args { a: 300, b: -1 },), &[0xd8, 0x04, 1]);
    is_written(&Bulk(vec![1, 2, 3]), &[3, 1, 2, 3]);
}

#[test]
fn an_integer_may_be_longer_than_it_need_be_and_not_larger_than_its_type() {
    assert_eq!(Postcard.decode::<u16>(&[0x81, 0x80, 0x00]).unwrap(), 1);
    for (body, fault) in [
        (&[0x80, 0x80, 0x04][..], "an integer has more than 16 bits"),
        (&[0x80, 0x80, 0x80, 0x00], "an integer has more than 16 bits"),
        (&[0x80], "the body ends where at least 1 more bytes"),
    ] {
        let text = refusal::<u16>(Postcard, body);
        assert!(text.starts_with(fault), "{text}");
    }
    assert!(refusal::<u64>(Postcard, &[0xff; 10]).starts_with("an integer has more than 64 bits"));
    assert!(refusal::<u128>(Postcard, &[&[0xff; 18][..], &[4]].concat()).starts_with("an integer has more than 128"));
}

#[test]
fn what_is_neither_yes_nor_no_and_not_one_character_is_an_error() {
    assert!(refusal::<bool>(Postcard, &[2]).starts_with("the byte 2 is neither 0 nor 1"));
    assert!(refusal::<Option<u8>>(Postcard, &[7, 1]).starts_with("the byte 7 is neither"));
    assert!(refusal::<char>(Postcard, &[2, b'a', b'b']).starts_with("2 bytes are not one character"));
    refusal::<char>(Postcard, &[0]);
    assert!(refusal::<Kind>(Postcard, &[9]).starts_with("invalid value: integer `9`, expected variant index"));
}

#[test]
fn a_sequence_of_unknown_length_can_not_be_written() {
    struct Filtered;
    impl Serialize for Filtered {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9).filter(|number| number % 2 == 0))
        }
    }
    let error = Postcard.encode(&Filtered, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("must know the length"), "{error}");
}

proptest! {
    #[test]
    fn orders_are_written_and_read_as_the_crate_does(order in orders()) {
        let body = ::postcard::to_allocvec(&order).unwrap();
        prop_assert_eq!(&bytes_of(Postcard, &order), &body);
        prop_assert_eq!(Postcard.decode::<Order>(&body).unwrap(), order);
    }

    #[test]
    fn a_damaged_body_is_read_as_the_crate_does_or_refused(
        order in orders(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut body = bytes_of(Postcard, &order);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(ours) = Postcard.decode::<Order>(&body) {
            let theirs: Order = ::postcard::from_bytes(&body).unwrap();
            prop_assert_eq!(bytes_of(Postcard, &ours), bytes_of(Postcard, &theirs));
        }
    }
}

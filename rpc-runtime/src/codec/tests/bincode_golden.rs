//! The bytes of the codec bincode, worked out by hand from its specification
//! (<https://github.com/bincode-org/bincode/blob/v2.0.1/docs/spec.md>), so that another implementation of the same
//! format can take its place.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Kind, Nest, Order, bytes_of, orders};
use crate::codec::{Bulk, CodecKind, NoArguments};

fn is_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, golden: &[u8]) {
    assert_eq!(bytes_of(CodecKind::Bincode, value), golden, "{value:?}");
    assert_eq!(&CodecKind::Bincode.decode::<T>(golden).unwrap(), value);
}

#[test]
fn unsigned_integers_take_as_many_bytes_as_they_need() {
    is_written(&0_u16, &[0]);
    is_written(&250_u16, &[250]);
    is_written(&251_u16, &[251, 251, 0]);
    is_written(&u16::MAX, &[251, 255, 255]);
    is_written(&250_u32, &[250]);
    is_written(&0x1234_u32, &[251, 0x34, 0x12]);
    is_written(&0x1_0000_u32, &[252, 0, 0, 1, 0]);
    is_written(&u64::from(u32::MAX), &[252, 255, 255, 255, 255]);
    is_written(&0x1_0000_0000_u64, &[253, 0, 0, 0, 0, 1, 0, 0, 0]);
    is_written(&(1_u128 << 64), &[254, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    is_written(&300_usize, &[251, 44, 1]);
}

#[test]
fn signed_integers_are_zigzag() {
    is_written(&0_i16, &[0]);
    is_written(&-1_i16, &[1]);
    is_written(&1_i32, &[2]);
    is_written(&125_i32, &[250]);
    is_written(&-126_i32, &[251, 251, 0]);
    is_written(&i16::MIN, &[251, 255, 255]);
    is_written(&i64::from(i32::MIN), &[252, 255, 255, 255, 255]);
    is_written(&i64::MIN, &[253, 255, 255, 255, 255, 255, 255, 255, 255]);
    is_written(&i64::MAX, &[253, 254, 255, 255, 255, 255, 255, 255, 255]);
    is_written(&i128::MIN, &[&[254][..], &[255; 16]].concat());
    is_written(&-1_isize, &[1]);
}

#[test]
fn single_bytes_floats_and_characters_are_written_as_they_are() {
    is_written(&255_u8, &[255]);
    is_written(&-1_i8, &[255]);
    is_written(&(true, false), &[1, 0]);
    is_written(&1.0_f32, &[0, 0, 0x80, 0x3f]);
    is_written(&-2.0_f64, &[0, 0, 0, 0, 0, 0, 0, 0xc0]);
    is_written(&'a', b"a");
    is_written(&'é', &[0xc3, 0xa9]);
    is_written(&'😀', &[0xf0, 0x9f, 0x98, 0x80]);
}

#[test]
fn sequences_strings_and_maps_begin_with_their_length() {
    is_written(&String::from("hé"), &[3, b'h', 0xc3, 0xa9]);
    is_written(&String::new(), &[0]);
    is_written(&vec![1_u8, 2, 255], &[3, 1, 2, 255]);
    is_written(&vec![1_u16, 300], &[2, 1, 251, 44, 1]);
    is_written(&"x".repeat(251), &[&[251, 251, 0], "x".repeat(251).as_bytes()].concat());
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
    is_written(&Kind::Tuple(-2, 7), &[2, 254, 7]);
    is_written(&Kind::Struct { x: -3, y: Some(1.0) }, &[3, 5, 1, 0, 0, 0x80, 0x3f]);
}

#[test]
fn tuples_arrays_structs_and_units_add_nothing() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Args {
        a: i32,
        b: i32,
    }
    is_written(&(), &[]);
    is_written(&NoArguments, &[]);
    is_written(&(1_u8, (2_u8, 3_i32)), &[1, 2, 6]);
    is_written(&[1_u8, 2, 3], &[1, 2, 3]);
    is_written(&Args { a: 1, b: -1 }, &[2, 1]);
    is_written(&(Args { a: 300, b: 0 },), &[251, 88, 2, 0]);
    is_written(&Bulk(vec![1, 2, 3]), &[3, 1, 2, 3]);
}

proptest! {
    #[test]
    fn the_guard_changes_no_value(order in orders()) {
        let config = ::bincode::config::standard();
        let body = ::bincode::serde::encode_to_vec(&order, config).unwrap();
        prop_assert_eq!(&bytes_of(CodecKind::Bincode, &order), &body);
        let (plain, length): (Order, usize) = ::bincode::serde::borrow_decode_from_slice(&body, config).unwrap();
        prop_assert_eq!(length, body.len());
        prop_assert_eq!(CodecKind::Bincode.decode::<Order>(&body).unwrap(), plain);
    }

    /// Not the other way round: bincode alone would reserve what a damaged length says.
    #[test]
    fn a_damaged_body_that_the_guard_accepts_is_what_bincode_reads(
        order in orders(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut body = bytes_of(CodecKind::Bincode, &order);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(guarded) = CodecKind::Bincode.decode::<Order>(&body) {
            let config = ::bincode::config::standard();
            let (plain, _): (Order, usize) = ::bincode::serde::borrow_decode_from_slice(&body, config).unwrap();
            prop_assert_eq!(bytes_of(CodecKind::Bincode, &guarded), bytes_of(CodecKind::Bincode, &plain));
        }
    }
}

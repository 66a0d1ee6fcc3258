//! The bytes of the codec MessagePack, worked out by hand from its specification
//! (<https://github.com/msgpack/msgpack/blob/master/spec.md>), and what is peculiar to it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Kind, Link, Nest, Order, bytes_of, decode_arguments, orders, refusal};
use crate::{
    codec::{Bulk, CodecKind::MessagePack, NoArguments},
    descriptor::ArgumentDescriptor,
};

fn is_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, golden: &[u8]) {
    assert_eq!(bytes_of(MessagePack, value), golden, "{value:?}");
    assert_eq!(&MessagePack.decode::<T>(golden).unwrap(), value);
}

#[test]
fn integers_have_the_shortest_form_that_holds_them() {
    is_written(&0_u8, &[0]);
    is_written(&127_u64, &[0x7f]);
    is_written(&128_u64, &[0xcc, 0x80]);
    is_written(&200_i32, &[0xcc, 0xc8]);
    is_written(&256_u16, &[0xcd, 1, 0]);
    is_written(&0x1_0000_u32, &[0xce, 0, 1, 0, 0]);
    is_written(&u64::MAX, &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]);
    is_written(&-1_i8, &[0xff]);
    is_written(&-32_i64, &[0xe0]);
    is_written(&-33_i64, &[0xd0, 0xdf]);
    is_written(&-129_i16, &[0xd1, 0xff, 0x7f]);
    is_written(&i32::MIN, &[0xd2, 0x80, 0, 0, 0]);
    is_written(&i64::MIN, &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn integers_of_128_bits_are_sixteen_bytes() {
    is_written(&-1_i128, &[&[0xc4, 16][..], &[0xff; 16]].concat());
    is_written(&1_u128, &[&[0xc4, 16][..], &[0; 15], &[1]].concat());
    assert_eq!(MessagePack.decode::<i128>(&[0xd0, 0xdf]).unwrap(), -33);
}

#[test]
fn scalars_have_markers_of_their_own() {
    is_written(&(true, false, ()), &[0x93, 0xc3, 0xc2, 0xc0]);
    is_written(&1.0_f32, &[0xca, 0x3f, 0x80, 0, 0]);
    is_written(&-2.0_f64, &[0xcb, 0xc0, 0, 0, 0, 0, 0, 0, 0]);
    is_written(&'\u{e9}', &[0xa2, 0xc3, 0xa9]);
    is_written(&String::from("h\u{e9}"), &[0xa3, b'h', 0xc3, 0xa9]);
    is_written(&"x".repeat(32), &[&[0xd9, 32], "x".repeat(32).as_bytes()].concat());
    is_written(&"x".repeat(256), &[&[0xda, 1, 0], "x".repeat(256).as_bytes()].concat());
    is_written(&None::<u8>, &[0xc0]);
    is_written(&Some(5_u8), &[5]);
}

#[test]
fn bytes_in_bulk_are_bin_and_bytes_in_a_list_an_array() {
    is_written(&Bulk(vec![1, 2, 200]), &[0xc4, 3, 1, 2, 200]);
    is_written(&Bulk(vec![0; 256]), &[&[0xc5, 1, 0][..], &[0; 256]].concat());
    is_written(&vec![1_u8, 2, 200], &[0x93, 1, 2, 0xcc, 200]);
    assert_eq!(MessagePack.decode::<Bulk<Vec<u8>>>(&[0x93, 1, 2, 0xcc, 200]).unwrap().0, [1, 2, 200]);
    assert_eq!(MessagePack.decode::<Vec<u8>>(&[0xc4, 3, 1, 2, 200]).unwrap(), [1, 2, 200]);
    refusal::<Bulk<Vec<u8>>>(MessagePack, b"\xa3abc");
    refusal::<Bulk<Vec<u8>>>(MessagePack, &[0x91, 0xcd, 1, 0]);
}

#[test]
fn lists_tuples_and_maps_begin_with_their_length() {
    is_written(&vec![1_u16, 300], &[0x92, 1, 0xcd, 1, 0x2c]);
    is_written(&(1_u8, (2_u8, -3_i32)), &[0x92, 1, 0x92, 2, 0xfd]);
    is_written(&[1_u8, 2, 200], &[0x93, 1, 2, 0xcc, 200]);
    is_written(&NoArguments, &[0x90]);
    is_written(&Nest(vec![Nest(vec![]), Nest(vec![Nest(vec![])])]), &[0x92, 0x90, 0x91, 0x90]);
    is_written(&BTreeMap::from([(1_u8, "a".to_string()), (2, String::new())]), &[0x82, 1, 0xa1, b'a', 2, 0xa0]);
    is_written(&vec![1_u8; 16], &[&[0xdc, 0, 16][..], &[1; 16]].concat());
    let many: BTreeMap<u8, u8> = (0..16).map(|key| (key, key)).collect();
    is_written(&many, &[vec![0xde, 0, 16], (0..16).flat_map(|key| [key, key]).collect()].concat());
}

#[test]
fn structs_are_maps_with_names_and_variants_have_names() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Args {
        a: i32,
        b: i32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    is_written(&(Args { a: 1, b: -1 },), b"\x91\x82\xa1a\x01\xa1b\xff");
    is_written(&Nothing, &[0x90]);
    is_written(&Kind::Unit, b"\xa4Unit");
    is_written(&Kind::Newtype(Box::new(Kind::Unit)), b"\x81\xa7Newtype\xa4Unit");
    is_written(&Kind::Tuple(-2, 0), &[&b"\x81\xa5Tuple\x92\xfe\xc4\x10"[..], &[0; 16]].concat());
    is_written(&Kind::Struct { x: -3, y: None }, b"\x81\xa6Struct\x82\xa1x\xfd\xa1y\xc0");
    is_written(&Ok::<u8, u8>(9), b"\x81\xa2Ok\x09");
    is_written(&Link { next: Some(Box::new(Link { next: None })) }, b"\x81\xa4next\x81\xa4next\xc0");
}

#[test]
fn fields_that_are_unknown_are_passed_over_and_those_that_are_missing_named() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Args {
        a: i32,
    }
    assert_eq!(MessagePack.decode::<Args>(b"\x82\xa1b\x93\xc0\x81\x01\x02\xc4\x01x\xa1a\x07").unwrap(), Args { a: 7 });
    assert!(refusal::<Args>(MessagePack, b"\x80").starts_with("missing field `a`"));
    let deep = [&b"\x82\xa1b"[..], &[0x91; 100_000]].concat();
    assert!(refusal::<Args>(MessagePack, &deep).starts_with("values nest deeper than 128 levels"));
    refusal::<u8>(MessagePack, &[0x91; 100_000]);
}

#[test]
fn every_marker_that_is_left_over_is_seen() {
    for marker in [0x00, 0x91, 0xa5, 0xc0, 0xc1, 0xc4, 0xdd, 0xff] {
        assert!(refusal::<u8>(MessagePack, &[7, marker]).starts_with("1 bytes are left over"), "{marker:#x}");
    }
    assert!(refusal::<Option<u8>>(MessagePack, &[0xc0, 0xc0]).starts_with("1 bytes are left over"));
}

/// D4
#[test]
fn a_value_of_another_type_is_named() {
    assert!(refusal::<u8>(MessagePack, &[0xcd, 1, 0]).starts_with("invalid value: integer `256`, expected u8"));
    assert!(refusal::<u8>(MessagePack, b"\xa1x").starts_with("a value is marked FixStr(1)"));
    assert!(refusal::<(u8, u8)>(MessagePack, &[0x93, 1, 2, 3]).contains("has not the length"));
    assert!(refusal::<Kind>(MessagePack, b"\xa3Red").starts_with("unknown variant `Red`"));
    assert!(refusal::<u8>(MessagePack, &[0xcd, 1]).starts_with("the body ends"));
    assert!(refusal::<u8>(MessagePack, &[0xc1]).contains("Reserved"));
}

/// D2: what MessagePack calls an extension is no way around the bounds.
#[test]
fn extensions_are_an_error() {
    refusal::<Vec<u8>>(MessagePack, &[0xd4, 1, 2]);
    refusal::<Order>(MessagePack, &[0xc9, 0xff, 0xff, 0xff, 0xff, 1]);
}

#[test]
fn arguments_may_be_a_map_with_their_names_as_keys() {
    let named = |name| ArgumentDescriptor { name, type_name: "" };
    let arguments = [named("a"), named("list")];
    let decode = |body: &[u8]| decode_arguments::<(i8, Vec<u8>)>(MessagePack, body, &arguments);
    for body in [
        &b"\x92\x01\x92\x02\x03"[..],
        b"\x82\xa1a\x01\xa4list\x92\x02\x03",
        b"\xde\x00\x02\xa4list\x92\x02\x03\xa1a\x01",
        b"\xdf\x00\x00\x00\x02\xa4list\xc4\x02\x02\x03\xd9\x01a\xd0\x01",
    ] {
        assert_eq!(decode(body).unwrap(), (1, vec![2, 3]), "{body:x?}");
    }
    for (body, fault) in [
        (&b"\x81\xa1a\x01"[..], "the argument \"list\" is missing"),
        (b"\x80", "the argument \"a\" is missing"),
        (b"\x83\xa1a\x01\xa4list\x90\xa1b\x02", "there is no argument \"b\""),
        (b"\x83\xa1a\x01\xa4list\x90\xa1a\x02", "the argument \"a\" is given twice"),
        (b"\x82\xa1a\x01\xa4list\x90\x07\x08", "2 bytes are left over"),
        (b"\x82\xa1a\x01\xa4list", "the body ends"),
        (b"\x82\xa1a\xa1x\xa4list\x90", "a value is marked FixStr(1)"),
        (b"\xdf\xff\xff\xff\xff", "the body ends"),
        (b"\x82\x01\x01", "invalid type: integer `1`, expected a string"),
    ] {
        let text = decode(body).unwrap_err().to_string();
        assert!(text.contains(fault), "{body:x?}: {text}");
    }
    decode(&[&b"\x82\xa1a"[..], &[0x91; 100_000]].concat()).unwrap_err();
    assert_eq!(decode_arguments::<NoArguments>(MessagePack, &[0x80], &[]).unwrap(), NoArguments);
}

proptest! {
    #[test]
    fn the_guard_changes_no_value(order in orders()) {
        let body = rmp_serde::to_vec_named(&order).unwrap();
        prop_assert_eq!(&bytes_of(MessagePack, &order), &body);
        prop_assert_eq!(MessagePack.decode::<Order>(&body).unwrap(), rmp_serde::from_slice::<Order>(&body).unwrap());
    }
}

//! The codec JSON: its bytes, and bodies that lie about what they hold.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{Chain, Kind, Link, Names, Nest, Order, Tree, bytes_of, decode_arguments, refusal};
use crate::{
    codec::{Bulk, CodecKind::Json, NoArguments},
    descriptor::ArgumentDescriptor,
};

fn is_written<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, golden: &str) {
    assert_eq!(String::from_utf8(bytes_of(Json, value)).unwrap(), golden);
    assert_eq!(&Json.decode::<T>(golden.as_bytes()).unwrap(), value);
}

#[test]
fn values_are_written_as_serde_json_writes_them() {
    is_written(&(1, -2.5, true, 'é', "a\"\n".to_string()), r#"[1,-2.5,true,"é","a\"\n"]"#);
    is_written(&(), "null");
    is_written(&None::<u8>, "null");
    is_written(&vec![(); 3], "[null,null,null]");
    is_written(&u128::MAX, "340282366920938463463374607431768211455");
    is_written(&BTreeMap::from([(1, 'a'), (2, 'b')]), r#"{"1":"a","2":"b"}"#);
    is_written(&Kind::Newtype(Box::new(Kind::Unit)), r#"{"Newtype":"Unit"}"#);
    is_written(&Kind::Tuple(-2, 7), r#"{"Tuple":[-2,7]}"#);
    is_written(&Kind::Struct { x: -3, y: None }, r#"{"Struct":{"x":-3,"y":null}}"#);
    is_written(&Link { next: Some(Box::new(Link { next: None })) }, r#"{"next":{"next":null}}"#);
    is_written(&Bulk(vec![1, 2, 255]), "[1,2,255]");
    is_written(&NoArguments, "[]");
}

#[test]
fn no_arguments_may_be_an_object_without_fields() {
    assert_eq!(Json.decode::<NoArguments>(b" { } ").unwrap(), NoArguments);
    refusal::<NoArguments>(Json, br#"{"a":1}"#);
    refusal::<NoArguments>(Json, b"null");
}

#[test]
fn arguments_may_be_an_object_with_their_names_as_keys() {
    let named = |name| ArgumentDescriptor { name, type_name: "" };
    let arguments = [named("a"), named("list")];
    let decode = |body: &str| decode_arguments::<(i8, Vec<u8>)>(Json, body.as_bytes(), &arguments);
    for body in [r#"[1,[2,3]]"#, r#" {"a":1,"list":[2,3]}"#, "{ \"list\" : [2, 3] ,\n\"\\u0061\" : 1 } "] {
        assert_eq!(decode(body).unwrap(), (1, vec![2, 3]), "{body}");
    }
    for (body, fault) in [
        (r#"{"a":1}"#, "the argument \"list\" is missing"),
        (r#"{"a":1,"list":[],"b":2}"#, "there is no argument \"b\""),
        (r#"{"a":1,"list":[],"a":2}"#, "the argument \"a\" is given twice"),
        (r#"{"a":1,"list":[]} {}"#, "2 bytes are left over"),
        (r#"{"a":1,"list":[}"#, "expected value"),
        (r#"{"a":"x","list":[]}"#, "invalid type"),
        ("{}", "the argument \"a\" is missing"),
        ("{", "no end"),
        (r#"{"a" 1}"#, "expected ':'"),
        (r#"{"a":1,}"#, "expected value"),
        (r#"{"a":1],"list":["#, "expected ','"),
    ] {
        let text = decode(body).unwrap_err().to_string();
        assert!(text.contains(fault), "{body}: {text}");
    }
    let deep = format!(r#"{{"a":{}"#, "[".repeat(100_000));
    decode(&deep).unwrap_err();
    let deep = format!(r#"{{"list":[],"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    decode(&deep).unwrap_err();
}

/// D2
#[test]
fn a_hundred_thousand_levels_are_an_error() {
    let nested = |level: &str| level.repeat(100_000).into_bytes();
    for text in [
        refusal::<Nest>(Json, &nested("[")),
        refusal::<Names>(Json, &nested(r#"{"k":"#)),
        refusal::<Tree>(Json, &nested(r#"{"Newtype":"#)),
        refusal::<Tree>(Json, &nested(r#"{"Tuple":["#)),
        refusal::<Tree>(Json, &nested(r#"{"Struct":{"inner":"#)),
        refusal::<Link>(Json, &nested(r#"{"next":"#)),
        refusal::<serde_json::Value>(Json, &nested("[")),
    ] {
        assert!(text.contains("recursion limit exceeded") || text.contains("deeper than 128 levels"), "{text}");
    }
    refusal::<u8>(Json, &nested("["));
    refusal::<Link>(Json, format!(r#"{{"unknown":{}"#, "[".repeat(100_000)).as_bytes());
}

/// D2: no byte of the body is consumed on the way down.
#[test]
fn a_type_that_is_an_option_of_itself_ends() {
    assert!(refusal::<Chain>(Json, b"1").starts_with("values nest deeper than 128 levels"));
}

/// D4
#[test]
fn a_body_of_another_type_is_an_error_that_names_both() {
    assert!(refusal::<u8>(Json, br#""text""#).starts_with(r#"invalid type: string "text", expected u8"#));
    assert!(refusal::<Order>(Json, br#"{"id":1}"#).starts_with("missing field `customer`"));
    assert!(refusal::<u8>(Json, b"256").contains("expected u8"));
    refusal::<String>(Json, b"");
}

/// D5
#[test]
fn what_is_left_over_is_counted_across_lines() {
    assert!(refusal::<[u8; 2]>(Json, b"[1,\n2]\n\n  [3]\n").starts_with("4 bytes are left over"));
    assert_eq!(Json.decode::<[u8; 2]>(b"\n[1, 2] \n").unwrap(), [1, 2]);
}

/// D6
#[test]
fn what_an_error_quotes_is_short_and_safe_to_log() {
    let text = refusal::<u8>(Json, format!(r#""{}""#, "long".repeat(100_000)).as_bytes());
    assert!(text.len() < 400, "{}", text.len());
    let text = refusal::<Kind>(Json, br#""\u001b[31m\nred""#);
    assert!(text.starts_with(r"unknown variant `\u{1b}[31m\nred`"), "{text}");
    refusal::<String>(Json, b"\"a\xff\"");
}

/// D7
#[test]
fn a_number_that_json_does_not_have_is_an_error_of_the_sender() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut out = Vec::new();
        assert!(Json.encode(&value, &mut out).unwrap_err().to_string().ends_with("is not a number in json"));
        Json.encode(&[Some((1, value))], &mut out).unwrap_err();
        Json.encode(&BTreeMap::from([("k", value)]), &mut out).unwrap_err();
        Json.encode(&Kind::Struct { x: 1, y: Some(value as f32) }, &mut out).unwrap_err();
        Json.encode(&Ok::<_, ()>((value,)), &mut out).unwrap_err();
        assert!(out.is_empty());
    }
    refusal::<f64>(Json, b"1e999");
    refusal::<f64>(Json, b"null");
    refusal::<f64>(Json, b"NaN");
}

/// D7
#[test]
fn a_time_that_can_not_be_is_an_error() {
    let body = br#"{"secs":18446744073709551615,"nanos":4294967295}"#;
    assert!(refusal::<Duration>(Json, body).contains("overflow"));
    refusal::<SystemTime>(Json, br#"{"secs_since_epoch":18446744073709551615,"nanos_since_epoch":0}"#);
}

/// A6
#[test]
fn a_map_whose_keys_are_no_strings_is_an_error_that_leaves_the_output_as_it_was() {
    let mut out = b"before".to_vec();
    let error = Json.encode(&("first", HashMap::from([((1, 2), 3)])), &mut out).unwrap_err();
    assert_eq!(error.to_string(), "key must be a string");
    assert_eq!(out, b"before");
}

#[test]
fn a_string_is_not_taken_for_bytes() {
    refusal::<Bulk<Vec<u8>>>(Json, br#""abc""#);
    refusal::<Bulk<Bytes>>(Json, br#""abc""#);
    refusal::<Bulk<Vec<u8>>>(Json, b"[1,256]");
    refusal::<Bulk<Vec<u8>>>(Json, br#"{"0":1}"#);
}

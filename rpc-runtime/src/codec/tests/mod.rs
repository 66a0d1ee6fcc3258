//! What every codec promises, then the bytes and the hostile bodies of each.

#[cfg(feature = "bincode")]
mod bincode_golden;
#[cfg(feature = "bincode")]
mod bincode_hostile;
mod custom;
mod erased;
mod erased_values;
mod hostile;
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
#[cfg(feature = "postcard")]
mod postcard;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Bulk, CodecKind, DecodeError, NoArguments};
use crate::descriptor::ArgumentDescriptor;

/// A struct of the kind that services pass about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    note: Option<String>,
    lines: Vec<Line>,
    stock: BTreeMap<String, i64>,
    flags: (bool, u16, i32, char),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    price: f64,
    kind: Kind,
    nothing: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Newtype(Box<Kind>),
    Tuple(i8, u128),
    Struct { x: i64, y: Option<f32> },
}

/// Types that hold themselves, each by another way.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nest(Vec<Nest>);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Names(BTreeMap<String, Names>);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Link {
    next: Option<Box<Link>>,
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Newtype(Box<Tree>),
    Tuple(Box<Tree>, u8),
    Struct { inner: Box<Tree> },
}

/// Every codec, one that a user wrote among them.
fn all() -> Vec<CodecKind> {
    [CodecKind::available(), &[CodecKind::Custom(&custom::Marked)]].concat()
}

fn bytes_of<T: Serialize + ?Sized>(codec: CodecKind, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(value, &mut out).unwrap();
    out
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
    for codec in all() {
        let body = bytes_of(codec, value);
        assert_eq!(&codec.decode::<T>(&body).unwrap(), value, "{codec:?}");
    }
}

fn refusal<'de, T: Deserialize<'de>>(codec: CodecKind, body: &'de [u8]) -> String {
    match codec.decode::<T>(body) {
        Ok(_) => panic!("{codec:?} accepts what it should refuse"),
        Err(error) => error.to_string(),
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Unit),
        (any::<i8>(), any::<u128>()).prop_map(|(a, b)| Kind::Tuple(a, b)),
        (any::<i64>(), any::<Option<f32>>()).prop_map(|(x, y)| Kind::Struct { x, y }),
    ];
    leaf.prop_recursive(8, 16, 1, |inner| inner.prop_map(|kind| Kind::Newtype(Box::new(kind))))
}

fn orders() -> impl Strategy<Value = Order> {
    let lines = (any::<f64>(), kinds()).prop_map(|(price, kind)| Line { price, kind, nothing: () });
    (
        any::<u64>(),
        any::<String>(),
        any::<Option<String>>(),
        prop::collection::vec(lines, 0..5),
        prop::collection::btree_map(any::<String>(), any::<i64>(), 0..4),
        any::<(bool, u16, i32, char)>(),
    )
        .prop_map(|(id, customer, note, lines, stock, flags)| Order { id, customer, note, lines, stock, flags })
}

proptest! {
    #[test]
    fn every_order_comes_back_as_it_was(order in orders()) {
        comes_back(&order);
    }

    #[test]
    fn every_f64_comes_back_to_the_last_bit(value in any::<f64>()) {
        comes_back(&value);
    }

    #[test]
    fn any_bytes_decode_or_are_an_error(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in all() {
            let _ = codec.decode::<Order>(&body);
            let _ = codec.decode::<(Nest, Tree)>(&body);
            let _ = codec.decode::<HashMap<String, Vec<Chain>>>(&body);
            let _ = codec.decode::<(SystemTime, Duration, Bulk<Vec<u8>>, char)>(&body);
        }
    }
}

#[test]
fn a_codec_is_found_by_its_name() {
    for codec in CodecKind::available() {
        assert_eq!(CodecKind::from_name(codec.name()), Some(*codec));
    }
    assert_eq!(CodecKind::from_name("Bincode"), None);
    assert!(CodecKind::available().contains(&CodecKind::default()));
}

#[test]
fn a_codec_that_is_not_built_in_refuses_all_work() {
    let named = [CodecKind::Bincode, CodecKind::Json, CodecKind::MessagePack, CodecKind::Postcard];
    for codec in named {
        let is_there = CodecKind::available().contains(&codec);
        assert_eq!(CodecKind::from_name(codec.name()), is_there.then_some(codec));
        assert_eq!(codec.check().is_ok(), is_there);
        if !is_there {
            let text = codec.check().unwrap_err().to_string();
            assert!(text.contains(&format!("the feature `{}` of rpc-runtime is off", codec.name())), "{text}");
            assert!(codec.encode(&1, &mut Vec::new()).unwrap_err().to_string().contains("not built in"));
            assert!(refusal::<u8>(codec, &[1]).contains("not built in"));
        }
    }
}

/// D7
#[test]
fn the_largest_and_smallest_values_come_back() {
    comes_back(&(i128::MIN, i128::MAX, u128::MAX));
    comes_back(&(i64::MIN, i64::MAX, u64::MAX));
    comes_back(&(f64::MIN, f64::MAX, f64::MIN_POSITIVE, -0.0_f64));
    comes_back(&(f32::MIN, f32::MAX, f32::from_bits(1)));
    comes_back(&(Duration::ZERO, Duration::MAX, SystemTime::UNIX_EPOCH));
    comes_back(&(char::MAX, '\0', String::from("\0\u{7f}\n%é")));
}

#[test]
fn what_methods_return_comes_back() {
    comes_back(&());
    comes_back(&Some(Some(5)));
    comes_back(&Ok::<Result<(), String>, u8>(Err("no".into())));
    comes_back(&HashMap::from([(1, "one".to_string())]));
    comes_back(&vec![(); 60_000]);
    comes_back(&vec![vec![1.5_f32; 10]; 10]);
}

/// D8
#[test]
fn a_hundred_thousand_keys_come_back() {
    comes_back(&(0..100_000_u32).map(|key| (key, ())).collect::<HashMap<_, _>>());
}

/// D5
#[test]
fn bytes_left_over_are_an_error_that_names_their_number() {
    for codec in all() {
        let mut body = bytes_of(codec, &(7, "seven"));
        body.extend_from_slice(b"9 8");
        let text = refusal::<(i32, String)>(codec, &body);
        assert!(
            text.starts_with("3 bytes are left over") || text.starts_with("trailing characters"),
            "{codec:?}: {text}"
        );
    }
}

#[test]
fn a_body_cut_at_any_byte_is_an_error() {
    let order = Order {
        id: 1 << 40,
        customer: "Ada".into(),
        note: Some("\"quoted\"".into()),
        lines: vec![Line { price: 1.5, kind: Kind::Tuple(-1, 1 << 100), nothing: () }],
        stock: BTreeMap::from([("red".into(), -300)]),
        flags: (true, 70, -70_000, 'é'),
    };
    for codec in all() {
        let body = bytes_of(codec, &order);
        for end in 0..body.len() {
            refusal::<Order>(codec, &body[..end]);
        }
    }
}

/// A37, D9: what cannot be written leaves nothing behind.
#[test]
fn a_value_that_fails_midway_leaves_the_output_as_it_was() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("this one\ncan not"))
        }
    }
    for codec in all() {
        let mut out = b"before".to_vec();
        let error = codec.encode(&("written", 1, Fails), &mut out).unwrap_err();
        assert_eq!(error.to_string(), "this one\\ncan not");
        assert_eq!(out, b"before");
    }
}

#[test]
fn encoding_appends_to_what_is_there() {
    for codec in all() {
        let mut out = b"before".to_vec();
        codec.encode("text", &mut out).unwrap();
        assert_eq!(out, [b"before".as_slice(), &bytes_of(codec, "text")].concat());
    }
}

#[test]
fn a_string_is_lent_out_of_the_body() {
    for codec in all() {
        let body = bytes_of(codec, &("lent", 1));
        let (text, _): (&str, i32) = codec.decode(&body).unwrap();
        assert!(body.as_ptr_range().contains(&text.as_ptr()), "{codec:?}");
    }
}

#[test]
fn bulk_bytes_are_read_from_what_a_vec_is_on_the_wire_and_the_other_way_round() {
    for length in [0, 1, 250, 251, 70_000] {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 256) as u8).collect();
        for codec in all() {
            let (plain, bulk) = (bytes_of(codec, &bytes), bytes_of(codec, &Bulk(&bytes)));
            assert_eq!(plain == bulk, codec != CodecKind::MessagePack, "{codec:?}, {length} bytes");
            assert_eq!(bytes_of(codec, &Bulk(bytes.as_slice())), bulk);
            assert_eq!(bytes_of(codec, &Bulk(Bytes::from(bytes.clone()))), bulk);
            for body in [plain, bulk] {
                assert_eq!(codec.decode::<Bulk<Vec<u8>>>(&body).unwrap().0, bytes);
                assert_eq!(codec.decode::<Bulk<Bytes>>(&body).unwrap().0, bytes);
                assert_eq!(codec.decode::<Bulk<Cow<'_, [u8]>>>(&body).unwrap().0, bytes);
                assert_eq!(codec.decode::<Vec<u8>>(&body).unwrap(), bytes);
            }
        }
    }
}

#[test]
fn no_arguments_are_an_empty_tuple() {
    comes_back(&NoArguments);
    assert_eq!(bytes_of(CodecKind::Json, &NoArguments), b"[]");
    for codec in all() {
        let one = bytes_of(codec, &(1,));
        refusal::<NoArguments>(codec, &one);
    }
}

#[test]
fn the_example_of_the_specification_is_what_each_codec_writes() {
    let document = include_str!("../../../../PROTOCOL.md");
    let example = document.lines().find(|line| line.starts_with("The argument tuple")).unwrap();
    for codec in CodecKind::available() {
        let (_, behind) = example.split_once(&format!("`{}` `", codec.name())).unwrap();
        let (bytes, _) = behind.split_once('`').unwrap();
        let bytes: Vec<u8> = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        assert_eq!(bytes_of(*codec, &(300_i64, -1_i64)), bytes, "{codec:?}");
    }
}

/// Arguments decoded as a server does it: in order, or by their names.
fn decode_arguments<T: DeserializeOwned>(
    codec: CodecKind,
    body: &[u8],
    arguments: &[ArgumentDescriptor],
) -> Result<T, DecodeError> {
    let in_order = codec.in_order(body, arguments)?;
    codec.decode(in_order.as_deref().unwrap_or(body))
}

//! Bodies that lie about what they hold, against every codec that announces lengths: the guard makes errors of them.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    ffi::CString,
    fmt,
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{Chain, CodecKind, Link, Names, Nest, Order, Tree, all, bytes_of, custom, refusal};
use crate::codec::{Bulk, guard};

/// What begins with a length.
#[derive(Debug, Clone, Copy)]
enum Head {
    List,
    Map,
    Text,
    Bytes,
}

/// How a codec writes lengths.
struct Dialect {
    codec: CodecKind,
    /// The largest length worth a lie.
    endless: u64,
    head: fn(Head, u64) -> Vec<u8>,
    /// What brings each of the types that hold themselves one level deeper.
    level: fn(&str) -> Vec<u8>,
}

impl Dialect {
    fn named(codec: CodecKind) -> Self {
        match codec {
            CodecKind::MessagePack => {
                Self { codec, endless: u64::from(u32::MAX), head: messagepack, level: messagepack_level }
            }
            CodecKind::Bincode => {
                Self { codec, endless: 1 << 60, head: |_, n| bytes_of(CodecKind::Bincode, &n), level }
            }
            // Both write postcard's bytes.
            _ => Self { codec, endless: 1 << 60, head: |_, length| leb128(length), level },
        }
    }

    /// Twenty bytes that begin with such a length.
    fn lie(&self, head: Head) -> Vec<u8> {
        let mut body = (self.head)(head, self.endless);
        body.resize(20, 1);
        body
    }
}

fn dialects() -> Vec<Dialect> {
    let built_in = CodecKind::available().iter().filter(|codec| **codec != CodecKind::Json);
    built_in.copied().chain([CodecKind::Custom(&custom::Unguarded)]).map(Dialect::named).collect()
}

fn leb128(mut length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

/// The longest form that there is, whatever the length.
fn messagepack(head: Head, length: u64) -> Vec<u8> {
    let marker = match head {
        Head::List => 0xdd,
        Head::Map => 0xdf,
        Head::Text => 0xdb,
        Head::Bytes => 0xc6,
    };
    [&[marker][..], &u32::try_from(length).unwrap().to_be_bytes()].concat()
}

fn level(of: &str) -> Vec<u8> {
    match of {
        "Names" => vec![1, 1, b'k'],
        "Tree::Tuple" => vec![2],
        "Tree::Struct" => vec![3],
        _ => vec![1],
    }
}

fn messagepack_level(of: &str) -> Vec<u8> {
    match of {
        "Nest" => b"\x91".to_vec(),
        "Names" => b"\x81\xa1k".to_vec(),
        "Link" => b"\x81\xa4next".to_vec(),
        "Tree::Newtype" => b"\x81\xa7Newtype".to_vec(),
        "Tree::Tuple" => b"\x81\xa5Tuple\x92".to_vec(),
        "Tree::Struct" => b"\x81\xa6Struct\x81\xa5inner".to_vec(),
        other => panic!("{other}"),
    }
}

thread_local! {
    /// The size hints that [`Observed`] was given, by depth of recursion.
    static HINTS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A recursive sequence or map that notes what it is told to expect.
struct Observed<const MAP: bool>;

impl<'de, const MAP: bool> Deserialize<'de> for Observed<MAP> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if MAP { deserializer.deserialize_map(Self) } else { deserializer.deserialize_seq(Self) }
    }
}

impl<'de, const MAP: bool> Visitor<'de> for Observed<MAP> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self, A::Error> {
        HINTS.with_borrow_mut(|hints| hints.push(access.size_hint().unwrap_or(0)));
        while access.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self, A::Error> {
        HINTS.with_borrow_mut(|hints| hints.push(access.size_hint().unwrap_or(0)));
        while access.next_entry::<u8, Self>()?.is_some() {}
        Ok(self)
    }
}

fn hints_of<T: Deserialize<'static>>(codec: CodecKind, body: Vec<u8>) -> Vec<usize> {
    HINTS.take();
    let _ = codec.decode::<T>(body.leak());
    HINTS.take()
}

/// D1
#[test]
fn a_length_far_beyond_the_body_is_refused_at_once_and_named() {
    for dialect in dialects() {
        let (codec, list, map) = (dialect.codec, dialect.lie(Head::List), dialect.lie(Head::Map));
        let refusals = [
            refusal::<Vec<u64>>(codec, &list),
            refusal::<Vec<u8>>(codec, &list),
            refusal::<Vec<()>>(codec, &list),
            refusal::<Vec<[[u64; 16]; 8]>>(codec, &list),
            refusal::<HashSet<()>>(codec, &list),
            refusal::<HashMap<u64, u64>>(codec, &map),
            refusal::<BTreeMap<(), ()>>(codec, &map),
        ];
        for text in refusals {
            let expected = match codec {
                CodecKind::MessagePack => "a body of 20 bytes has 4294967295 elements or more".to_owned(),
                // The crate postcard forgets what went wrong.
                CodecKind::Custom(_) => String::new(),
                _ => format!("{} elements are announced where 11 bytes remain and 65536 at most", 1_u64 << 60),
            };
            assert!(text.starts_with(&expected), "{codec:?}: {text}");
        }
    }
}

/// D1
#[test]
fn a_string_reserves_nothing_before_its_bytes_are_there() {
    for dialect in dialects() {
        let (codec, text, bytes) = (dialect.codec, dialect.lie(Head::Text), dialect.lie(Head::Bytes));
        let one = |head| (dialect.head)(head, 1);
        let refusals = [
            refusal::<String>(codec, &text),
            refusal::<&str>(codec, &text),
            refusal::<&[u8]>(codec, &bytes),
            refusal::<CString>(codec, &bytes),
            refusal::<Bulk<Vec<u8>>>(codec, &bytes),
            refusal::<Bulk<Cow<'_, [u8]>>>(codec, &bytes),
            refusal::<Vec<String>>(codec, &[one(Head::List), text.clone()].concat()),
            refusal::<HashMap<u8, String>>(codec, &[one(Head::Map), vec![1], text.clone()].concat()),
        ];
        for text in refusals {
            let expected = match codec {
                CodecKind::MessagePack => "the body ends in the midst of a value",
                CodecKind::Custom(_) => "",
                _ => "a string or byte sequence of 1152921504606846976 bytes is announced where 11 remain",
            };
            assert!(text.starts_with(expected), "{codec:?}: {text}");
        }
    }
}

/// D1
#[test]
fn elements_without_bytes_are_bounded_in_all() {
    for dialect in dialects().iter().filter(|dialect| dialect.codec != CodecKind::MessagePack) {
        let (codec, count) = (dialect.codec, |count: usize| (dialect.head)(Head::List, count as u64));
        assert_eq!(codec.decode::<Vec<()>>(&count(guard::EMPTY)).unwrap().len(), guard::EMPTY);
        let more = count(guard::EMPTY + 10);
        refusal::<Vec<()>>(codec, &more);
        refusal::<Vec<()>>(codec, &count(1 << 28));
        refusal::<Vec<((), [(); 3])>>(codec, &count(1 << 28));
        refusal::<BTreeMap<(), ()>>(codec, &more);
        let halves = [count(3), count(guard::EMPTY / 2), count(guard::EMPTY / 2), count(guard::EMPTY / 2)].concat();
        refusal::<Vec<Vec<()>>>(codec, &halves);
        refusal::<Vec<()>>(codec, &[more.as_slice(), &[1; 10]].concat());
    }
}

/// D2, down every kind of level.
#[test]
fn a_hundred_thousand_levels_are_an_error() {
    for Dialect { codec, level, .. } in dialects() {
        let nested = |of: &str| level(of).repeat(100_000);
        let refusals = [
            refusal::<Nest>(codec, &nested("Nest")),
            refusal::<Names>(codec, &nested("Names")),
            refusal::<Link>(codec, &nested("Link")),
            refusal::<Tree>(codec, &nested("Tree::Newtype")),
            refusal::<Tree>(codec, &nested("Tree::Tuple")),
            refusal::<Tree>(codec, &nested("Tree::Struct")),
            // In MessagePack an option is no byte, so that one is enough.
            refusal::<Chain>(codec, &vec![1; 100_000]),
        ];
        for text in refusals {
            let is_named = text.starts_with("values nest deeper than 128 levels");
            assert!(is_named || matches!(codec, CodecKind::Custom(_)), "{codec:?}: {text}");
        }
    }
}

/// D2
#[test]
fn exactly_the_deepest_value_is_accepted() {
    for Dialect { codec, level, head, .. } in dialects() {
        let nested = |levels: usize| [level("Nest").repeat(levels - 1), head(Head::List, 0)].concat();
        let depth = usize::from(guard::DEPTH);
        codec.decode::<Nest>(&nested(depth)).unwrap();
        refusal::<Nest>(codec, &nested(depth + 1));
    }
}

/// D3
#[test]
fn unfinished_sequences_together_reserve_no_more_than_the_body_has_bytes() {
    for Dialect { codec, head, .. } in dialects() {
        // Each level announces 9,000 elements, which no single check can call a lie. Where it is not known what
        // remains, the element that a level is in is counted no more.
        let most = |body: &[u8]| body.len() + usize::from(guard::DEPTH);
        let body = head(Head::List, 9_000).repeat(3_000);
        let hints = hints_of::<Observed<false>>(codec, body.clone());
        assert_eq!(hints.len(), usize::from(guard::DEPTH), "{codec:?}");
        assert!(hints.iter().sum::<usize>() <= most(&body), "{codec:?}: {hints:?}");

        let body = [head(Head::Map, 9_000), vec![1]].concat().repeat(3_000);
        let hints = hints_of::<Observed<true>>(codec, body.clone());
        assert_eq!(hints.len(), usize::from(guard::DEPTH), "{codec:?}");
        assert!(hints.iter().sum::<usize>() <= most(&body), "{codec:?}: {hints:?}");
    }
}

#[test]
fn a_sequence_that_tells_the_truth_is_told_its_length() {
    for Dialect { codec, head, .. } in dialects() {
        let lists = [3, 2, 0, 0, 1, 0, 0].map(|count| head(Head::List, count)).concat();
        assert_eq!(hints_of::<Observed<false>>(codec, lists), [3, 2, 0, 0, 1, 0, 0], "{codec:?}");
        let map = |count| head(Head::Map, count);
        let maps = [map(2), vec![7], map(1), vec![7], map(0), vec![7], map(0)].concat();
        assert_eq!(hints_of::<Observed<true>>(codec, maps), [2, 1, 0, 0], "{codec:?}");
    }
}

/// D4
#[test]
fn a_body_of_another_type_is_an_error_that_names_the_likely_cause() {
    for codec in all() {
        let body = bytes_of(codec, &("text", 3_u8));
        for text in [
            refusal::<(u64, u64, String)>(codec, &body),
            refusal::<bool>(codec, &body),
            refusal::<Option<u8>>(codec, &body),
            refusal::<Order>(codec, &body),
            refusal::<u8>(codec, &[]),
            refusal::<u32>(codec, &bytes_of(codec, &(1_u64 << 32))),
            refusal::<Tree>(codec, &bytes_of(codec, &200)),
        ] {
            assert!(!text.is_empty());
            let hint = format!("; with {} both ends must have the same types, which may differ here", codec.name());
            let must_hint = matches!(codec, CodecKind::Bincode | CodecKind::Postcard);
            assert_eq!(text.ends_with(&hint), must_hint, "{codec:?}: {text}");
        }
    }
}

#[test]
fn a_type_that_asks_what_comes_next_is_told_why_that_fails() {
    for codec in all() {
        let body = bytes_of(codec, &1_u8);
        match codec.decode::<serde_json::Value>(&body) {
            Ok(value) => assert_eq!(value, 1, "{codec:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with(codec.name()) && text.contains("`flatten`"), "{text}");
            }
        }
    }
}

/// D6
#[test]
fn a_string_that_is_not_utf_8_is_an_error_that_is_safe_to_log() {
    for Dialect { codec, head, .. } in dialects() {
        let body = [head(Head::Text, 3), vec![b'a', 0x1b, 0xff]].concat();
        for text in [refusal::<String>(codec, &body), refusal::<&str>(codec, &body)] {
            assert!(text.starts_with("a string is not utf-8: ") || matches!(codec, CodecKind::Custom(_)), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
    }
}

/// D7
#[test]
fn every_bit_of_a_float_comes_back() {
    for Dialect { codec, .. } in dialects() {
        for bits in [f64::NAN.to_bits(), f64::INFINITY.to_bits(), f64::NEG_INFINITY.to_bits(), 0xfff0_0000_0000_0001] {
            let body = bytes_of(codec, &f64::from_bits(bits));
            assert_eq!(codec.decode::<f64>(&body).unwrap().to_bits(), bits);
        }
    }
}

/// D7
#[test]
fn a_time_that_can_not_be_is_an_error() {
    for Dialect { codec, .. } in dialects() {
        refusal::<Duration>(codec, &bytes_of(codec, &(u64::MAX, u32::MAX)));
        refusal::<SystemTime>(codec, &bytes_of(codec, &(u64::MAX, u32::MAX)));
        refusal::<SystemTime>(codec, &bytes_of(codec, &(u64::MAX, 0_u32)));
    }
}

#[test]
fn bytes_are_lent_out_of_the_body() {
    for Dialect { codec, .. } in dialects() {
        let body = bytes_of(codec, &Bulk(vec![7; 1_000]));
        let lent: &[u8] = codec.decode(&body).unwrap();
        assert_eq!(lent.as_ptr_range(), body[body.len() - 1_000..].as_ptr_range());
        let Bulk(Cow::Borrowed(lent)) = codec.decode::<Bulk<Cow<'_, [u8]>>>(&body).unwrap() else {
            panic!("a copy was made");
        };
        assert_eq!(lent.as_ptr_range(), body[body.len() - 1_000..].as_ptr_range());
    }
}

//! Bodies that lie about what they hold, against the codec bincode.

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

use super::{Chain, Link, Names, Nest, Tree, bytes_of, refusal};
use crate::codec::{Bulk, CodecKind::Bincode, guard};

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
        HINTS.with_borrow_mut(|hints| hints.push(access.size_hint().unwrap()));
        while access.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self, A::Error> {
        HINTS.with_borrow_mut(|hints| hints.push(access.size_hint().unwrap()));
        while access.next_entry::<u8, Self>()?.is_some() {}
        Ok(self)
    }
}

fn hints_of<T: Deserialize<'static>>(body: Vec<u8>) -> Vec<usize> {
    HINTS.take();
    let _ = Bincode.decode::<T>(body.leak());
    HINTS.take()
}

/// Twenty bytes that begin with a length of 2^`power`.
fn announces(power: u32) -> Vec<u8> {
    let mut body = bytes_of(Bincode, &(1_u64 << power));
    body.resize(20, 1);
    body
}

/// D1
#[test]
fn a_length_far_beyond_the_body_is_refused_at_once_and_named() {
    let body = announces(60);
    let expected = "1152921504606846976 elements are announced where 11 bytes remain";
    assert!(refusal::<Vec<u64>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Vec<u8>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Vec<()>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Vec<[[u64; 16]; 8]>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<HashSet<()>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<HashMap<u64, u64>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<BTreeMap<(), ()>>(Bincode, &body).starts_with(expected));
}

/// D1
#[test]
fn a_string_reserves_nothing_before_its_bytes_are_there() {
    let expected = "a string or byte sequence of 1152921504606846976 bytes is announced where 11 remain";
    let body = announces(60);
    assert!(refusal::<String>(Bincode, &body).starts_with(expected));
    assert!(refusal::<&str>(Bincode, &body).starts_with(expected));
    assert!(refusal::<&[u8]>(Bincode, &body).starts_with(expected));
    assert!(refusal::<CString>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Bulk<Vec<u8>>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Bulk<Cow<'_, [u8]>>>(Bincode, &body).starts_with(expected));
    assert!(refusal::<Vec<String>>(Bincode, &[&[1], body.as_slice()].concat()).starts_with(expected));
    assert!(refusal::<HashMap<u8, String>>(Bincode, &[&[1, 1], body.as_slice()].concat()).starts_with(expected));
}

/// D1
#[test]
fn elements_without_bytes_are_bounded_in_all() {
    let most = bytes_of(Bincode, &(guard::EMPTY as u64));
    assert_eq!(Bincode.decode::<Vec<()>>(&most).unwrap().len(), guard::EMPTY);
    let more = bytes_of(Bincode, &(guard::EMPTY as u64 + 1));
    refusal::<Vec<()>>(Bincode, &more);
    refusal::<Vec<()>>(Bincode, &announces(28));
    refusal::<Vec<((), [(); 3])>>(Bincode, &announces(28));
    refusal::<BTreeMap<(), ()>>(Bincode, &more);

    let halves = bytes_of(Bincode, &vec![guard::EMPTY as u64 / 2; 3]);
    assert!(refusal::<Vec<Vec<()>>>(Bincode, &halves).contains("are announced"));
    let trailed = [more.as_slice(), &[1]].concat();
    assert!(refusal::<Vec<()>>(Bincode, &trailed).starts_with("more than 65536 elements consume no byte"));
}

/// A field of a type without bytes is not an element: how many there are is the type's matter.
#[test]
fn fields_without_bytes_are_not_counted() {
    let values = vec![(1_u8, (), ()); 2 * guard::EMPTY];
    assert_eq!(Bincode.decode::<Vec<(u8, (), ())>>(&bytes_of(Bincode, &values)).unwrap(), values);
}

/// D2
#[test]
fn a_hundred_thousand_levels_are_an_error() {
    let expected = "values nest deeper than 128 levels";
    for byte in [1, 2, 3] {
        assert!(refusal::<Tree>(Bincode, &[byte; 100_000]).starts_with(expected));
    }
    let ones = [1; 100_000];
    assert!(refusal::<Chain>(Bincode, &ones).starts_with(expected));
    assert!(refusal::<Nest>(Bincode, &ones).starts_with(expected));
    assert!(refusal::<Link>(Bincode, &ones).starts_with(expected));
    assert!(refusal::<Names>(Bincode, &[1, 1, b'k'].repeat(100_000)).starts_with(expected));
}

/// D2
#[test]
fn exactly_the_deepest_value_is_accepted() {
    let nested = |levels: usize| [vec![1; levels - 1], vec![0]].concat();
    let depth = usize::from(guard::DEPTH);
    Bincode.decode::<Nest>(&nested(depth)).unwrap();
    refusal::<Nest>(Bincode, &nested(depth + 1));
    Bincode.decode::<Tree>(&nested(depth)).unwrap();
    refusal::<Tree>(Bincode, &nested(depth + 1));
}

/// D3
#[test]
fn unfinished_sequences_together_reserve_no_more_than_the_bytes_that_remain() {
    // Each level announces 60,000 elements, which no single check can call a lie.
    let body = [251, 0x60, 0xea].repeat(3_000);
    let hints = hints_of::<Observed<false>>(body.clone());
    assert_eq!(hints.len(), usize::from(guard::DEPTH));
    assert!(hints.iter().sum::<usize>() <= body.len(), "{hints:?}");

    let body = [251, 0x60, 0xea, 1].repeat(3_000);
    let hints = hints_of::<Observed<true>>(body.clone());
    assert_eq!(hints.len(), usize::from(guard::DEPTH));
    assert!(hints.iter().sum::<usize>() <= body.len(), "{hints:?}");
}

#[test]
fn a_sequence_that_tells_the_truth_is_told_its_length() {
    let hints = hints_of::<Observed<false>>(vec![3, 2, 0, 0, 1, 0, 0]);
    assert_eq!(hints, [3, 2, 0, 0, 1, 0, 0]);
    let hints = hints_of::<Observed<true>>(vec![2, 7, 1, 7, 0, 7, 0]);
    assert_eq!(hints, [2, 1, 0, 0]);
}

/// D4
#[test]
fn a_body_of_another_type_is_an_error_that_names_the_likely_cause() {
    let body = bytes_of(Bincode, &("text", 3_u8));
    for text in [
        refusal::<(u64, u64, String)>(Bincode, &body),
        refusal::<bool>(Bincode, &body),
        refusal::<Option<u8>>(Bincode, &body),
        refusal::<Tree>(Bincode, &[200]),
        refusal::<u32>(Bincode, &[253, 0, 0, 0, 0, 1, 0, 0, 0]),
        refusal::<char>(Bincode, &[0xff; 4]),
        refusal::<u8>(Bincode, &[]),
    ] {
        assert!(text.ends_with("; with bincode both ends must have the same types, which may differ here"), "{text}");
    }
    assert!(refusal::<u32>(Bincode, &[252, 1]).starts_with("the body ends"));
}

#[test]
fn a_type_that_asks_what_comes_next_is_told_why_that_fails() {
    assert!(refusal::<serde_json::Value>(Bincode, &[1]).contains("`flatten`"));
}

/// D6
#[test]
fn a_string_that_is_not_utf_8_is_an_error_that_is_safe_to_log() {
    let text = refusal::<String>(Bincode, &[3, b'a', 0x1b, 0xff]);
    assert!(text.starts_with("a string is not utf-8: "), "{text}");
    assert!(!text.contains('\u{1b}'));
    refusal::<&str>(Bincode, &[1, 0x80]);
}

/// D7
#[test]
fn every_bit_of_a_float_comes_back() {
    for bits in [f64::NAN.to_bits(), f64::INFINITY.to_bits(), f64::NEG_INFINITY.to_bits(), 0xfff0_0000_0000_0001] {
        let body = bytes_of(Bincode, &f64::from_bits(bits));
        assert_eq!(Bincode.decode::<f64>(&body).unwrap().to_bits(), bits);
    }
}

/// D7
#[test]
fn a_time_that_can_not_be_is_an_error() {
    let body = bytes_of(Bincode, &(u64::MAX, u32::MAX));
    assert!(refusal::<Duration>(Bincode, &body).contains("overflow"));
    refusal::<SystemTime>(Bincode, &body);
    refusal::<SystemTime>(Bincode, &bytes_of(Bincode, &(u64::MAX, 0_u32)));
}

#[test]
fn bytes_are_lent_out_of_the_body() {
    let body = bytes_of(Bincode, &Bulk(vec![7; 1_000]));
    let lent: &[u8] = Bincode.decode(&body).unwrap();
    assert_eq!(lent.as_ptr_range(), body[3..].as_ptr_range());
    let Bulk(Cow::Borrowed(lent)) = Bincode.decode::<Bulk<Cow<'_, [u8]>>>(&body).unwrap() else {
        panic!("a copy was made");
    };
    assert_eq!(lent.as_ptr_range(), body[3..].as_ptr_range());
}

#[test]
fn a_sequence_of_unknown_length_can_not_be_written() {
    struct Filtered;
    impl serde::Serialize for Filtered {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9).filter(|number| number % 2 == 0))
        }
    }
    let error = Bincode.encode(&Filtered, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("must know the length"), "{error}");
}

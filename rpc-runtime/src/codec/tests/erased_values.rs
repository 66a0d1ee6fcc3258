//! Values that are hard for what stands between types and codecs of one's own, and errors that pass it.

use std::{collections::BTreeMap, fmt, marker::PhantomData, net::IpAddr};

use proptest::prelude::*;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, IgnoredAny, SeqAccess, Visitor, value::MapDeserializer},
    ser::{SerializeMap, SerializeSeq},
};

use super::{
    CodecKind, Kind, Line, bytes_of,
    custom::{Marked, Unguarded},
    orders, refusal,
};
use crate::codec::{
    Codec, CodecError, DecodeValue, EncodeValue,
    erased::{Await, Reader, Seed},
};

const JSON: CodecKind = CodecKind::Custom(&Marked);
const POSTCARD: CodecKind = CodecKind::Custom(&Unguarded);

/// Written and read as by the crates that the codecs are made of.
fn is_as_the_crates_have_it<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T) {
    let body = bytes_of(POSTCARD, value);
    assert_eq!(body, ::postcard::to_allocvec(value).unwrap());
    assert_eq!(&POSTCARD.decode::<T>(&body).unwrap(), value);
    if let Ok(json) = serde_json::to_vec(value) {
        let body = bytes_of(JSON, value);
        assert_eq!(body.split_first(), Some((&b'!', &json[..])));
        assert_eq!(&JSON.decode::<T>(&body).unwrap(), value);
    }
}

proptest! {
    #[test]
    fn orders_are_written_and_read_as_the_crates_have_it(order in orders()) {
        is_as_the_crates_have_it(&order);
    }
}

#[test]
fn every_form_that_a_value_can_have_comes_back() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(Box<Option<u64>>);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(i8, (u16, char));
    is_as_the_crates_have_it(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
    is_as_the_crates_have_it(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
    is_as_the_crates_have_it(&(f32::MIN_POSITIVE, f64::MAX, '\u{10ffff}', false, String::from("\0é"), ()));
    is_as_the_crates_have_it(&(Unit, Newtype(Box::new(Some(7))), Newtype(Box::new(None)), Pair(-1, (2, 'x'))));
    is_as_the_crates_have_it(&[
        Kind::Unit,
        Kind::Newtype(Box::new(Kind::Tuple(1, 2))),
        Kind::Struct { x: -1, y: Some(0.5) },
    ]);
    is_as_the_crates_have_it(&(Vec::<Line>::new(), [Ok(1_u8), Err("no".to_owned())], PhantomData::<u8>));
    is_as_the_crates_have_it(&BTreeMap::from([((1_u8, 'k'), Kind::Unit), ((2, 'l'), Kind::Tuple(-1, 1))]));
    is_as_the_crates_have_it(&BTreeMap::from([(-1_i64, vec![Some(BTreeMap::from([(true, ())]))])]));
    // As a text in JSON and as bytes elsewhere.
    is_as_the_crates_have_it(&(IpAddr::from([127, 0, 0, 1]), IpAddr::from([7_u16; 8])));
}

#[test]
fn a_sequence_may_have_no_length_where_the_codec_needs_none() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut seq = serializer.serialize_seq(None)?;
            seq.serialize_element(&1)?;
            seq.serialize_element(&BTreeMap::from([(2, 3)]))?;
            seq.end()
        }
    }
    struct Entries;
    impl Serialize for Entries {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("one", &Endless)?;
            map.end()
        }
    }
    assert_eq!(bytes_of(JSON, &Endless), b"![1,{\"2\":3}]");
    assert_eq!(bytes_of(JSON, &Entries), b"!{\"one\":[1,{\"2\":3}]}");
    POSTCARD.encode(&Endless, &mut Vec::new()).unwrap_err();
    POSTCARD.encode(&Entries, &mut Vec::new()).unwrap_err();
}

#[test]
fn fields_may_go_by_number_and_by_bytes() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Two {
        one: u8,
        two: u8,
    }
    fn read<'de, K>(one: K, two: K) -> Result<Two, String>
    where
        K: de::IntoDeserializer<'de, de::value::Error>,
    {
        let mut value = Await::<PhantomData<Two>, _>::new(PhantomData);
        let entries = MapDeserializer::new([(one, 1_u8), (two, 2)].into_iter());
        value.feed(&mut Reader::new(entries)).map_err(|error| error.to_string())?;
        Ok(value.get().unwrap())
    }
    let both = Ok(Two { one: 1, two: 2 });
    assert_eq!(read(0_u8, 1), both);
    assert_eq!(read(0_u64, 1), both);
    assert_eq!(read("one", "two"), both);
    assert_eq!(read("one".to_owned(), "two".to_owned()), both);
    assert_eq!(read(&b"one"[..], b"two"), both);
    assert_eq!(read(0_u16, 0).unwrap_err(), "duplicate field `one`");
    assert_eq!(read(-1_i8, 0).unwrap_err(), "invalid type: integer `-1`, expected field identifier");
    assert_eq!(read(true, false).unwrap_err(), "invalid type: boolean `true`, expected field identifier");
}

#[test]
fn what_a_type_does_not_know_is_passed_over() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Small {
        id: u8,
    }
    let body = b"!{\"before\":[{\"deep\":[1,null]}],\"id\":7,\"behind\":{\"a\":-1.5e3}}";
    assert_eq!(JSON.decode::<Small>(body).unwrap(), Small { id: 7 });
    assert_eq!(JSON.decode::<IgnoredAny>(body).unwrap(), IgnoredAny);
    assert_eq!(JSON.decode::<(IgnoredAny, u8)>(b"![{\"x\":[]},1]").unwrap().1, 1);
}

#[test]
fn a_type_that_looks_at_what_comes_reads_it() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Pair(u8, String),
        Field { name: Option<char> },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        Point { x: f32 },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u64>,
    }
    let all = b"![-1,[2,\"two\"],{\"name\":\"n\"}]";
    let expected = [Either::Number(-1), Either::Pair(2, "two".into()), Either::Field { name: Some('n') }];
    assert_eq!(JSON.decode::<[Either; 3]>(all).unwrap(), expected);
    assert_eq!(JSON.decode::<Tagged>(b"!{\"x\":1.5,\"type\":\"Point\"}").unwrap(), Tagged::Point { x: 1.5 });
    let flat = JSON.decode::<Flat>(b"!{\"more\":9,\"id\":1}").unwrap();
    assert_eq!(flat, Flat { id: 1, rest: BTreeMap::from([("more".into(), 9)]) });
}

/// A type that reads one element, whatever there is.
#[derive(Debug, PartialEq)]
struct First(u8);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one at least")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<First, A::Error> {
        access.next_element()?.map(First).ok_or_else(|| de::Error::invalid_length(0, &self))
    }
}

#[test]
fn a_type_may_stop_early_and_the_codec_says_what_is_left() {
    assert_eq!(JSON.decode::<First>(b"![1]").unwrap(), First(1));
    assert!(refusal::<First>(JSON, b"![1,2]").starts_with("trailing"));
    assert_eq!(refusal::<First>(POSTCARD, &[2, 1, 2]), "1 bytes are left over");
    assert!(refusal::<First>(JSON, b"![]").starts_with("invalid length 0, expected one at least"));
}

/// A type that refuses everything, with a text that is long where it is told to be.
#[derive(Debug)]
struct Refuses<const LONG: bool>;

impl<'de, const LONG: bool> Deserialize<'de> for Refuses<LONG> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Err(de::Error::custom(if LONG { "x".repeat(10_000) } else { format!("{number} is not\nwanted") }))
    }
}

#[test]
fn what_a_type_says_of_its_value_is_said_once_however_deep_it_is() {
    let text = refusal::<Vec<BTreeMap<String, Option<Refuses<false>>>>>(JSON, b"![{\"key\":7}]");
    assert_eq!(text, "7 is not\\nwanted at line 1 column 10");
    let deep = [b"!".as_slice(), &[b'['; 100], b"7"].concat();
    assert_eq!(refusal::<Deep<Refuses<false>>>(JSON, &deep).matches("is not").count(), 1);
    let text = refusal::<Deep<Refuses<true>>>(JSON, &deep);
    assert!(text.len() <= 303 && text.starts_with(&"x".repeat(300)), "{text}");
}

/// Sequences in one another until there is no more of them.
struct Deep<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Deep<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeepVisitor(PhantomData))
    }
}

struct DeepVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for DeepVisitor<T> {
    type Value = Deep<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sequences")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Deep<T>, E> {
        T::deserialize(de::IntoDeserializer::<E>::into_deserializer(value)).map(|_| Deep(PhantomData))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Deep<T>, A::Error> {
        while access.next_element::<Deep<T>>()?.is_some() {}
        Ok(Deep(PhantomData))
    }
}

/// It writes how long a value is ahead of it.
struct Measured;

impl Codec for Measured {
    fn name(&self) -> &str {
        "measured"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(u8::try_from(serde_json::to_vec(&value)?.len())?);
        Ok(serde_json::to_writer(out, &value)?)
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        value.read_from(&mut serde_json::Deserializer::from_slice(&body[1..]))
    }
}

#[test]
fn a_codec_may_write_a_value_more_than_once() {
    let kind = CodecKind::Custom(&Measured);
    assert_eq!(bytes_of(kind, &("a", [1, 2])), b"\x0b[\"a\",[1,2]]");
    assert_eq!(kind.decode::<(String, [u8; 2])>(b"\x0b[\"a\",[1,2]]").unwrap(), ("a".into(), [1, 2]));
}

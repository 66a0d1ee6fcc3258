//! Codecs that a user wrote: what they are given, and what is held against them.

use super::{CodecKind, bytes_of, refusal};
use crate::codec::{Codec, CodecError, DecodeValue, EncodeValue, guard};

/// A mark, and JSON behind it.
pub(super) struct Marked;

impl Codec for Marked {
    fn name(&self) -> &str {
        "marked-json"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(b'!');
        Ok(serde_json::to_writer(out, &value)?)
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let [b'!', rest @ ..] = body else { return Err("the mark is missing".into()) };
        let mut json = serde_json::Deserializer::from_slice(rest);
        value.read_from(&mut json)?;
        Ok(json.end()?)
    }
}

/// The crate postcard as it is, which has no guard of its own.
pub(super) struct Unguarded;

impl Codec for Unguarded {
    fn name(&self) -> &str {
        "unguarded"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(::postcard::to_allocvec(&value)?);
        Ok(())
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let mut reader = ::postcard::Deserializer::from_bytes(body);
        value.read_from(&mut reader)?;
        match reader.finalize()? {
            [] => Ok(()),
            rest => Err(format!("{} bytes are left over", rest.len()).into()),
        }
    }
}

/// Each does what its name says.
struct Named(&'static str);

impl Codec for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn encode(&self, _: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(b"half");
        Err("no room\nat all".into())
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        match self.0 {
            "reads-nothing" => Ok(()),
            "ignores-errors" => {
                let _ = value.read_from(&mut serde_json::Deserializer::from_slice(body));
                Ok(())
            }
            "fails-behind" => {
                value.read_from(&mut serde_json::Deserializer::from_slice(body))?;
                Err("a checksum differs".into())
            }
            "doubles" => {
                // What a decompressing codec does: the bytes are its own.
                let doubled = body.repeat(2);
                value.expanded_to(doubled.len()).read_from(&mut serde_json::Deserializer::from_reader(&doubled[..]))
            }
            _ => panic!("on purpose"),
        }
    }
}

const DOUBLES: CodecKind = CodecKind::Custom(&Named("doubles"));

#[test]
fn its_name_must_be_one_that_others_do_not_have() {
    let long: &'static str = "x".repeat(65).leak();
    for name in ["", long, "bincode", "json", "messagepack", "postcard", "two words", "caf\u{e9}", "a\"b", "new\nline"]
    {
        let kind = CodecKind::from(&*Box::leak(Box::new(Named(name))));
        let status = kind.check().unwrap_err();
        assert!(!status.may_have_run());
        assert!(!status.message().contains(char::is_control), "{status}");
    }
    let (longest, odd): (&'static str, _) = ("x".repeat(64).leak(), "My.codec+v1/b_-");
    for name in [longest, odd] {
        CodecKind::from(&*Box::leak(Box::new(Named(name)))).check().unwrap();
    }
}

#[test]
fn two_are_equal_when_their_names_are() {
    let (one, same, other): (&'static dyn Codec, _, _) =
        (&Marked, CodecKind::from(&Marked), CodecKind::from(&Unguarded));
    assert_eq!(CodecKind::from(one), same);
    assert_ne!(same, other);
    assert_ne!(same, CodecKind::Json);
    assert_eq!(format!("{same:?}"), "marked-json");
}

#[test]
fn what_it_says_is_kept_and_what_it_wrote_is_taken_back() {
    let mut out = b"before".to_vec();
    let error = CodecKind::Custom(&Named("any")).encode(&1, &mut out).unwrap_err();
    assert_eq!((error.to_string().as_str(), &out[..]), ("no room\\nat all", &b"before"[..]));
    assert_eq!(refusal::<u8>(CodecKind::Custom(&Marked), b"1"), "the mark is missing");
    assert!(
        refusal::<u8>(CodecKind::Custom(&Marked), b"!\"x\"").starts_with("invalid type: string \"x\", expected u8")
    );
}

#[test]
fn a_value_that_was_not_read_to_its_end_is_an_error() {
    assert_eq!(refusal::<u8>(CodecKind::Custom(&Named("reads-nothing")), b"1"), "the codec read no value");
    assert_eq!(refusal::<u8>(CodecKind::Custom(&Named("ignores-errors")), b"x"), "the codec read no value");
    assert_eq!(refusal::<u8>(CodecKind::Custom(&Named("fails-behind")), b"1"), "a checksum differs");
}

#[test]
fn all_its_elements_are_bounded_by_the_body_and_some_more() {
    let kind = CodecKind::Custom(&Unguarded);
    let units = |count: usize| bytes_of(kind, &(count as u64));
    // The length takes three bytes.
    let most = guard::EMPTY + 3;
    assert_eq!(kind.decode::<Vec<()>>(&units(most)).unwrap().len(), most);
    refusal::<Vec<()>>(kind, &units(most + 1));
    refusal::<(Vec<()>, Vec<()>)>(kind, &[units(40_000), units(40_000)].concat());
    let honest = vec![7_u8; 1_000_000];
    assert_eq!(kind.decode::<Vec<u8>>(&bytes_of(kind, &honest)).unwrap(), honest);
}

#[test]
fn a_body_that_it_expands_is_bounded_by_what_it_becomes() {
    assert_eq!(DOUBLES.decode::<u32>(b"12").unwrap(), 1212);
    let halves = format!("[{}", "1,".repeat(100));
    refusal::<Vec<u8>>(DOUBLES, halves.as_bytes());
}

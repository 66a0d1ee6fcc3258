//! The codec `messagepack` (<https://github.com/msgpack/msgpack/blob/master/spec.md>): rmp-serde, decoded through the
//! guard. Structs are maps with the names of their fields, and variants go by name, so that types can change.
//!
//! rmp-serde does not tell what is left of a body. Each value has a byte of its own, so its length bounds as well.

use std::{fmt, io::Cursor};

use rmp_serde::decode::{Deserializer as Decoder, Error as RmpError};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, IgnoredAny, Visitor},
};

use super::{
    DecodeError, EncodeError,
    format::Format,
    guard::{self, DEPTH, Opaque},
    named::Named,
};
use crate::descriptor::ArgumentDescriptor;

pub(super) struct MessagePack;

/// How deep arrays and maps may nest in values that nobody asked for, which the guard does not see: one more than
/// the guard lets through.
const SKIPPED_DEPTH: usize = DEPTH as usize + 2;

impl Format for MessagePack {
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        rmp_serde::encode::write_named(out, value).map_err(EncodeError::new)
    }

    fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
        let mut decoder = Decoder::from_read_ref(body);
        decoder.set_max_depth(SKIPPED_DEPTH);
        let value = guard::decode(&mut decoder, &Opaque { length: body.len() }).map_err(cannot_decode)?;
        match decoder.deserialize_option(End) {
            Err(RmpError::InvalidMarkerRead(_)) => Ok(value),
            _ => Err(left_over(body)),
        }
    }

    fn by_name(body: &[u8], arguments: &[ArgumentDescriptor]) -> Result<Option<Vec<u8>>, DecodeError> {
        let (count, start) = match *body {
            [marker @ 0x80..=0x8f, ..] => (u32::from(marker & 0x0f), 1),
            [0xde, high, low, ..] => (u32::from(u16::from_be_bytes([high, low])), 3),
            [0xdf, a, b, c, d, ..] => (u32::from_be_bytes([a, b, c, d]), 5),
            _ => return Ok(None),
        };
        if arguments.is_empty() {
            return Ok(None);
        }
        in_order(body, count, start, arguments).map(Some)
    }
}

/// Looks whether another value begins.
struct End;

impl<'de> Visitor<'de> for End {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

/// The array of the arguments in a map of `count` entries that begin at `start`.
fn in_order(body: &[u8], count: u32, start: usize, arguments: &[ArgumentDescriptor]) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(Cursor::new(&body[start..]));
    decoder.set_max_depth(SKIPPED_DEPTH);
    let mut named = Named::new(arguments);
    for _ in 0..count {
        let key = String::deserialize(&mut decoder).map_err(cannot_decode)?;
        let begin = start + decoder.position() as usize;
        IgnoredAny::deserialize(&mut decoder).map_err(cannot_decode)?;
        named.set(&key, &body[begin..start + decoder.position() as usize])?;
    }
    let left = body.len() - start - decoder.position() as usize;
    if left > 0 {
        return Err(DecodeError::left_over(left));
    }
    // A method has at most 255 arguments.
    let count = u16::try_from(arguments.len()).map_err(DecodeError::new)?;
    let [high, low] = count.to_be_bytes();
    let mut array = Vec::with_capacity(body.len());
    array.extend_from_slice(&[0xdc, high, low]);
    for written in named.in_order()? {
        array.extend_from_slice(written);
    }
    Ok(array)
}

/// The value is behind: what it takes is counted by passing over it once more.
#[cold]
fn left_over(body: &[u8]) -> DecodeError {
    let mut decoder = Decoder::new(Cursor::new(body));
    decoder.set_max_depth(SKIPPED_DEPTH);
    // It was decoded before; if it can not be passed over, then all of it is left.
    let _ = IgnoredAny::deserialize(&mut decoder);
    DecodeError::left_over(body.len().saturating_sub(decoder.position() as usize))
}

#[cold]
fn cannot_decode(error: RmpError) -> DecodeError {
    match error {
        RmpError::InvalidMarkerRead(_) | RmpError::InvalidDataRead(_) => {
            DecodeError::new("the body ends in the midst of a value")
        }
        RmpError::TypeMismatch(marker) => {
            DecodeError::new(format_args!("a value is marked {marker:?} where another type is expected"))
        }
        RmpError::LengthMismatch(length) => {
            DecodeError::new(format_args!("an array, map or variant has not the length that is expected: {length}"))
        }
        RmpError::OutOfRange => DecodeError::new("an integer is out of the range of its type"),
        RmpError::DepthLimitExceeded => DecodeError::new(format_args!("values nest deeper than {DEPTH} levels")),
        RmpError::Utf8Error(error) => DecodeError::new(format_args!("a string is not utf-8: {error}")),
        RmpError::Uncategorized(text) | RmpError::Syntax(text) => DecodeError::new(text),
    }
}

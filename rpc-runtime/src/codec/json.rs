//! The codec `json`: serde_json, decoded through the guard.

use serde::{Deserialize, Serialize};

use super::{
    DecodeError, EncodeError,
    finite::Finite,
    format::Format,
    guard::{self, Source},
    named,
};
use crate::descriptor::ArgumentDescriptor;

pub(super) struct Json;

impl Format for Json {
    #[inline]
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut serializer = serde_json::Serializer::new(out);
        value.serialize(Finite(&mut serializer)).map_err(EncodeError::new)
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let value = guard::decode(&mut deserializer, &Text).map_err(DecodeError::new)?;
        deserializer.end().map_err(|error| left_over(body, &error))?;
        Ok(value)
    }

    #[inline]
    fn by_name(body: &[u8], arguments: &[ArgumentDescriptor]) -> Result<Option<Vec<u8>>, DecodeError> {
        if arguments.is_empty() || !named::json::is_object(body) {
            return Ok(None);
        }
        named::json::in_order(body, arguments).map(Some)
    }
}

/// JSON announces no length, and each of its elements has bytes of its own.
struct Text;

impl<'de> Source<'de> for Text {
    const ANNOUNCES: bool = false;
    const TRACKED: bool = false;

    #[inline]
    fn remaining(&self) -> usize {
        0
    }
}

/// `error` says in which line and column the rest begins, both counted from 1, columns in bytes.
#[cold]
fn left_over(body: &[u8], error: &serde_json::Error) -> DecodeError {
    let before: usize = body.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1).map(<[u8]>::len).sum();
    let left = body.len().saturating_sub(before + error.column().saturating_sub(1));
    DecodeError::new(format_args!("{left} bytes are left over after the value: {error}"))
}

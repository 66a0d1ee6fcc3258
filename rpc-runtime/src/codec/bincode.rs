//! The codec `bincode`: the bytes of bincode 2 in its standard configuration
//! (<https://github.com/bincode-org/bincode/blob/v2.0.1/docs/spec.md>), decoded through the guard.
//!
//! All use of the crate bincode is in this file. It sets no limit of its own: its limit is a constant that could not
//! follow a setting, and it does not bound what lengths reserve ahead of their bytes.

use std::{cell::Cell, fmt::Display, str};

use ::bincode::{
    config,
    de::read::Reader,
    enc::write::Writer,
    error::{DecodeError as BincodeDecodeError, EncodeError as BincodeEncodeError},
    serde::{DecodeError as SerdeDecodeError, EncodeError as SerdeEncodeError, OwnedSerdeDecoder, encode_into_writer},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Visitor},
};

use super::{
    DecodeError, EncodeError,
    format::Format,
    guard::{self, Source},
    undescribed,
};

pub(super) struct Bincode;

impl Format for Bincode {
    #[inline]
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        encode_into_writer(value, Append(out), config::standard()).map_err(cannot_encode)
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
        let cursor = Cursor { rest: Cell::new(body) };
        let mut decoder = OwnedSerdeDecoder::from_reader(&cursor, config::standard());
        let value = guard::decode(decoder.as_deserializer(), &cursor).map_err(cannot_decode)?;
        match cursor.remaining() {
            0 => Ok(value),
            left => Err(unlike(DecodeError::left_over(left))),
        }
    }
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeEncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The bytes of the body that are not yet read: bincode takes them, and the guard sees how many there are.
struct Cursor<'de> {
    rest: Cell<&'de [u8]>,
}

impl<'de> Cursor<'de> {
    /// The bytes of a string or byte sequence, lent out of the body. bincode itself would reserve what the length
    /// says before it looks whether it is there.
    #[inline]
    fn take<D: Deserializer<'de>>(&self, deserializer: D) -> Result<&'de [u8], D::Error> {
        let length = u64::deserialize(deserializer)?;
        let rest = self.rest.get();
        match usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) {
            Some((bytes, rest)) => {
                self.rest.set(rest);
                Ok(bytes)
            }
            None => Err(too_long(length, rest.len())),
        }
    }
}

impl<'de> Source<'de> for Cursor<'de> {
    const ANNOUNCES: bool = true;
    const TRACKED: bool = true;

    #[inline]
    fn remaining(&self) -> usize {
        self.rest.get().len()
    }

    #[inline]
    fn read_str<D, V>(&self, deserializer: D, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
        V: Visitor<'de>,
    {
        match str::from_utf8(self.take(deserializer)?) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(error) => Err(D::Error::custom(format_args!("a string is not utf-8: {error}"))),
        }
    }

    #[inline]
    fn read_bytes<D, V>(&self, deserializer: D, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
        V: Visitor<'de>,
    {
        visitor.visit_borrowed_bytes(self.take(deserializer)?)
    }
}

impl Reader for &Cursor<'_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), BincodeDecodeError> {
        let rest = self.rest.get();
        let Some((front, rest)) = rest.split_at_checked(bytes.len()) else {
            return Err(BincodeDecodeError::UnexpectedEnd { additional: bytes.len() - rest.len() });
        };
        bytes.copy_from_slice(front);
        self.rest.set(rest);
        Ok(())
    }

    #[inline]
    fn peek_read(&mut self, count: usize) -> Option<&[u8]> {
        self.rest.get().get(..count)
    }

    #[inline]
    fn consume(&mut self, count: usize) {
        self.rest.set(self.rest.get().get(count..).unwrap_or_default());
    }
}

#[cold]
fn too_long<E: Error>(announced: u64, remaining: usize) -> E {
    E::custom(format_args!("a string or byte sequence of {announced} bytes is announced where {remaining} remain"))
}

#[cold]
fn cannot_encode(error: BincodeEncodeError) -> EncodeError {
    match error {
        BincodeEncodeError::OtherString(text) => EncodeError::new(text),
        BincodeEncodeError::Other(text) => EncodeError::new(text),
        BincodeEncodeError::Serde(SerdeEncodeError::SequenceMustHaveLength) => undescribed::unknown_length("bincode"),
        other => EncodeError::new(other),
    }
}

#[cold]
fn cannot_decode(error: BincodeDecodeError) -> DecodeError {
    match error {
        BincodeDecodeError::OtherString(text) => unlike(text),
        BincodeDecodeError::Other(text) => unlike(text),
        BincodeDecodeError::UnexpectedEnd { additional } => {
            unlike(format_args!("the body ends where at least {} more bytes are expected", additional.max(1)))
        }
        BincodeDecodeError::InvalidIntegerType { expected, found } => {
            unlike(format_args!("an integer is marked {found:?} where {expected:?} is expected"))
        }
        BincodeDecodeError::InvalidBooleanValue(byte) => unlike(format_args!("the byte {byte} is not a bool")),
        BincodeDecodeError::InvalidCharEncoding(bytes) => unlike(format_args!("{bytes:?} is not a char")),
        BincodeDecodeError::UnexpectedVariant { found, type_name, .. } => {
            unlike(format_args!("{found} is not a variant of {type_name}"))
        }
        BincodeDecodeError::Serde(
            SerdeDecodeError::AnyNotSupported
            | SerdeDecodeError::IdentifierNotSupported
            | SerdeDecodeError::IgnoredAnyNotSupported,
        ) => undescribed::not_described("bincode"),
        other => unlike(format_args!("{other:?}")),
    }
}

fn unlike(cause: impl Display) -> DecodeError {
    undescribed::unlike("bincode", cause)
}

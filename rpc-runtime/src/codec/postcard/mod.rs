//! The codec `postcard` (<https://postcard.jamesmunns.com/wire-format.html>), decoded through the guard.
//!
//! Not the crate of that name: its errors forget what a type or the guard said, so that no failure could name its
//! cause. The crate is the oracle of the tests.

mod read;
mod write;

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize, de};

use super::{
    DecodeError, EncodeError,
    format::Format,
    guard::{self, Source},
    undescribed,
};
use read::Reader;
use write::Writer;

pub(super) struct Postcard;

impl Format for Postcard {
    #[inline]
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        value.serialize(&mut Writer(out))
    }

    #[inline]
    fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
        let reader = Reader::new(body);
        let value = guard::decode(&reader, &reader).map_err(cannot_decode)?;
        match reader.remaining() {
            0 => Ok(value),
            left => Err(undescribed::unlike("postcard", DecodeError::left_over(left))),
        }
    }
}

/// Why a value can not be read.
#[derive(Debug)]
enum Fault {
    /// The body is not such a value, or exceeds a bound of the guard.
    Unlike(String),
    /// The type must know what comes next.
    NotDescribed,
}

impl de::Error for Fault {
    #[cold]
    fn custom<T: Display>(cause: T) -> Self {
        Self::Unlike(cause.to_string())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike(cause) => f.write_str(cause),
            Self::NotDescribed => f.write_str("what comes next is not described"),
        }
    }
}

impl std::error::Error for Fault {}

#[cold]
fn cannot_decode(fault: Fault) -> DecodeError {
    match fault {
        Fault::Unlike(cause) => undescribed::unlike("postcard", cause),
        Fault::NotDescribed => undescribed::not_described("postcard"),
    }
}

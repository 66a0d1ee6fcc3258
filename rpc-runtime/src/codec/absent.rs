//! Stands in for each codec whose feature is off: the codec is known by name and refuses all work.

use serde::{Deserialize, Serialize};

use super::{DecodeError, EncodeError, format::Format};

pub(super) struct Absent;

const REFUSAL: &str = "the codec is not built in: the feature of its name is off in rpc-runtime";

impl Format for Absent {
    const AVAILABLE: bool = false;

    fn encode<T: Serialize + ?Sized>(_value: &T, _out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Err(EncodeError::new(REFUSAL))
    }

    fn decode<'de, T: Deserialize<'de>>(_body: &'de [u8]) -> Result<T, DecodeError> {
        Err(DecodeError::new(REFUSAL))
    }
}

//! Stands in for the codec bincode where the feature `bincode` is off: it is known by name and refuses all work.

use serde::{Deserialize, Serialize};

use super::{DecodeError, EncodeError};

pub(super) const AVAILABLE: bool = false;

const REFUSAL: &str = "the codec bincode is not built in: the feature `bincode` of rpc-runtime is off";

pub(super) fn encode<T: Serialize + ?Sized>(_value: &T, _out: &mut Vec<u8>) -> Result<(), EncodeError> {
    Err(EncodeError::new(REFUSAL))
}

pub(super) fn decode<'de, T: Deserialize<'de>>(_body: &'de [u8]) -> Result<T, DecodeError> {
    Err(DecodeError::new(REFUSAL))
}

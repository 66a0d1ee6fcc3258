//! What each codec that is built in has. Which one is meant is known when a call is made, so nothing here is `dyn`.

use serde::{Deserialize, Serialize};

use super::{DecodeError, EncodeError};
use crate::descriptor::ArgumentDescriptor;

/// A codec that is built in.
pub(super) trait Format {
    /// Whether its feature is on.
    const AVAILABLE: bool = true;

    /// Appends the value; what is appended before an error is taken back by the caller.
    fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The value that is the whole of `body`, through the guard.
    fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError>;

    /// The arguments in order, where `body` gives them by name and the codec knows names.
    fn by_name(_body: &[u8], _arguments: &[ArgumentDescriptor]) -> Result<Option<Vec<u8>>, DecodeError> {
        Ok(None)
    }
}

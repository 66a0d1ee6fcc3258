//! What codecs that write neither types nor names say of their failures: the likely cause is another type at one end.

use std::fmt::Display;

use super::{DecodeError, EncodeError};

/// The body is not a value of the type.
#[cold]
pub(super) fn unlike(codec: &str, cause: impl Display) -> DecodeError {
    DecodeError::new(format_args!("{cause}; with {codec} both ends must have the same types, which may differ here"))
}

/// The type asks what comes next.
#[cold]
pub(super) fn not_described(codec: &str) -> DecodeError {
    DecodeError::new(format_args!(
        "{codec} does not say what comes next, which `flatten`, `untagged`, `tag` and `serde_json::Value` need"
    ))
}

#[cold]
pub(super) fn unknown_length(codec: &str) -> EncodeError {
    EncodeError::new(format_args!(
        "{codec} must know the length of a sequence or map before its elements (`flatten` does not tell it)"
    ))
}

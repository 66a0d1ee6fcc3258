//! Values to bytes and back: one file per codec, one guard for all.
//!
//! A codec is chosen in the handshake and holds for the whole connection. Nothing here knows of frames or limits of
//! messages: a body arrives whole, and what decoding it may cost is bounded by the guard alone.

#[cfg_attr(not(feature = "bincode"), path = "without_bincode.rs")]
mod bincode;
mod bulk;
mod error;
mod finite;
mod guard;
mod json;
mod named;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use bulk::{Bulk, NoArguments};
pub(crate) use error::{DecodeError, EncodeError};

use crate::descriptor::ArgumentDescriptor;

/// How values are written as bytes.
///
/// | | bincode | JSON |
/// |---|---|---|
/// | names and types on the wire | no: both ends must have the same types | yes |
/// | a field added or removed | an error, or wrong values | ignored, or its `#[serde(default)]` |
/// | `flatten`, `untagged`, `skip_serializing_if`, `serde_json::Value` | do not work | work |
/// | map keys | any type | strings and numbers |
/// | NaN and infinities | kept | an error of the sender |
/// | `&[u8]` lent out of the message | yes | no |
///
/// With every codec values nest at most 128 deep, where each sequence, tuple, struct, map, enum and `Some` is one
/// level, and at most 65,536 elements of a message may take no byte, such as those of a `Vec<()>`. What a message may
/// reserve ahead of its bytes is one element for each byte that remains.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecKind {
    /// Compact and fast: the standard configuration of bincode 2. It is there with the feature `bincode`.
    Bincode,
    /// Readable and written by every language.
    Json,
}

impl CodecKind {
    /// The name that the handshake uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bincode => "bincode",
            Self::Json => "json",
        }
    }

    /// The codec of this name, `None` when there is none or when it is not [available](Self::available).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::available().iter().copied().find(|codec| codec.name() == name)
    }

    /// The codecs that are built in, the default first.
    #[must_use]
    pub fn available() -> &'static [Self] {
        if bincode::AVAILABLE { &[Self::Bincode, Self::Json] } else { &[Self::Json] }
    }

    /// Appends `value` to `out`. After an error `out` is as it was before; after a panic of the value's own
    /// `Serialize` a part of the value may be left in it.
    #[inline]
    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let before = out.len();
        let encoded = match self {
            Self::Bincode => bincode::encode(value, out),
            Self::Json => json::encode(value, out),
        };
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    /// The value that `body` holds, decoded through the guard. Bytes that are left over are an error.
    #[inline]
    pub(crate) fn decode<'de, T: Deserialize<'de>>(self, body: &'de [u8]) -> Result<T, DecodeError> {
        match self {
            Self::Bincode => bincode::decode(body),
            Self::Json => json::decode(body),
        }
    }

    /// The tuple of a method's arguments. With JSON it may also be an object with their names as keys.
    #[inline]
    pub(crate) fn decode_arguments<T: DeserializeOwned>(
        self,
        body: &[u8],
        arguments: &[ArgumentDescriptor],
    ) -> Result<T, DecodeError> {
        if self == Self::Json && !arguments.is_empty() && named::is_object(body) {
            return self.decode(&named::in_order(body, arguments)?);
        }
        self.decode(body)
    }
}

/// Bincode where it is built in, else JSON.
impl Default for CodecKind {
    fn default() -> Self {
        Self::available()[0]
    }
}

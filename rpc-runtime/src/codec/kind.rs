//! Which codec a connection speaks: its name, and the way of a value through it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bincode, Codec, DecodeError, EncodeError, MessagePack, Postcard, custom, format::Format, json::Json};
use crate::{
    descriptor::ArgumentDescriptor,
    status::{Code, Status},
};

/// How values are written as bytes.
///
/// | | bincode | postcard | MessagePack | JSON |
/// |---|---|---|---|---|
/// | names on the wire | no: both ends must have the same types | no, likewise | yes | yes |
/// | a field added or removed | an error, or wrong values | likewise | ignored, or its default | likewise |
/// | `skip_serializing_if` | does not work | does not work | works | works |
/// | `flatten`, `untagged`, `serde_json::Value` | do not work | do not work | work | work |
/// | map keys | any type | any type | any type | strings and numbers |
/// | NaN and infinities | kept | kept | kept | an error of the sender |
/// | `Some(None)` and `Some(())` | kept | kept | read as `None` | read as `None` |
/// | bytes of a method's own argument or result | as they are | as they are | `bin`, or an array | an array |
/// | `&[u8]` lent out of the message | yes | yes | yes | no |
/// | feature | `bincode`, on by default | `postcard` | `messagepack` | always there |
///
/// With every codec values nest at most 128 deep, where each sequence, tuple, struct, map, enum and `Some` is one
/// level. What a message may reserve ahead of its bytes is one element for each byte that remains; with MessagePack
/// and a codec of your own, which do not tell what remains, for each byte that it has. With bincode and postcard at
/// most 65,536 elements of a message may take no byte, such as those of a `Vec<()>`; with a codec of your own all
/// elements are at most the message's bytes and 65,536 more.
///
/// Two kinds are equal when their names are.
///
/// ```
/// use rpc_runtime::CodecKind;
///
/// assert_eq!(CodecKind::Json.name(), "json");
/// assert_eq!(CodecKind::from_name("json"), Some(CodecKind::Json));
/// assert_eq!(CodecKind::default(), CodecKind::available()[0]);
/// assert!(CodecKind::available().contains(&CodecKind::Json));
/// ```
#[non_exhaustive]
#[derive(Clone, Copy)]
pub enum CodecKind {
    /// Compact and fast: the standard configuration of bincode 2. It is there with the feature `bincode`.
    Bincode,
    /// Readable and written by every language.
    Json,
    /// Compact, and written by most languages. It is there with the feature `messagepack`.
    MessagePack,
    /// As compact as bincode, from a specification of its own. It is there with the feature `postcard`.
    Postcard,
    /// A codec of your own.
    Custom(&'static dyn Codec),
}

/// The longest name of a codec of one's own, in bytes.
const MAX_NAME: usize = 64;

impl CodecKind {
    /// All that have a name of their own here, whether they are built in or not; the default first.
    const NAMED: [Self; 4] = [Self::Bincode, Self::Json, Self::MessagePack, Self::Postcard];

    /// The name that the handshake uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bincode => "bincode",
            Self::Json => "json",
            Self::MessagePack => "messagepack",
            Self::Postcard => "postcard",
            Self::Custom(codec) => codec.name(),
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
        const AVAILABLE: ([CodecKind; 4], usize) = available();
        &AVAILABLE.0[..AVAILABLE.1]
    }

    /// Fails (`INVALID_ARGUMENT`, *not executed*) when a connection can not speak it: its feature is off, or it has a
    /// name that can not be used.
    pub(crate) fn check(self) -> Result<(), Status> {
        let name = self.name();
        let refused = |text| Err(Status::of_call(Code::InvalidArgument, text).not_executed());
        let Self::Custom(_) = self else {
            if Self::available().contains(&self) {
                return Ok(());
            }
            return refused(format!("the codec {name} is not built in: the feature `{name}` of rpc-runtime is off"));
        };
        if Self::NAMED.iter().any(|codec| codec.name() == name) {
            return refused(format!("a codec of one's own is named {name}, which is the name of one in rpc-runtime"));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            return refused(format!(
                "the codec's name {name:?} of {} bytes must have 1 to {MAX_NAME} letters, digits and -_.+/ of ascii",
                name.len()
            ));
        }
        Ok(())
    }

    /// Appends `value` to `out`. After an error `out` is as it was before; after a panic of the value's own
    /// `Serialize` a part of the value may be left in it.
    #[inline]
    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let before = out.len();
        let encoded = match self {
            Self::Bincode => Bincode::encode(value, out),
            Self::Json => Json::encode(value, out),
            Self::MessagePack => MessagePack::encode(value, out),
            Self::Postcard => Postcard::encode(value, out),
            Self::Custom(codec) => custom::encode(codec, value, out),
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
            Self::Bincode => Bincode::decode(body),
            Self::Json => Json::decode(body),
            Self::MessagePack => MessagePack::decode(body),
            Self::Postcard => Postcard::decode(body),
            Self::Custom(codec) => custom::decode(codec, body),
        }
    }

    /// The arguments of a body that is a map with their names as keys, as JSON and MessagePack can have it, in the
    /// order of the method: the body that a caller without names would have sent. `None` when it is that already.
    #[inline]
    pub(crate) fn in_order(
        self,
        body: &[u8],
        arguments: &[ArgumentDescriptor],
    ) -> Result<Option<Vec<u8>>, DecodeError> {
        match self {
            Self::Json => Json::by_name(body, arguments),
            Self::MessagePack => MessagePack::by_name(body, arguments),
            _ => Ok(None),
        }
    }
}

/// The available ones in front, and how many they are.
const fn available() -> ([CodecKind; 4], usize) {
    let there = [Bincode::AVAILABLE, Json::AVAILABLE, MessagePack::AVAILABLE, Postcard::AVAILABLE];
    let (mut codecs, mut count, mut at) = (CodecKind::NAMED, 0, 0);
    while at < there.len() {
        if there[at] {
            codecs[count] = CodecKind::NAMED[at];
            count += 1;
        }
        at += 1;
    }
    (codecs, count)
}

/// Bincode where it is built in, else JSON.
impl Default for CodecKind {
    fn default() -> Self {
        Self::available()[0]
    }
}

impl<C: Codec> From<&'static C> for CodecKind {
    fn from(codec: &'static C) -> Self {
        Self::Custom(codec)
    }
}

impl From<&'static dyn Codec> for CodecKind {
    fn from(codec: &'static dyn Codec) -> Self {
        Self::Custom(codec)
    }
}

impl PartialEq for CodecKind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for CodecKind {}

impl fmt::Debug for CodecKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

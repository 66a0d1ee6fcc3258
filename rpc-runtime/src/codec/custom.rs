//! A codec that a user writes: an object-safe trait, and what carries a value of any type through it.
//!
//! The types that pass here are erased. The guard stands between them and the codec as it does for those built in, and
//! on the codec's side of the erasure: there it is compiled once for a codec, on this one it would be for every type.

use std::{error::Error, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    DecodeError, EncodeError, erased,
    erased::{Await, Reader, Seed, Value},
    guard::{self, Opaque},
};

/// Why a [`Codec`] could not write or read a value. `?` makes it of any error, `into()` of a text. What the peer is
/// told of it is cut to 300 bytes.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// A codec of your own, over a serializer and a deserializer of serde.
///
/// It is given to [`ServerBuilder::codec`](crate::ServerBuilder::codec) and
/// [`ChannelBuilder::codec`](crate::ChannelBuilder::codec) by a reference that lives as long as the program: that of a
/// unit struct, a `static`, or one that was leaked.
///
/// Values nest at most 128 deep, as with every codec. A body has at most as many elements as it has bytes, and 65,536
/// more, and nothing is reserved for more elements than it has bytes. **What is the codec's own duty:** that bytes
/// left over after the value are an error, that strings and bytes reserve nothing that did not come, and that skipping
/// a value it was not asked for does not recurse without end.
///
/// A type is given what it asks for or is given an error, whatever its visitor could do with more: a struct, tuple,
/// sequence or map is read from a sequence, a map or a unit, an enum from an enum, an option from a `None`, a `Some` or
/// a unit, and a name from a text, bytes or an integer. All else, and what `deserialize_any` gives, goes straight
/// through. Errors pass between type and codec as texts of at most 300 bytes.
///
/// A codec that panics costs its call only: a handler's call ends with `INTERNAL`, a client's panics in its caller.
///
/// ```
/// use rpc_runtime::{Codec, CodecError, DecodeValue, EncodeValue};
///
/// /// JSON that people read.
/// struct Pretty;
///
/// impl Codec for Pretty {
///     fn name(&self) -> &str {
///         "pretty-json"
///     }
///
///     fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
///         Ok(serde_json::to_writer_pretty(out, &value)?)
///     }
///
///     fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
///         let mut json = serde_json::Deserializer::from_slice(body);
///         value.read_from(&mut json)?;
///         Ok(json.end()?)
///     }
/// }
/// ```
pub trait Codec: Send + Sync + 'static {
    /// What the handshake calls it, always the same: 1 to 64 letters, digits and `-_.+/` of ASCII, and not the name of
    /// a codec that this crate has.
    fn name(&self) -> &str;

    /// Appends the value to `out`. After an error what was appended is thrown away.
    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// Reads the value out of the whole of `body`, by one call of [`DecodeValue::read_from`].
    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError>;
}

/// A value that a [`Codec`] is to write: it implements `Serialize`.
pub struct EncodeValue<'a>(&'a dyn Value);

impl Serialize for EncodeValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased::write(self.0, serializer)
    }
}

impl fmt::Debug for EncodeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodeValue")
    }
}

/// A value that a [`Codec`] is to read.
pub struct DecodeValue<'a, 'de> {
    value: &'a mut dyn Seed<'de>,
    length: usize,
}

impl<'de> DecodeValue<'_, 'de> {
    /// Reads the value. Fails when the deserializer does, when the value's type refuses what it gives, and when a
    /// bound of the guard is exceeded. Bytes that are left over are not looked for.
    ///
    /// What is not lent out of the body, such as a buffer that it was decompressed into, is read by a deserializer
    /// that lends nothing: mostly its `from_reader`.
    pub fn read_from<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), CodecError> {
        let Self { value, length } = self;
        guard::within(deserializer, &Opaque { length }, |guarded| Ok(value.feed(&mut Reader::new(guarded))?))
    }

    /// For a codec that decompresses: bounds the elements by this length in place of the body's. What a small body may
    /// become is then bounded by the codec alone.
    #[must_use]
    pub fn expanded_to(self, length: usize) -> Self {
        Self { length, ..self }
    }
}

impl fmt::Debug for DecodeValue<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeValue").field("length", &self.length).finish_non_exhaustive()
    }
}

pub(super) fn encode<T>(codec: &dyn Codec, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>
where
    T: Serialize + ?Sized,
{
    write_by(codec, &value, out)
}

fn write_by(codec: &dyn Codec, value: &dyn Value, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    codec.encode(EncodeValue(value), out).map_err(EncodeError::new)
}

pub(super) fn decode<'de, T: Deserialize<'de>>(codec: &dyn Codec, body: &'de [u8]) -> Result<T, DecodeError> {
    let mut value = Await::new(PhantomData);
    read_by(codec, body, &mut value)?;
    value.get().ok_or_else(|| DecodeError::new("the codec read no value"))
}

fn read_by<'de>(codec: &dyn Codec, body: &'de [u8], value: &mut dyn Seed<'de>) -> Result<(), DecodeError> {
    codec.decode(body, DecodeValue { value, length: body.len() }).map_err(DecodeError::new)
}

//! What generated code puts around bytes, and in the place of no arguments at all.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeTuple,
};

/// Bytes that travel in one piece, and on the wire are what a `Vec<u8>` is.
///
/// Decoding `Vec<u8>` and [`Bytes`] copies them once. `Cow<[u8]>` is lent out of the body by bincode. A JSON string
/// is not taken for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk<T>(pub T);

impl<T: AsRef<[u8]>> Serialize for Bulk<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref())
    }
}

impl<'de> Deserialize<'de> for Bulk<Cow<'de, [u8]>> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A readable format has no bytes, and takes a string for them when it is asked.
        let bytes = if deserializer.is_human_readable() {
            deserializer.deserialize_seq(BytesVisitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        };
        bytes.map(Self)
    }
}

impl<'de> Deserialize<'de> for Bulk<Vec<u8>> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bulk::<Cow<'de, [u8]>>::deserialize(deserializer).map(|bytes| Self(bytes.0.into_owned()))
    }
}

impl<'de> Deserialize<'de> for Bulk<Bytes> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bulk::<Vec<u8>>::deserialize(deserializer).map(|bytes| Self(Bytes::from(bytes.0)))
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    #[inline]
    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    #[inline]
    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }

    #[inline]
    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        // Only as large as the guard lets it be.
        let mut bytes = Vec::with_capacity(elements.size_hint().unwrap_or(0));
        while let Some(byte) = elements.next_element()? {
            bytes.push(byte);
        }
        Ok(Cow::Owned(bytes))
    }
}

/// The arguments of a method without any: a tuple of length 0, which is `[]` in JSON and no byte in bincode.
///
/// Where the codec knows names it may also be an object without fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoArguments;

impl Serialize for NoArguments {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_tuple(0)?.end()
    }
}

impl<'de> Deserialize<'de> for NoArguments {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("NoArguments", &[], NoArgumentsVisitor)
    }
}

struct NoArgumentsVisitor;

impl<'de> Visitor<'de> for NoArgumentsVisitor {
    type Value = NoArguments;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no arguments")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<NoArguments, A::Error> {
        Ok(NoArguments)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NoArguments, A::Error> {
        match entries.next_key::<IgnoredAny>()? {
            None => Ok(NoArguments),
            Some(_) => Err(A::Error::custom("an argument is given where none is expected")),
        }
    }
}

//! What generated code puts around bytes, and in the place of no arguments at all.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeTuple,
};

/// Bytes that travel in one piece, and on the wire are what a `Vec<u8>` is; in an `Option` they are what an
/// `Option<Vec<u8>>` is.
///
/// Decoding `Vec<u8>`, `Box<[u8]>` and [`Bytes`] copies them once. `Cow<[u8]>` is lent out of the body by bincode. A
/// JSON string is not taken for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk<T>(pub T);

impl<T: GoesInBulk> Serialize for Bulk<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_bulk(serializer)
    }
}

impl<'de, T: ComesInBulk<'de>> Deserialize<'de> for Bulk<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize_bulk(deserializer).map(Self)
    }
}

/// Bytes, or an `Option` of them, that can be encoded in one piece.
pub trait GoesInBulk {
    /// Them, as the one value that they are.
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Bytes, or an `Option` of them, that can be decoded in one piece.
pub trait ComesInBulk<'de>: Sized {
    /// Them, of whatever the codec makes of bytes.
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl GoesInBulk for [u8] {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl GoesInBulk for Vec<u8> {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl GoesInBulk for Box<[u8]> {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl GoesInBulk for Bytes {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl GoesInBulk for Cow<'_, [u8]> {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<T: GoesInBulk + ?Sized> GoesInBulk for &T {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize_bulk(self, serializer)
    }
}

impl<T: GoesInBulk> GoesInBulk for Option<T> {
    #[inline]
    fn serialize_bulk<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(bytes) => serializer.serialize_some(&Bulk(bytes)),
            None => serializer.serialize_none(),
        }
    }
}

impl<'de> ComesInBulk<'de> for Cow<'de, [u8]> {
    #[inline]
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A readable format has no bytes, and takes a string for them when it is asked.
        if deserializer.is_human_readable() {
            deserializer.deserialize_seq(BytesVisitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }
}

impl<'de> ComesInBulk<'de> for Vec<u8> {
    #[inline]
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::deserialize_bulk(deserializer).map(Cow::into_owned)
    }
}

impl<'de> ComesInBulk<'de> for Box<[u8]> {
    #[inline]
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize_bulk(deserializer).map(Self::from)
    }
}

impl<'de> ComesInBulk<'de> for Bytes {
    #[inline]
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize_bulk(deserializer).map(Self::from)
    }
}

impl<'de, T: ComesInBulk<'de>> ComesInBulk<'de> for Option<T> {
    #[inline]
    fn deserialize_bulk<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Bulk<T>>::deserialize(deserializer).map(|bytes| bytes.map(|Bulk(bytes)| bytes))
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

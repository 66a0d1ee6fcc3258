//! A codec's deserializer as the types see it. All here is compiled for each codec, not for each type.

use std::{fmt, mem};

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::token::{Content, Hint, Input, Part, Parts, Seed, Take, Token, Variants};
use crate::codec::DecodeError;

/// A deserializer, until it is read.
pub(in crate::codec) struct Reader<D>(Option<D>);

impl<D> Reader<D> {
    pub(in crate::codec) fn new(deserializer: D) -> Self {
        Self(Some(deserializer))
    }
}

impl<'de, D: Deserializer<'de>> Input<'de> for Reader<D> {
    fn read(&mut self, hint: Hint, into: &mut dyn Take<'de>) -> Result<(), DecodeError> {
        let Some(reader) = self.0.take() else { return Err(again()) };
        let into = Give(into);
        let read = match hint {
            Hint::Any => reader.deserialize_any(into),
            Hint::Bool => reader.deserialize_bool(into),
            Hint::I8 => reader.deserialize_i8(into),
            Hint::I16 => reader.deserialize_i16(into),
            Hint::I32 => reader.deserialize_i32(into),
            Hint::I64 => reader.deserialize_i64(into),
            Hint::I128 => reader.deserialize_i128(into),
            Hint::U8 => reader.deserialize_u8(into),
            Hint::U16 => reader.deserialize_u16(into),
            Hint::U32 => reader.deserialize_u32(into),
            Hint::U64 => reader.deserialize_u64(into),
            Hint::U128 => reader.deserialize_u128(into),
            Hint::F32 => reader.deserialize_f32(into),
            Hint::F64 => reader.deserialize_f64(into),
            Hint::Char => reader.deserialize_char(into),
            Hint::Str => reader.deserialize_str(into),
            Hint::String => reader.deserialize_string(into),
            Hint::Bytes => reader.deserialize_bytes(into),
            Hint::ByteBuf => reader.deserialize_byte_buf(into),
            Hint::Option => reader.deserialize_option(into),
            Hint::Unit => reader.deserialize_unit(into),
            Hint::UnitStruct(name) => reader.deserialize_unit_struct(name, into),
            Hint::NewtypeStruct(name) => reader.deserialize_newtype_struct(name, into),
            Hint::Seq => reader.deserialize_seq(into),
            Hint::Tuple(length) => reader.deserialize_tuple(length, into),
            Hint::TupleStruct(name, length) => reader.deserialize_tuple_struct(name, length, into),
            Hint::Map => reader.deserialize_map(into),
            Hint::Struct(name, fields) => reader.deserialize_struct(name, fields, into),
            Hint::Enum(name, variants) => reader.deserialize_enum(name, variants, into),
            Hint::Identifier => reader.deserialize_identifier(into),
            Hint::IgnoredAny => reader.deserialize_ignored_any(into),
        };
        read.map_err(DecodeError::new)
    }

    fn is_human_readable(&self) -> bool {
        self.0.as_ref().is_none_or(Deserializer::is_human_readable)
    }
}

/// The visitor that a codec sees.
struct Give<'a, 'de>(&'a mut dyn Take<'de>);

macro_rules! give {
    ($($method:ident($($value:ident: $type:ty)?) $token:expr;)*) => {$(
        fn $method<E: Error>(self, $($value: $type)?) -> Result<(), E> {
            self.0.take($token).map_err(E::custom)
        }
    )*};
}

impl<'de> Visitor<'de> for Give<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    give! {
        visit_bool(value: bool) Token::Bool(value);
        visit_i8(value: i8) Token::I8(value);
        visit_i16(value: i16) Token::I16(value);
        visit_i32(value: i32) Token::I32(value);
        visit_i64(value: i64) Token::I64(value);
        visit_i128(value: i128) Token::I128(value);
        visit_u8(value: u8) Token::U8(value);
        visit_u16(value: u16) Token::U16(value);
        visit_u32(value: u32) Token::U32(value);
        visit_u64(value: u64) Token::U64(value);
        visit_u128(value: u128) Token::U128(value);
        visit_f32(value: f32) Token::F32(value);
        visit_f64(value: f64) Token::F64(value);
        visit_char(value: char) Token::Char(value);
        visit_str(text: &str) Token::Str(text);
        visit_borrowed_str(text: &'de str) Token::BorrowedStr(text);
        visit_bytes(bytes: &[u8]) Token::Bytes(bytes);
        visit_borrowed_bytes(bytes: &'de [u8]) Token::BorrowedBytes(bytes);
        visit_none() Token::None;
        visit_unit() Token::Unit;
    }

    fn visit_string<E: Error>(self, mut text: String) -> Result<(), E> {
        self.0.take(Token::String(&mut text)).map_err(E::custom)
    }

    fn visit_byte_buf<E: Error>(self, mut bytes: Vec<u8>) -> Result<(), E> {
        self.0.take(Token::ByteBuf(&mut bytes)).map_err(E::custom)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.take(Token::Some(&mut Reader::new(deserializer))).map_err(D::Error::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.take(Token::Newtype(&mut Reader::new(deserializer))).map_err(D::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        self.0.take(Token::Seq(&mut Elements(access))).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        self.0.take(Token::Map(&mut Entries(access))).map_err(A::Error::custom)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<(), A::Error> {
        self.0.take(Token::Enum(&mut Chosen::Access(access))).map_err(A::Error::custom)
    }
}

/// The seed that a codec sees.
struct Feed<'a, 'de>(&'a mut dyn Seed<'de>);

impl<'de> DeserializeSeed<'de> for Feed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.feed(&mut Reader::new(deserializer)).map_err(D::Error::custom)
    }
}

/// A sequence.
struct Elements<A>(A);

impl<'de, A: SeqAccess<'de>> Parts<'de> for Elements<A> {
    fn next(&mut self, _: Part, seed: &mut dyn Seed<'de>) -> Result<(), DecodeError> {
        self.0.next_element_seed(Feed(seed)).map(drop).map_err(DecodeError::new)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// A map.
struct Entries<A>(A);

impl<'de, A: MapAccess<'de>> Parts<'de> for Entries<A> {
    fn next(&mut self, part: Part, seed: &mut dyn Seed<'de>) -> Result<(), DecodeError> {
        let read = match part {
            Part::Value => self.0.next_value_seed(Feed(seed)),
            Part::Key | Part::Element => self.0.next_key_seed(Feed(seed)).map(drop),
        };
        read.map_err(DecodeError::new)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// An enum, and where it is.
enum Chosen<A, C> {
    Access(A),
    Content(C),
    Read,
}

impl<'de, A: EnumAccess<'de>> Variants<'de> for Chosen<A, A::Variant> {
    fn variant(&mut self, seed: &mut dyn Seed<'de>) -> Result<(), DecodeError> {
        let Self::Access(access) = mem::replace(self, Self::Read) else { return Err(again()) };
        let ((), content) = access.variant_seed(Feed(seed)).map_err(DecodeError::new)?;
        *self = Self::Content(content);
        Ok(())
    }

    fn content(&mut self, expected: Content<'_, 'de>) -> Result<(), DecodeError> {
        let Self::Content(content) = mem::replace(self, Self::Read) else { return Err(again()) };
        let read = match expected {
            Content::Unit => content.unit_variant(),
            Content::Newtype(seed) => content.newtype_variant_seed(Feed(seed)),
            Content::Tuple(length, into) => content.tuple_variant(length, Give(into)),
            Content::Struct(fields, into) => content.struct_variant(fields, Give(into)),
        };
        read.map_err(DecodeError::new)
    }
}

#[cold]
fn again() -> DecodeError {
    DecodeError::new("a value is read a second time")
}

//! The deserializer that types see. What is generic here is compiled for each of them.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::token::{Content, Hint, Input, Part, Parts, Seed, Take, Token, Variants};
use crate::codec::DecodeError;

/// A deserializer of whatever kind.
struct Erased<'a, 'de>(&'a mut dyn Input<'de>);

impl<'de> Erased<'_, 'de> {
    fn read<V: Visitor<'de>>(self, hint: Hint, visitor: V) -> Result<V::Value, DecodeError> {
        let mut visit = Visit { visitor: Some(visitor), value: None };
        self.0.read(hint, &mut visit)?;
        visit.value.ok_or_else(unanswered)
    }
}

macro_rules! ask {
    ($($method:ident($($argument:ident: $type:ty),*) $hint:expr;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, DecodeError> {
            self.read($hint, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Erased<'_, 'de> {
    type Error = DecodeError;

    ask! {
        deserialize_any() Hint::Any;
        deserialize_bool() Hint::Bool;
        deserialize_i8() Hint::I8;
        deserialize_i16() Hint::I16;
        deserialize_i32() Hint::I32;
        deserialize_i64() Hint::I64;
        deserialize_i128() Hint::I128;
        deserialize_u8() Hint::U8;
        deserialize_u16() Hint::U16;
        deserialize_u32() Hint::U32;
        deserialize_u64() Hint::U64;
        deserialize_u128() Hint::U128;
        deserialize_f32() Hint::F32;
        deserialize_f64() Hint::F64;
        deserialize_char() Hint::Char;
        deserialize_str() Hint::Str;
        deserialize_string() Hint::String;
        deserialize_bytes() Hint::Bytes;
        deserialize_byte_buf() Hint::ByteBuf;
        deserialize_option() Hint::Option;
        deserialize_unit() Hint::Unit;
        deserialize_unit_struct(name: &'static str) Hint::UnitStruct(name);
        deserialize_newtype_struct(name: &'static str) Hint::NewtypeStruct(name);
        deserialize_seq() Hint::Seq;
        deserialize_tuple(length: usize) Hint::Tuple(length);
        deserialize_tuple_struct(name: &'static str, length: usize) Hint::TupleStruct(name, length);
        deserialize_map() Hint::Map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Hint::Struct(name, fields);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) Hint::Enum(name, variants);
        deserialize_identifier() Hint::Identifier;
        deserialize_ignored_any() Hint::IgnoredAny;
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A visitor, and then what it made.
struct Visit<V, T> {
    visitor: Option<V>,
    value: Option<T>,
}

impl<'de, V: Visitor<'de>> Take<'de> for Visit<V, V::Value> {
    fn take(&mut self, token: Token<'_, 'de>) -> Result<(), DecodeError> {
        let Some(visitor) = self.visitor.take() else { return Err(twice()) };
        let value = match token {
            Token::Bool(value) => visitor.visit_bool(value),
            Token::I8(value) => visitor.visit_i8(value),
            Token::I16(value) => visitor.visit_i16(value),
            Token::I32(value) => visitor.visit_i32(value),
            Token::I64(value) => visitor.visit_i64(value),
            Token::I128(value) => visitor.visit_i128(value),
            Token::U8(value) => visitor.visit_u8(value),
            Token::U16(value) => visitor.visit_u16(value),
            Token::U32(value) => visitor.visit_u32(value),
            Token::U64(value) => visitor.visit_u64(value),
            Token::U128(value) => visitor.visit_u128(value),
            Token::F32(value) => visitor.visit_f32(value),
            Token::F64(value) => visitor.visit_f64(value),
            Token::Char(value) => visitor.visit_char(value),
            Token::Str(text) => visitor.visit_str(text),
            Token::BorrowedStr(text) => visitor.visit_borrowed_str(text),
            Token::String(text) => visitor.visit_string(text),
            Token::Bytes(bytes) => visitor.visit_bytes(bytes),
            Token::BorrowedBytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::ByteBuf(bytes) => visitor.visit_byte_buf(bytes),
            Token::None => visitor.visit_none(),
            Token::Some(input) => visitor.visit_some(Erased(input)),
            Token::Unit => visitor.visit_unit(),
            Token::Newtype(input) => visitor.visit_newtype_struct(Erased(input)),
            Token::Seq(parts) => visitor.visit_seq(Access(parts)),
            Token::Map(parts) => visitor.visit_map(Access(parts)),
            Token::Enum(variants) => visitor.visit_enum(Choice(variants)),
        };
        self.value = Some(value?);
        Ok(())
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.as_ref().map_or(Ok(()), |visitor| visitor.expecting(f))
    }
}

/// A seed, and then what it made.
pub(in crate::codec) struct Await<S, T> {
    seed: Option<S>,
    value: Option<T>,
}

impl<S, T> Await<S, T> {
    pub(in crate::codec) fn new(seed: S) -> Self {
        Self { seed: Some(seed), value: None }
    }

    pub(in crate::codec) fn get(self) -> Option<T> {
        self.value
    }
}

impl<'de, S: DeserializeSeed<'de>> Seed<'de> for Await<S, S::Value> {
    fn feed(&mut self, input: &mut dyn Input<'de>) -> Result<(), DecodeError> {
        let Some(seed) = self.seed.take() else { return Err(twice()) };
        self.value = Some(seed.deserialize(Erased(input))?);
        Ok(())
    }
}

/// A sequence or a map.
struct Access<'a, 'de>(&'a mut dyn Parts<'de>);

impl<'de> Access<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, part: Part, seed: S) -> Result<Option<S::Value>, DecodeError> {
        let mut awaited = Await::new(seed);
        self.0.next(part, &mut awaited)?;
        Ok(awaited.value)
    }
}

impl<'de> SeqAccess<'de> for Access<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        self.next(Part::Element, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de> MapAccess<'de> for Access<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DecodeError> {
        self.next(Part::Key, seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        self.next(Part::Value, seed)?.ok_or_else(unanswered)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// An enum.
struct Choice<'a, 'de>(&'a mut dyn Variants<'de>);

impl<'de> EnumAccess<'de> for Choice<'_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DecodeError> {
        let mut awaited = Await::new(seed);
        self.0.variant(&mut awaited)?;
        Ok((awaited.value.ok_or_else(unanswered)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        self.0.content(Content::Unit)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DecodeError> {
        let mut awaited = Await::new(seed);
        self.0.content(Content::Newtype(&mut awaited))?;
        awaited.value.ok_or_else(unanswered)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, DecodeError> {
        let mut visit = Visit { visitor: Some(visitor), value: None };
        self.0.content(Content::Tuple(length, &mut visit))?;
        visit.value.ok_or_else(unanswered)
    }

    fn struct_variant<V>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        let mut visit = Visit { visitor: Some(visitor), value: None };
        self.0.content(Content::Struct(fields, &mut visit))?;
        visit.value.ok_or_else(unanswered)
    }
}

#[cold]
fn unanswered() -> DecodeError {
    DecodeError::new("the codec gave no value where one was asked for")
}

#[cold]
fn twice() -> DecodeError {
    DecodeError::new("the codec gave a value twice")
}

//! The deserializer that types see. What is generic here is compiled for each of them.

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{
    kind::{self, Kind},
    token::{Content, Hint, Input, Part, Parts, Seed, Variants},
    visit::Visit,
};
use crate::codec::DecodeError;

/// A deserializer of whatever kind.
pub(super) struct Erased<'a, 'de>(pub(super) &'a mut dyn Input<'de>);

impl<'de> Erased<'_, 'de> {
    fn read<K: Kind, V: Visitor<'de>>(self, hint: Hint, visitor: V) -> Result<V::Value, DecodeError> {
        let mut visit = Visit::<K, _, _>::new(visitor);
        self.0.read(hint, &mut visit)?;
        visit.get()
    }
}

macro_rules! ask {
    ($($method:ident($($argument:ident: $type:ty),*) $kind:ty, $hint:expr;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, DecodeError> {
            self.read::<$kind, _>($hint, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Erased<'_, 'de> {
    type Error = DecodeError;

    ask! {
        deserialize_any() kind::Any, Hint::Any;
        deserialize_bool() kind::Any, Hint::Bool;
        deserialize_i8() kind::Any, Hint::I8;
        deserialize_i16() kind::Any, Hint::I16;
        deserialize_i32() kind::Any, Hint::I32;
        deserialize_i64() kind::Any, Hint::I64;
        deserialize_i128() kind::Any, Hint::I128;
        deserialize_u8() kind::Any, Hint::U8;
        deserialize_u16() kind::Any, Hint::U16;
        deserialize_u32() kind::Any, Hint::U32;
        deserialize_u64() kind::Any, Hint::U64;
        deserialize_u128() kind::Any, Hint::U128;
        deserialize_f32() kind::Any, Hint::F32;
        deserialize_f64() kind::Any, Hint::F64;
        deserialize_char() kind::Any, Hint::Char;
        deserialize_str() kind::Any, Hint::Str;
        deserialize_string() kind::Any, Hint::String;
        deserialize_bytes() kind::Any, Hint::Bytes;
        deserialize_byte_buf() kind::Any, Hint::ByteBuf;
        deserialize_option() kind::Optional, Hint::Option;
        deserialize_unit() kind::Any, Hint::Unit;
        deserialize_unit_struct(name: &'static str) kind::Parts, Hint::UnitStruct(name);
        deserialize_newtype_struct(name: &'static str) kind::Newtype, Hint::NewtypeStruct(name);
        deserialize_seq() kind::Parts, Hint::Seq;
        deserialize_tuple(length: usize) kind::Parts, Hint::Tuple(length);
        deserialize_tuple_struct(name: &'static str, length: usize) kind::Parts, Hint::TupleStruct(name, length);
        deserialize_map() kind::Parts, Hint::Map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) kind::Parts, Hint::Struct(name, fields);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) kind::Enum, Hint::Enum(name, variants);
        deserialize_identifier() kind::Name, Hint::Identifier;
        deserialize_ignored_any() kind::Any, Hint::IgnoredAny;
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
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
pub(super) struct Access<'a, 'de>(pub(super) &'a mut dyn Parts<'de>);

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
pub(super) struct Choice<'a, 'de>(pub(super) &'a mut dyn Variants<'de>);

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
        let mut visit = Visit::<kind::Parts, _, _>::new(visitor);
        self.0.content(Content::Tuple(length, &mut visit))?;
        visit.get()
    }

    fn struct_variant<V>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError>
    where
        V: Visitor<'de>,
    {
        let mut visit = Visit::<kind::Parts, _, _>::new(visitor);
        self.0.content(Content::Struct(fields, &mut visit))?;
        visit.get()
    }
}

#[cold]
pub(super) fn unanswered() -> DecodeError {
    DecodeError::new("the codec gave no value where one was asked for")
}

#[cold]
pub(super) fn twice() -> DecodeError {
    DecodeError::new("the codec gave a value twice")
}

//! The deserializer that a type sees, and the seed that a codec sees.
//!
//! Scalars go straight through. Whatever can hold other values has its visitor wrapped; strings and byte sequences
//! go by way of the source.

use serde::{
    Deserializer,
    de::{DeserializeSeed, Visitor},
};

use super::{Guarded, Source, visitor::Guide};

macro_rules! straight {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

macro_rules! guided {
    ($($method:ident($($argument:ident: $type:ty),*) counted $counted:literal;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($argument,)* Guide::<_, _, $counted>::new(visitor, self.scope))
        }
    )*};
}

impl<'de, D: Deserializer<'de>, S: Source<'de>> Deserializer<'de> for Guarded<'_, D, S> {
    type Error = D::Error;

    straight! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    guided! {
        deserialize_any() counted true;
        deserialize_seq() counted true;
        deserialize_map() counted true;
        deserialize_option() counted false;
        deserialize_unit_struct(name: &'static str) counted false;
        deserialize_newtype_struct(name: &'static str) counted false;
        deserialize_tuple(length: usize) counted false;
        deserialize_tuple_struct(name: &'static str, length: usize) counted false;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) counted false;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) counted false;
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.scope.budget.source.read_str(self.inner, visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.scope.budget.source.read_str(self.inner, visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.scope.budget.source.read_bytes(self.inner, Guide::<_, _, true>::new(visitor, self.scope))
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.scope.budget.source.read_bytes(self.inner, Guide::<_, _, true>::new(visitor, self.scope))
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, T: DeserializeSeed<'de>, S: Source<'de>> DeserializeSeed<'de> for Guarded<'_, T, S> {
    type Value = T::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(self.scope.wrap(deserializer))
    }
}

//! The visitor that a codec sees: here each level of nesting is entered.

use std::fmt;

use serde::{
    Deserializer,
    de::{EnumAccess, Error, MapAccess, SeqAccess, Visitor},
};

use super::{
    Scope, Source,
    access::{Elements, Entries},
};

/// A type's visitor. `COUNTED` where the input, not the type, says how many elements there are.
pub(super) struct Guide<'g, V, S, const COUNTED: bool> {
    visitor: V,
    scope: Scope<'g, S>,
}

impl<'g, V, S, const COUNTED: bool> Guide<'g, V, S, COUNTED> {
    #[inline]
    pub(super) fn new(visitor: V, scope: Scope<'g, S>) -> Self {
        Self { visitor, scope }
    }
}

macro_rules! straight {
    ($($method:ident($type:ty))*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, S: Source<'de>, const COUNTED: bool> Visitor<'de> for Guide<'_, V, S, COUNTED> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    straight! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128)
        visit_f32(f32) visit_f64(f64) visit_char(char)
        visit_str(&str) visit_borrowed_str(&'de str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    /// A level too: a type that is nothing but an option of itself nests without any other.
    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let scope = self.scope.deeper()?;
        self.visitor.visit_some(scope.wrap(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(self.scope.wrap(deserializer))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.deeper()?;
        self.visitor.visit_seq(Elements::<_, _, COUNTED>::new(access, scope)?)
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.deeper()?;
        self.visitor.visit_map(Entries::<_, _, COUNTED>::new(access, scope)?)
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let scope = self.scope.deeper()?;
        self.visitor.visit_enum(scope.wrap(access))
    }
}

//! A type's visitor behind one function.

use std::{fmt, marker::PhantomData};

use serde::de::Visitor;

use super::{
    deserializer::{twice, unanswered},
    kind::Kind,
    token::{Take, Token},
};
use crate::codec::DecodeError;

/// A visitor that was asked for with a hint of this kind, and then what it made.
pub(super) struct Visit<K, V, T> {
    visitor: Option<V>,
    value: Option<T>,
    kind: PhantomData<K>,
}

impl<'de, K: Kind, V: Visitor<'de>> Visit<K, V, V::Value> {
    #[inline]
    pub(super) fn new(visitor: V) -> Self {
        Self { visitor: Some(visitor), value: None, kind: PhantomData }
    }

    #[inline]
    pub(super) fn get(self) -> Result<V::Value, DecodeError> {
        match self.value {
            Some(value) => Ok(value),
            None => Err(unanswered()),
        }
    }
}

impl<'de, K: Kind, V: Visitor<'de>> Take<'de> for Visit<K, V, V::Value> {
    fn take(&mut self, token: Token<'_, 'de>) -> Result<(), DecodeError> {
        let Some(visitor) = self.visitor.take() else { return Err(twice()) };
        self.value = Some(K::visit(visitor, token)?);
        Ok(())
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.visitor {
            Some(visitor) => visitor.expecting(f),
            None => Ok(()),
        }
    }
}

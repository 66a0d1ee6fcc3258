//! The elements of sequences, the entries of maps and the variants of enums, as a type sees them.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{Guarded, Scope, Source, visitor::Guide};

/// A sequence. `COUNTED` where the input, not the type, says how many elements there are.
pub(super) struct Elements<'g, A, S, const COUNTED: bool> {
    access: A,
    scope: Scope<'g, S>,
    claim: usize,
}

impl<'de, 'g, A: SeqAccess<'de>, S: Source<'de>, const COUNTED: bool> Elements<'g, A, S, COUNTED> {
    #[inline]
    pub(super) fn new(access: A, scope: Scope<'g, S>) -> Result<Self, A::Error> {
        let claim = if COUNTED && S::ANNOUNCES { scope.claim(access.size_hint().unwrap_or(0))? } else { 0 };
        Ok(Self { access, scope, claim })
    }
}

impl<'de, A: SeqAccess<'de>, S: Source<'de>, const COUNTED: bool> SeqAccess<'de> for Elements<'_, A, S, COUNTED> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        if !(COUNTED && S::ANNOUNCES) {
            return self.access.next_element_seed(self.scope.wrap(seed));
        }
        self.claim = self.claim.saturating_sub(1);
        let before = self.scope.remaining();
        let element = self.access.next_element_seed(self.scope.before(self.claim).wrap(seed))?;
        if element.is_some() {
            self.scope.end(before)?;
        }
        Ok(element)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        hint::<S, COUNTED>(self.access.size_hint(), self.claim, self.scope)
    }
}

/// A map, likewise.
pub(super) struct Entries<'g, A, S, const COUNTED: bool> {
    access: A,
    scope: Scope<'g, S>,
    claim: usize,
    /// The bytes that remained when the current entry began.
    before: usize,
}

impl<'de, 'g, A: MapAccess<'de>, S: Source<'de>, const COUNTED: bool> Entries<'g, A, S, COUNTED> {
    #[inline]
    pub(super) fn new(access: A, scope: Scope<'g, S>) -> Result<Self, A::Error> {
        let claim = if COUNTED && S::ANNOUNCES { scope.claim(access.size_hint().unwrap_or(0))? } else { 0 };
        Ok(Self { access, scope, claim, before: 0 })
    }
}

impl<'de, A: MapAccess<'de>, S: Source<'de>, const COUNTED: bool> MapAccess<'de> for Entries<'_, A, S, COUNTED> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        if COUNTED && S::ANNOUNCES {
            self.claim = self.claim.saturating_sub(1);
            self.before = self.scope.remaining();
        }
        self.access.next_key_seed(self.scope.before(self.claim).wrap(seed))
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        let value = self.access.next_value_seed(self.scope.before(self.claim).wrap(seed))?;
        if COUNTED && S::ANNOUNCES {
            self.scope.end(self.before)?;
        }
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        hint::<S, COUNTED>(self.access.size_hint(), self.claim, self.scope)
    }
}

impl<'de, 'g, A: EnumAccess<'de>, S: Source<'de>> EnumAccess<'de> for Guarded<'g, A, S> {
    type Error = A::Error;
    type Variant = Guarded<'g, A::Variant, S>;

    /// The variant's name or number goes straight through: it is a scalar, and bincode gives it as one that is not
    /// read from the source.
    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, self.scope.wrap(variant)))
    }
}

impl<'de, A: VariantAccess<'de>, S: Source<'de>> VariantAccess<'de> for Guarded<'_, A, S> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(self.scope.wrap(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, Guide::<_, _, false>::new(visitor, self.scope))
    }

    #[inline]
    fn struct_variant<V>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error>
    where
        V: Visitor<'de>,
    {
        self.inner.struct_variant(fields, Guide::<_, _, false>::new(visitor, self.scope))
    }
}

/// How many elements a type is told to expect.
#[inline]
fn hint<'de, S: Source<'de>, const COUNTED: bool>(
    announced: Option<usize>,
    claim: usize,
    scope: Scope<'_, S>,
) -> Option<usize> {
    let most = if COUNTED { claim } else { scope.remaining() };
    announced.map(|announced| announced.min(most))
}

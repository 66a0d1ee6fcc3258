//! The one guard through which every codec decodes: what a body may cost is bounded by the bytes that came.
//!
//! It wraps the codec's deserializer and everything that passes between it and the types' own code. Values nest at
//! most [`DEPTH`] deep. What sequences and maps that are not finished may reserve ahead is at most one element for
//! each byte that remains, and [`AHEAD`], all of them together. Elements without bytes are at most [`EMPTY`]. Where
//! nobody tells what remains, that is the whole body's length, and all elements are counted.
//! It knows no format, and holds no copy of the input.

mod access;
mod deserializer;
mod visitor;

use std::cell::Cell;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// How deep values may nest: each sequence, tuple, struct, map, enum and `Some` is one level. The limit of serde_json.
pub(super) const DEPTH: u8 = 128;

/// How many elements of sequences and entries of maps may consume no byte, such as those of a `Vec<()>`.
pub(super) const EMPTY: usize = 65_536;

/// How many elements and entries may be reserved ahead: of a KiB each they are half of 64 KiB, and a map of them, which
/// has a place to spare for every seventh, is within it. What is longer grows as its elements come.
pub(super) const AHEAD: usize = 28;

/// Where the bytes come from, and what the guard must know of it.
pub(super) trait Source<'de> {
    /// Whether lengths come ahead of the elements. Where they do not, each element has bytes of its own and
    /// [`remaining`](Self::remaining) is not asked.
    const ANNOUNCES: bool;

    /// Whether what remains is known. Where it is not, [`remaining`](Self::remaining) stays the length of the body,
    /// and no element can be told from one that consumes no byte.
    const TRACKED: bool;

    /// The bytes that are not yet consumed.
    fn remaining(&self) -> usize;

    /// Reads a string, reserving nothing before its bytes are seen to be there. A deserializer that does so by itself
    /// is left to it.
    #[inline]
    fn read_str<D, V>(&self, deserializer: D, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
        V: Visitor<'de>,
    {
        deserializer.deserialize_str(visitor)
    }

    /// Reads a byte sequence in the same way.
    #[inline]
    fn read_bytes<D, V>(&self, deserializer: D, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
        V: Visitor<'de>,
    {
        deserializer.deserialize_bytes(visitor)
    }
}

/// A body of which only the length is known, not how much of it is read.
pub(super) struct Opaque {
    pub(super) length: usize,
}

impl<'de> Source<'de> for Opaque {
    const ANNOUNCES: bool = true;
    const TRACKED: bool = false;

    #[inline]
    fn remaining(&self) -> usize {
        self.length
    }
}

/// Decodes one value from `deserializer`, which reads from `source`.
#[inline]
pub(super) fn decode<'de, T, D, S>(deserializer: D, source: &S) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
    S: Source<'de>,
{
    let budget = Budget { source, empty: Cell::new(0) };
    let scope = Scope { budget: &budget, depth: DEPTH, claimed: 0 };
    T::deserialize(scope.wrap(deserializer))
}

/// The same for whoever reads the value in another way.
pub(super) fn within<D, S, R>(deserializer: D, source: &S, read: impl FnOnce(Guarded<'_, D, S>) -> R) -> R {
    let budget = Budget { source, empty: Cell::new(0) };
    let scope = Scope { budget: &budget, depth: DEPTH, claimed: 0 };
    read(scope.wrap(deserializer))
}

/// A deserializer, seed or enum of the codec or of a type, within a scope.
pub(super) struct Guarded<'g, T, S> {
    inner: T,
    scope: Scope<'g, S>,
}

/// What one decoding has used up.
struct Budget<'s, S> {
    source: &'s S,
    /// The elements that have consumed no byte, as far as can be seen.
    empty: Cell<usize>,
}

/// A level of nesting in one decoding.
struct Scope<'g, S> {
    budget: &'g Budget<'g, S>,
    /// The levels that may still be entered.
    depth: u8,
    /// Elements that the sequences and maps around this level may have reserved for and that have not begun.
    claimed: usize,
}

impl<S> Clone for Scope<'_, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Scope<'_, S> {}

impl<'g, S> Scope<'g, S> {
    #[inline]
    fn wrap<T>(self, inner: T) -> Guarded<'g, T, S> {
        Guarded { inner, scope: self }
    }

    #[inline]
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(too_deep()),
        }
    }
}

impl<'de, S: Source<'de>> Scope<'_, S> {
    #[inline]
    fn remaining(self) -> usize {
        self.budget.source.remaining()
    }

    /// Of `announced` elements, how many may be reserved ahead: few, for nobody tells how wide one is. Each needs a
    /// byte that no other may claim, unless it is one of those that consume none.
    #[inline]
    fn claim<E: Error>(self, announced: usize) -> Result<usize, E> {
        let remaining = self.remaining();
        if announced > (remaining + EMPTY).saturating_sub(self.budget.empty.get()) {
            return Err(if S::TRACKED { too_many(announced, remaining) } else { too_many_in(announced, remaining) });
        }
        Ok(announced.min(remaining.min(AHEAD).saturating_sub(self.claimed)))
    }

    /// The scope of an element behind which `claim` others have a claim.
    #[inline]
    fn before(self, claim: usize) -> Self {
        Self { claimed: self.claimed + claim, ..self }
    }

    /// Counts the element that began when `before` bytes remained, if it consumed none.
    #[inline]
    fn end<E: Error>(self, before: usize) -> Result<(), E> {
        let empty = &self.budget.empty;
        if self.remaining() == before {
            let most = if S::TRACKED { EMPTY } else { EMPTY + before };
            if empty.get() >= most {
                return Err(if S::TRACKED { too_empty() } else { too_many_in(most + 1, before) });
            }
            empty.set(empty.get() + 1);
        }
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn too_deep<E: Error>() -> E {
    E::custom(format_args!("values nest deeper than {DEPTH} levels"))
}

#[cold]
#[inline(never)]
fn too_many<E: Error>(announced: usize, remaining: usize) -> E {
    E::custom(format_args!(
        "{announced} elements are announced where {remaining} bytes remain and {EMPTY} at most may consume none"
    ))
}

#[cold]
#[inline(never)]
fn too_many_in<E: Error>(count: usize, length: usize) -> E {
    E::custom(format_args!("a body of {length} bytes has {count} elements or more"))
}

#[cold]
#[inline(never)]
fn too_empty<E: Error>() -> E {
    E::custom(format_args!("more than {EMPTY} elements consume no byte"))
}

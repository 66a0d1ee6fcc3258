//! Asks the compiler which of serde's traits a type of a signature has. The client and the server compile whatever the
//! answer is; one assertion for each type says what is missing, so that one missing derive is one message.
//!
//! A method of [`Probe`] with a bound goes before one of the same name that the next type in the chain of `Deref` has,
//! and is passed over when the type does not fulfil the bound.

use std::{convert::Infallible, marker::PhantomData, ops::Deref};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Bulk, CodecKind, DecodeError, EncodeError};

/// How a value is appended to a body.
pub(crate) type Encode<T> = fn(CodecKind, &T, &mut Vec<u8>) -> Result<(), EncodeError>;
/// How a value is read from a body.
pub(crate) type Decode<T> = fn(CodecKind, &[u8]) -> Result<T, DecodeError>;
/// How a value is read from a body that it borrows from.
pub(super) type DecodeBorrowed<'de, T> = fn(CodecKind, &'de [u8]) -> Result<T, DecodeError>;

/// A type that is asked.
pub struct Probe<T>(Receivable<T>);

/// It is not both `Serialize` and `Deserialize`: perhaps the latter.
pub struct Receivable<T>(Sendable<T>);

/// Nor that: perhaps the former.
pub struct Sendable<T>(Neither<T>);

/// Nor that.
pub struct Neither<T>(PhantomData<fn() -> T>);

impl<T> Probe<T> {
    /// The question.
    pub const NEW: Self = Self(Receivable(Sendable(Neither(PhantomData))));

    /// The question about the type of this value.
    pub fn of(_: &T) -> Self {
        Self::NEW
    }
}

impl<T: Serialize> Probe<T> {
    /// How it is encoded.
    #[inline]
    pub fn encoder(&self) -> Encode<T> {
        |codec, value, out| codec.encode(value, out)
    }
}

impl<T: DeserializeOwned> Probe<T> {
    /// How it is decoded.
    #[inline]
    pub fn decoder(&self) -> Decode<T> {
        |codec, body| codec.decode(body)
    }
}

/// How bytes are encoded in one piece.
pub fn bulk_encoder<T: AsRef<[u8]>>() -> Encode<T> {
    |codec, bytes, out| codec.encode(&Bulk(bytes), out)
}

/// How bytes are decoded in one piece.
pub fn bulk_decoder<T>() -> Decode<T>
where
    Bulk<T>: DeserializeOwned,
{
    |codec, body| codec.decode(body).map(|Bulk(bytes)| bytes)
}

/// What is never reached: a type without the traits is reported. If it is not, by a fault of ours, this does not
/// compile either.
impl<T> Receivable<T> {
    /// How it is encoded.
    pub fn encoder(&self) -> Encode<T> {
        |_, _, _| unreported::<T, _>()
    }

    /// How it is decoded.
    pub fn decoder(&self) -> Decode<T> {
        |_, _| unreported::<T, _>()
    }
}

/// In the place of what a type can not do.
pub(crate) fn unreported<T, R>() -> R {
    match Unreported::<T>::NONE {}
}

/// It depends on the type, so that nothing is asked before there is one.
struct Unreported<T>(PhantomData<T>);

impl<T> Unreported<T> {
    const NONE: Infallible = panic!("a type of a service is neither fit to travel nor was it reported");
}

impl<T: Serialize + DeserializeOwned> Probe<T> {
    /// Asserts that it can be sent and received.
    pub fn travels(&self) {}
}

impl<T: DeserializeOwned> Receivable<T> {
    /// Says what is missing.
    pub fn travels(&self)
    where
        T: Sent,
    {
    }
}

impl<T: Serialize> Sendable<T> {
    /// Says what is missing.
    pub fn travels(&self)
    where
        T: Received,
    {
    }
}

impl<T> Neither<T> {
    /// Says what is missing.
    pub fn travels(&self)
    where
        T: Travels,
    {
    }
}

impl<T: Serialize + DeserializeOwned> Probe<T> {
    /// A part of it is not asserted.
    pub fn part<P>(&self, _: &Probe<P>) -> Probe<()> {
        Probe::NEW
    }

    /// What it is a part of is asserted.
    pub fn whole<W>(&self, _: &Probe<W>) -> Probe<W> {
        Probe::NEW
    }
}

/// Of two that do not travel, the part is named and not the whole.
impl<T> Receivable<T> {
    /// A part of it is asserted.
    pub fn part<P>(&self, _: &Probe<P>) -> Probe<P> {
        Probe::NEW
    }

    /// What it is a part of is not asserted.
    pub fn whole<W>(&self, _: &Probe<W>) -> Probe<()> {
        Probe::NEW
    }
}

/// A type that can be sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be sent: it does not implement `serde::Serialize`",
    label = "one side of the service sends this",
    note = "add `#[derive(serde::Serialize)]` to it, or turn on the feature `serde` of the crate that it comes from"
)]
pub trait Sent: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Sent for T {}

/// A type that can be received.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be received: it does not implement `serde::Deserialize`",
    label = "one side of the service receives this",
    note = "add `#[derive(serde::Deserialize)]` to it, or turn on the feature `serde` of the crate that it comes from"
)]
pub trait Received: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Received for T {}

/// A type that can be sent and received.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not travel: it implements neither `serde::Serialize` nor `serde::Deserialize`",
    label = "one side of the service sends this, the other receives it",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to it and to what is in it, or turn on the feature \
            `serde` of the crate that it comes from"
)]
pub trait Travels {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Travels for T {}

/// An argument that is decoded without being copied out of the body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be received: it does not implement `serde::Deserialize<'_>`",
    label = "the server receives this",
    note = "add `#[derive(serde::Deserialize)]` to it; what it borrows has to be `&str`, `&[u8]`, a `Cow`, or marked \
            with `#[serde(borrow)]`"
)]
pub trait Borrowed<'de>: Sized {
    /// How it is decoded.
    const DECODE: DecodeBorrowed<'de, Self>;
}

#[diagnostic::do_not_recommend]
impl<'de, T: Deserialize<'de>> Borrowed<'de> for T {
    const DECODE: DecodeBorrowed<'de, Self> = |codec, body| codec.decode(body);
}

impl<T> Deref for Probe<T> {
    type Target = Receivable<T>;

    fn deref(&self) -> &Receivable<T> {
        &self.0
    }
}

impl<T> Deref for Receivable<T> {
    type Target = Sendable<T>;

    fn deref(&self) -> &Sendable<T> {
        &self.0
    }
}

impl<T> Deref for Sendable<T> {
    type Target = Neither<T>;

    fn deref(&self) -> &Neither<T> {
        &self.0
    }
}

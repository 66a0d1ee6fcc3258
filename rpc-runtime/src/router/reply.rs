//! What a handler ends with, encoded; and how a return type is treated whose name does not say whether it is a
//! `Result`.

use std::{marker::PhantomData, pin::Pin};

use serde::Serialize;

use crate::{
    buffer,
    call::Reply,
    codec::{CodecKind, Encode, EncodeError, Probe, Receivable, unreported},
    status::{CallError, Code, Status},
};

/// A handler at work.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// How the error of a method becomes a reply.
pub(crate) type EncodeFailure<E> = fn(CodecKind, E) -> Reply;

impl<E: Serialize> Probe<E> {
    /// The service's own error.
    pub fn failure_encoder(&self) -> EncodeFailure<E> {
        |codec, error| encoded(codec, &error, Probe::<E>::NEW.encoder(), Reply::ServiceError)
    }
}

// Coherent with the above because Status does not implement Serialize.
impl Probe<Status> {
    /// A failure with a code of the handler's choice.
    pub fn failure_encoder(&self) -> EncodeFailure<Status> {
        |_, status| Reply::Status(status.leaving_handler())
    }

    /// In the place of an error, it need not travel itself.
    pub fn error(&self) -> Probe<()> {
        Probe::NEW
    }
}

impl<E> Receivable<E> {
    /// The service's own error.
    pub fn failure_encoder(&self) -> EncodeFailure<E> {
        |_, _| unreported::<E, _>()
    }

    /// In the place of an error, it has to travel like any other type.
    pub fn error(&self) -> Probe<E> {
        Probe::NEW
    }
}

/// The error type of a method that returns `Result<_, Status>`, whoever's `Status` that is.
pub trait MethodError {
    /// How a client's call fails.
    type Error;
}

impl<E: Serialize> MethodError for E {
    type Error = CallError<E>;
}

// Coherent with the above because Status does not implement Serialize.
impl MethodError for Status {
    type Error = Self;
}

/// How a client's call fails when its method returns `Result<_, E>`: with [`Status`] if `E` is that, else with
/// [`CallError<E>`](CallError).
pub type ErrorOf<E> = <E as MethodError>::Error;

/// The parts of a `Result`, under whatever alias.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has the name of a `Result` but is none",
    label = "give it a name without `Result` in it"
)]
pub trait Outcome {
    /// The value.
    type Ok;
    /// The error.
    type Err;

    /// It as what it is.
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> Outcome for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Asks the compiler what `T` is under its alias: a constant of the type itself goes before a trait's.
pub struct Kind<T>(PhantomData<T>);

impl<T, E> Kind<Result<T, E>> {
    /// It is a `Result`.
    pub const IS_RESULT: bool = true;
}

impl<T> Kind<Result<T, Status>> {
    /// Its error is a `Status`.
    pub const IS_STATUS: bool = true;
}

/// The answer for all other types.
pub trait OtherKind {
    /// It is none.
    const IS_RESULT: bool = false;
    /// It is none.
    const IS_STATUS: bool = false;
}

impl<T> OtherKind for Kind<T> {}

/// What a method returns whose name does not tell: a `Result` or a plain value.
pub struct Returned<const IS_RESULT: bool, const IS_STATUS: bool>;

/// How [`Returned`] is treated, once it is known.
pub trait Returns<T> {
    /// What the client's call gives.
    type Ok;
    /// The method's error; `Status` if it has none.
    type Err;
    /// How the client's call fails.
    type Error;

    /// It as a `Result`.
    fn into_result(returned: T) -> Result<Self::Ok, Self::Err>;
}

impl<T> Returns<T> for Returned<false, false> {
    type Ok = T;
    type Err = Status;
    type Error = Status;

    fn into_result(returned: T) -> Result<T, Status> {
        Ok(returned)
    }
}

impl<R: Outcome> Returns<R> for Returned<true, false> {
    type Ok = R::Ok;
    type Err = R::Err;
    type Error = CallError<R::Err>;

    fn into_result(returned: R) -> Result<R::Ok, R::Err> {
        returned.into_result()
    }
}

impl<R: Outcome<Err = Status>> Returns<R> for Returned<true, true> {
    type Ok = R::Ok;
    type Err = Status;
    type Error = Status;

    fn into_result(returned: R) -> Result<R::Ok, Status> {
        returned.into_result()
    }
}

/// The reply of a method that returns a plain value.
#[inline]
pub fn reply_value<T>(codec: CodecKind, value: &T, encode: Encode<T>) -> Reply {
    encoded(codec, value, encode, Reply::Value)
}

/// The reply of a method that returns a `Result`.
#[inline]
pub fn reply_outcome<T, E>(
    codec: CodecKind,
    outcome: Result<T, E>,
    encode: Encode<T>,
    fail: EncodeFailure<E>,
) -> Reply {
    match outcome {
        Ok(value) => reply_value(codec, &value, encode),
        Err(error) => fail(codec, error),
    }
}

#[inline]
fn encoded<T>(codec: CodecKind, value: &T, encode: Encode<T>, reply: fn(Vec<u8>) -> Reply) -> Reply {
    let mut body = buffer::take();
    match encode(codec, value, &mut body) {
        Ok(()) => reply(body),
        Err(error) => unencodable(codec, &error),
    }
}

#[cold]
fn unencodable(codec: CodecKind, error: &EncodeError) -> Reply {
    Reply::Status(Status::of_call(Code::Internal, format!("the reply can not be encoded as {}: {error}", codec.name())))
}

/// Appends an item of a stream of plain values.
#[inline]
pub fn put_value<T>(codec: CodecKind, value: &T, out: &mut Vec<u8>, encode: Encode<T>) -> Result<(), Reply> {
    encode(codec, value, out).map_err(|error| {
        let text = format!("an item can not be encoded as {}: {error}", codec.name());
        Reply::Unsendable(Status::of_call(Code::Internal, text))
    })
}

/// Appends an item of a stream of `Result`s; an error is the stream's end.
#[inline]
pub fn put_outcome<T, E>(
    codec: CodecKind,
    outcome: Result<T, E>,
    out: &mut Vec<u8>,
    encode: Encode<T>,
    fail: EncodeFailure<E>,
) -> Result<(), Reply> {
    match outcome {
        Ok(value) => put_value(codec, &value, out, encode),
        Err(error) => Err(fail(codec, error)),
    }
}

//! What a handler ends with, encoded; and the trait that tells a `Result` from a plain value.

use std::{marker::PhantomData, pin::Pin};

use serde::Serialize;

use crate::{
    buffer,
    call::Reply,
    codec::{Bulk, CodecKind},
    status::{CallError, Code, Status},
};

/// A handler at work.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A `Result` that a method returns, under whatever alias.
pub trait Outcome {
    /// What the client's call gives.
    type Ok;
    /// How the client's call fails.
    type Error;

    /// Encodes it.
    fn reply(self, codec: CodecKind) -> Reply;

    /// Appends it as an item of a stream; an error is the stream's end.
    fn put_item(self, codec: CodecKind, out: &mut Vec<u8>) -> Result<(), Reply>;
}

impl<T: Serialize, E: Serialize> Outcome for Result<T, E> {
    type Ok = T;
    type Error = CallError<E>;

    fn reply(self, codec: CodecKind) -> Reply {
        match self {
            Ok(value) => encode(codec, &value, Reply::Value),
            Err(error) => encode(codec, &error, Reply::ServiceError),
        }
    }

    #[inline]
    fn put_item(self, codec: CodecKind, out: &mut Vec<u8>) -> Result<(), Reply> {
        match self {
            Ok(value) => put(codec, &value, out),
            Err(error) => Err(encode(codec, &error, Reply::ServiceError)),
        }
    }
}

// Coherent with the above because Status does not implement Serialize.
impl<T: Serialize> Outcome for Result<T, Status> {
    type Ok = T;
    type Error = Status;

    fn reply(self, codec: CodecKind) -> Reply {
        match self {
            Ok(value) => encode(codec, &value, Reply::Value),
            Err(status) => Reply::Status(status.leaving_handler()),
        }
    }

    #[inline]
    fn put_item(self, codec: CodecKind, out: &mut Vec<u8>) -> Result<(), Reply> {
        match self {
            Ok(value) => put(codec, &value, out),
            Err(status) => Err(Reply::Status(status.leaving_handler())),
        }
    }
}

/// Asks the compiler whether `T` is a `Result` under some alias: a constant of the type itself goes before a trait's.
pub struct IsResult<T>(PhantomData<T>);

impl<T, E> IsResult<Result<T, E>> {
    /// It is.
    pub const VALUE: bool = true;
}

/// The answer for all other types.
pub trait PlainValue {
    /// It is not.
    const VALUE: bool = false;
}

impl<T> PlainValue for IsResult<T> {}

/// What a method returns whose name does not tell: a `Result` or a plain value.
pub struct Returned<const IS_RESULT: bool>;

/// How [`Returned`] is treated, once it is known.
pub trait Returns<T> {
    /// What the client's call gives.
    type Ok;
    /// How the client's call fails.
    type Error;

    /// Encodes it.
    fn reply(codec: CodecKind, returned: T) -> Reply;

    /// Appends it as an item of a stream; an error is the stream's end.
    fn put_item(codec: CodecKind, returned: T, out: &mut Vec<u8>) -> Result<(), Reply>;
}

impl<T: Serialize> Returns<T> for Returned<false> {
    type Ok = T;
    type Error = Status;

    fn reply(codec: CodecKind, returned: T) -> Reply {
        reply_value(codec, &returned)
    }

    #[inline]
    fn put_item(codec: CodecKind, returned: T, out: &mut Vec<u8>) -> Result<(), Reply> {
        put(codec, &returned, out)
    }
}

impl<R: Outcome> Returns<R> for Returned<true> {
    type Ok = R::Ok;
    type Error = R::Error;

    fn reply(codec: CodecKind, returned: R) -> Reply {
        returned.reply(codec)
    }

    #[inline]
    fn put_item(codec: CodecKind, returned: R, out: &mut Vec<u8>) -> Result<(), Reply> {
        returned.put_item(codec, out)
    }
}

/// The reply of a method that returns a `Result`.
pub fn reply_outcome<R: Outcome>(codec: CodecKind, outcome: R) -> Reply {
    outcome.reply(codec)
}

/// The reply of a method that returns a plain value.
pub fn reply_value<T: Serialize>(codec: CodecKind, value: &T) -> Reply {
    encode(codec, value, Reply::Value)
}

fn encode<T: Serialize>(codec: CodecKind, value: &T, reply: fn(Vec<u8>) -> Reply) -> Reply {
    let mut body = buffer::take();
    match codec.encode(value, &mut body) {
        Ok(()) => reply(body),
        Err(error) => {
            let text = format!("the reply can not be encoded as {}: {error}", codec.name());
            Reply::Status(Status::of_call(Code::Internal, text))
        }
    }
}

/// Appends an item of a stream of plain values.
#[inline]
pub fn item_value<T: Serialize>(codec: CodecKind, value: T, out: &mut Vec<u8>) -> Result<(), Reply> {
    put(codec, &value, out)
}

/// Appends an item of a stream of bytes in one piece.
#[inline]
pub fn item_bulk<T: AsRef<[u8]>>(codec: CodecKind, value: T, out: &mut Vec<u8>) -> Result<(), Reply> {
    put(codec, &Bulk(value), out)
}

/// Appends an item of a stream of `Result`s, or ends the stream.
#[inline]
pub fn item_outcome<R: Outcome>(codec: CodecKind, outcome: R, out: &mut Vec<u8>) -> Result<(), Reply> {
    outcome.put_item(codec, out)
}

/// The same of bytes in one piece.
#[inline]
pub fn item_bulk_outcome<T, E>(codec: CodecKind, outcome: Result<T, E>, out: &mut Vec<u8>) -> Result<(), Reply>
where
    Result<Bulk<T>, E>: Outcome,
{
    outcome.map(Bulk).put_item(codec, out)
}

#[inline]
fn put<T: Serialize>(codec: CodecKind, value: &T, out: &mut Vec<u8>) -> Result<(), Reply> {
    codec.encode(value, out).map_err(|error| {
        let text = format!("an item can not be encoded as {}: {error}", codec.name());
        Reply::Unsendable(Status::of_call(Code::Internal, text))
    })
}

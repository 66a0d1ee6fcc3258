//! How a call's failure becomes the error type of its method.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use super::engine::Ended;
use crate::{
    buffer,
    call::Ending,
    codec::{CodecKind, DecodeError},
    metadata::Metadata,
    status::{CallError, Code, Status},
};

/// The error of a call: [`Status`], or [`CallError`] for methods that have an error of their own.
pub trait Failure: From<Status> {
    /// Decodes the service's own error.
    fn of_service(codec: CodecKind, body: &[u8]) -> Result<Self, Status>;
}

impl Failure for Status {
    fn of_service(_: CodecKind, _: &[u8]) -> Result<Self, Status> {
        let text = "the service answered with an error of its own, which this method does not have";
        Err(Self::of_call(Code::Internal, text))
    }
}

impl<E: DeserializeOwned> Failure for CallError<E> {
    fn of_service(codec: CodecKind, body: &[u8]) -> Result<Self, Status> {
        let decoded = codec.decode(body).map(Self::Service);
        decoded.map_err(|error| undecodable("the service's error", codec, &error))
    }
}

/// How a call decodes its reply.
pub(super) type Decode<T> = fn(CodecKind, &[u8]) -> Result<T, DecodeError>;

/// The typed outcome of a call, and the metadata that came with it.
pub(super) fn finish<T, E: Failure>(mut ended: Ended, decode: Decode<T>) -> (Result<T, E>, Metadata) {
    let codec = ended.codec();
    let metadata = std::mem::take(&mut ended.answer.metadata);
    let body = std::mem::take(&mut ended.answer.body);
    let ending = std::mem::replace(&mut ended.answer.ending, Ending::Ok);
    let outcome = match ending {
        Ending::Ok => {
            decode(codec, &body).map_err(|error| E::from(ended.name(undecodable("the reply", codec, &error))))
        }
        Ending::ServiceError => Err(E::of_service(codec, &body).unwrap_or_else(|status| E::from(ended.name(status)))),
        Ending::Status(status) => Err(E::from(ended.name(status))),
    };
    buffer::give(body);
    (outcome, metadata)
}

fn undecodable(what: &str, codec: CodecKind, error: &impl Display) -> Status {
    Status::of_call(Code::Internal, format!("{what} can not be decoded as {}: {error}", codec.name()))
}

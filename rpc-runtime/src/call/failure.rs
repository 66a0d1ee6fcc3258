//! How a failure becomes the error type of a method.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::{
    codec::CodecKind,
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

/// What the other end sent is not what this side expects.
pub(crate) fn undecodable(what: &str, codec: CodecKind, error: &impl Display) -> Status {
    Status::of_call(Code::Internal, format!("{what} can not be decoded as {}: {error}", codec.name()))
}

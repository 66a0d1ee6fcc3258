//! How what a call failed with becomes the error type of its method: `Status`, or `CallError` for methods that have an
//! error of their own.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::{
    codec::{CodecKind, Probe, Receivable, unreported},
    status::{CallError, Code, Status},
};

/// Decodes the service's own error.
pub(crate) type DecodeFailure<E> = fn(CodecKind, &[u8]) -> Result<E, Status>;

impl Probe<Status> {
    /// How a failure is decoded that can not be the service's own.
    pub fn failure(&self) -> DecodeFailure<Status> {
        |_, _| Err(not_expected())
    }
}

impl<E: DeserializeOwned> Probe<CallError<E>> {
    /// How the service's own error is decoded.
    pub fn failure(&self) -> DecodeFailure<CallError<E>> {
        |codec, body| {
            let decoded = codec.decode(body).map(CallError::Service);
            decoded.map_err(|error| undecodable("the service's error", codec, &error))
        }
    }
}

/// An alias of `Status` as the error of a method: it arrives as `CallError::Status`.
impl Probe<CallError<Status>> {
    /// How a failure is decoded that can not be the service's own.
    pub fn failure(&self) -> DecodeFailure<CallError<Status>> {
        |_, _| Err(not_expected())
    }
}

impl<E> Receivable<E> {
    /// How the service's own error is decoded.
    pub fn failure(&self) -> DecodeFailure<E> {
        |_, _| unreported::<E, _>()
    }
}

fn not_expected() -> Status {
    let text = "the service answered with an error of its own, which this method does not have";
    Status::of_call(Code::Internal, text)
}

/// What the other end sent is not what this side expects.
pub(crate) fn undecodable(what: &str, codec: CodecKind, error: &impl Display) -> Status {
    Status::of_call(Code::Internal, format!("{what} can not be decoded as {}: {error}", codec.name()))
}

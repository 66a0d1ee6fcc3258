//! What a handler is made from: the method and the encoded arguments.

use serde::de::DeserializeOwned;

use crate::{
    codec::CodecKind,
    descriptor::MethodDescriptor,
    status::{Code, Status},
};

/// The arguments of a call as generated code sees them.
pub struct Arguments<'a> {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) codec: CodecKind,
    pub(crate) body: &'a [u8],
}

impl Arguments<'_> {
    /// The codec of the connection.
    pub fn codec(&self) -> CodecKind {
        self.codec
    }

    /// Decodes the tuple of arguments; `INVALID_ARGUMENT`, *not executed*, when that fails.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Status> {
        self.codec.decode_arguments(self.body, self.method.arguments).map_err(|error| {
            let (method, codec) = (self.method.full_name, self.codec.name());
            let text = format!("the arguments of {method} can not be decoded as {codec}: {error}");
            Status::of_call(Code::InvalidArgument, text).not_executed()
        })
    }
}

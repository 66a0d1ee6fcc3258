//! What a generated client is made of.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{Call, Channel, outcome::Decode};
use crate::{
    buffer,
    call::{OutgoingRequest, ServiceName},
    codec::Bulk,
    descriptor::{MethodDescriptor, ServiceDescriptor},
    metadata::Metadata,
    status::{Code, Status},
};

/// A service at the other end of a channel.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    service: ServiceName,
}

impl Client {
    /// The service under its own name.
    pub fn new(channel: Channel, descriptor: &'static ServiceDescriptor) -> Self {
        Self { channel, service: ServiceName::Static(descriptor.name) }
    }

    /// The service under the name it was registered with.
    pub fn named(channel: Channel, _descriptor: &'static ServiceDescriptor, name: &str) -> Self {
        Self { channel, service: ServiceName::Named(Arc::from(name)) }
    }

    /// The channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Encodes the arguments and makes the call, which is not sent yet.
    pub fn call<A: Serialize, T: DeserializeOwned, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
    ) -> Call<T, E> {
        self.encode_and_call(method, arguments, |codec, body| codec.decode(body))
    }

    /// The same for a reply of bytes in one piece.
    pub fn call_bulk<A: Serialize, T, E>(&self, method: &'static MethodDescriptor, arguments: &A) -> Call<T, E>
    where
        Bulk<T>: DeserializeOwned,
    {
        self.encode_and_call(method, arguments, |codec, body| codec.decode(body).map(|Bulk(bytes)| bytes))
    }

    fn encode_and_call<A: Serialize, T, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        decode: Decode<T>,
    ) -> Call<T, E> {
        let codec = self.channel.settings().codec;
        let mut body = buffer::take();
        let encoded = codec.encode(arguments, &mut body).map_err(|error| {
            let text = format!("the arguments can not be encoded as {}: {error}", codec.name());
            Status::of_call(Code::InvalidArgument, text).not_executed()
        });
        let service = self.service.clone();
        let request = OutgoingRequest { service, method: method.name, metadata: Metadata::new(), body };
        Call::new(self.channel.clone(), method, request, encoded.err(), decode)
    }
}

//! What a generated client is made of.

use std::sync::Arc;

use futures_core::Stream;

use super::{Call, Channel, builder::Settings, engine::Engine, outcome::Receive};
use crate::{
    buffer,
    call::{DecodeFailure, Items, OutgoingRequest, Reception, ServiceName},
    codec::{Decode, Encode, EncodeError},
    descriptor::{MethodDescriptor, ServiceDescriptor},
    metadata::Metadata,
    status::{Code, Status},
    stream::{Produced, SendItem, Streaming},
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
    pub fn call<A, T, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        encode: Encode<A>,
        decode: Decode<T>,
        failure: DecodeFailure<E>,
    ) -> Call<T, E> {
        let arguments = self.encode(arguments, encode);
        Call::new(self.engine(method, arguments, None, Reception::Value), Receive::Value(decode), failure)
    }

    /// A call whose caller sends items, with one reply.
    pub fn send<A, T, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        encode: Encode<A>,
        items: Items,
        decode: Decode<T>,
        failure: DecodeFailure<E>,
    ) -> Call<T, E> {
        let arguments = self.encode(arguments, encode);
        Call::new(self.engine(method, arguments, Some(items), Reception::Value), Receive::Value(decode), failure)
    }

    /// A call that gives a stream, which the callee may refuse to begin.
    pub fn open<A, T: 'static, F: 'static, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        encode: Encode<A>,
        items: Option<Items>,
        received: (Decode<T>, DecodeFailure<F>),
        failure: DecodeFailure<E>,
    ) -> Call<Streaming<T, F>, E> {
        let arguments = self.encode(arguments, encode);
        Call::new(self.engine(method, arguments, items, Reception::Opened), Receive::stream(received), failure)
    }

    /// The same of a method that can not refuse.
    pub fn open_at_once<A, T: 'static, F: 'static, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        encode: Encode<A>,
        items: Option<Items>,
        received: (Decode<T>, DecodeFailure<F>),
        failure: DecodeFailure<E>,
    ) -> Call<Streaming<T, F>, E> {
        let arguments = self.encode(arguments, encode);
        Call::new(self.engine(method, arguments, items, Reception::AtOnce), Receive::stream(received), failure)
    }

    /// The caller's items.
    pub fn items<T, I>(&self, stream: impl Stream<Item = I> + Send + 'static, encode: Encode<T>) -> Items
    where
        T: 'static,
        I: SendItem<T> + 'static,
    {
        let Settings { codec, limits, .. } = self.channel.settings();
        Produced::items(*codec, limits.max_message as usize, stream, encode)
    }

    fn encode<A>(&self, arguments: &A, encode: Encode<A>) -> (Vec<u8>, Result<(), EncodeError>) {
        let mut body = buffer::take();
        let encoded = encode(self.channel.settings().codec, arguments, &mut body);
        (body, encoded)
    }

    fn engine(
        &self,
        method: &'static MethodDescriptor,
        (body, encoded): (Vec<u8>, Result<(), EncodeError>),
        items: Option<Items>,
        reception: Reception,
    ) -> Engine {
        let refused = encoded.err().map(|error| {
            let codec = self.channel.settings().codec.name();
            let text = format!("the arguments can not be encoded as {codec}: {error}");
            Status::of_call(Code::InvalidArgument, text).not_executed()
        });
        let (service, metadata, sends) = (self.service.clone(), Metadata::new(), items.is_some());
        let request = OutgoingRequest { service, method: method.name, metadata, body, items, sends, reception };
        Engine::new(self.channel.clone(), method, request, refused)
    }
}

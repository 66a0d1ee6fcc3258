//! What a generated client is made of.

use std::sync::Arc;

use futures_core::Stream;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Call, Channel,
    builder::Settings,
    outcome::{self, Decode},
};
use crate::{
    buffer,
    call::{Items, OutgoingRequest, Reception, ServiceName},
    codec::Bulk,
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
    pub fn call<A: Serialize, T: DeserializeOwned, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
    ) -> Call<T, E> {
        self.make(method, arguments, None, Reception::Value, outcome::value)
    }

    /// The same for a reply of bytes in one piece.
    pub fn call_bulk<A: Serialize, T, E>(&self, method: &'static MethodDescriptor, arguments: &A) -> Call<T, E>
    where
        Bulk<T>: DeserializeOwned,
    {
        self.make(method, arguments, None, Reception::Value, outcome::bulk_value)
    }

    /// A call whose caller sends items, with one reply.
    pub fn send<A: Serialize, T: DeserializeOwned, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        items: Items,
    ) -> Call<T, E> {
        self.make(method, arguments, Some(items), Reception::Value, outcome::value)
    }

    /// The same for a reply of bytes in one piece.
    pub fn send_for_bulk<A: Serialize, T, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        items: Items,
    ) -> Call<T, E>
    where
        Bulk<T>: DeserializeOwned,
    {
        self.make(method, arguments, Some(items), Reception::Value, outcome::bulk_value)
    }

    /// A call that gives a stream. `at_once`: its method can not refuse to begin.
    pub fn stream<A: Serialize, T: DeserializeOwned, F, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        items: Option<Items>,
        at_once: bool,
    ) -> Call<Streaming<T, F>, E> {
        self.make(method, arguments, items, reception(at_once), outcome::items)
    }

    /// The same with bytes in one piece as items.
    pub fn stream_bulk<A: Serialize, T, F, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        items: Option<Items>,
        at_once: bool,
    ) -> Call<Streaming<T, F>, E>
    where
        Bulk<T>: DeserializeOwned,
    {
        self.make(method, arguments, items, reception(at_once), outcome::bulk_items)
    }

    /// The caller's items.
    pub fn items<T, I>(&self, stream: impl Stream<Item = I> + Send + 'static) -> Items
    where
        T: Serialize + 'static,
        I: SendItem<T> + 'static,
    {
        let Settings { codec, limits, .. } = self.channel.settings();
        Produced::items::<T, I, _>(*codec, limits.max_message as usize, stream)
    }

    /// The same of bytes in one piece.
    pub fn bulk_items<T, I>(&self, stream: impl Stream<Item = I> + Send + 'static) -> Items
    where
        T: AsRef<[u8]> + 'static,
        I: SendItem<T> + 'static,
    {
        let Settings { codec, limits, .. } = self.channel.settings();
        Produced::bulk_items::<T, I, _>(*codec, limits.max_message as usize, stream)
    }

    fn make<A: Serialize, T, E>(
        &self,
        method: &'static MethodDescriptor,
        arguments: &A,
        items: Option<Items>,
        reception: Reception,
        decode: Decode<T>,
    ) -> Call<T, E> {
        let codec = self.channel.settings().codec;
        let mut body = buffer::take();
        let encoded = codec.encode(arguments, &mut body).map_err(|error| {
            let text = format!("the arguments can not be encoded as {}: {error}", codec.name());
            Status::of_call(Code::InvalidArgument, text).not_executed()
        });
        let (service, metadata, sends) = (self.service.clone(), Metadata::new(), items.is_some());
        let request = OutgoingRequest { service, method: method.name, metadata, body, items, sends, reception };
        Call::new(self.channel.clone(), method, request, encoded.err(), decode)
    }
}

fn reception(at_once: bool) -> Reception {
    if at_once { Reception::AtOnce } else { Reception::Opened }
}

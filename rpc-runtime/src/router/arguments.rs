//! What a handler is made from: the method, the encoded arguments, and the items that come in and go out.

use serde::de::DeserializeOwned;

use crate::{
    call::{Items, Outlet, Peer, ServiceName},
    codec::{Bulk, CodecKind},
    descriptor::MethodDescriptor,
    status::{Code, Status},
    stream::{Place, Streaming},
};

/// The arguments of a call as generated code sees them.
pub struct Arguments<'a> {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) service: &'a ServiceName,
    pub(crate) peer: &'a Peer,
    pub(crate) codec: CodecKind,
    pub(crate) body: &'a [u8],
    pub(crate) items: Option<Items>,
    pub(crate) outlet: Option<Outlet>,
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

    /// The stream that the caller sends. Once.
    pub fn streaming<T: DeserializeOwned>(&mut self) -> Result<Streaming<T>, Status> {
        let items = self.take_items()?;
        Ok(Streaming::of_values(items, self.codec, self.place()))
    }

    /// The same of bytes in one piece.
    pub fn streaming_bulk<T>(&mut self) -> Result<Streaming<T>, Status>
    where
        Bulk<T>: DeserializeOwned,
    {
        let items = self.take_items()?;
        Ok(Streaming::of_bulk(items, self.codec, self.place()))
    }

    /// Where the items go that the method returns. Once.
    pub fn outlet(&mut self) -> Result<Outlet, Status> {
        self.outlet.take().ok_or_else(|| Status::internal("a call of a method that streams has no place for its items"))
    }

    fn take_items(&mut self) -> Result<Items, Status> {
        self.items.take().ok_or_else(|| Status::internal("a call of a method that takes a stream has none"))
    }

    fn place(&self) -> Place {
        Place { service: self.service.clone(), method: self.method.name, address: self.peer.address.clone() }
    }
}

//! What a handler is made from: the method, the encoded arguments, and the items that come in and go out.

use crate::{
    call::{Items, Outlet, Peer, ServiceName},
    codec::{CodecKind, Decode, DecodeBorrowed, DecodeError, Lender, Probe},
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
    pub fn decode<T>(&self, decode: Decode<T>) -> Result<T, Status> {
        let decoded = self.in_order().and_then(|in_order| decode(self.codec, in_order.as_deref().unwrap_or(self.body)));
        decoded.map_err(|error| undecodable(self.method, self.codec, &error))
    }

    /// The tuple of arguments, to be decoded by the handler, which it borrows from.
    pub fn keep(&self) -> Result<KeptArguments, Status> {
        let in_order = self.in_order().map_err(|error| undecodable(self.method, self.codec, &error))?;
        let body = in_order.unwrap_or_else(|| self.body.to_vec());
        Ok(KeptArguments { method: self.method, codec: self.codec, body })
    }

    fn in_order(&self) -> Result<Option<Vec<u8>>, DecodeError> {
        self.codec.in_order(self.body, self.method.arguments)
    }

    /// The stream that the caller sends. Once.
    pub fn streaming<T>(&mut self, decode: Decode<T>) -> Result<Streaming<T>, Status> {
        let missing = || Status::internal("a call of a method that takes a stream has none");
        let items = self.items.take().ok_or_else(missing)?;
        let place =
            Place { service: self.service.clone(), method: self.method.name, address: self.peer.address.clone() };
        Ok(Streaming::encoded(items, self.codec, place, decode, Probe::<Status>::NEW.failure()))
    }

    /// Where the items go that the method returns. Once.
    pub fn outlet(&mut self) -> Result<Outlet, Status> {
        self.outlet.take().ok_or_else(|| Status::internal("a call of a method that streams has no place for its items"))
    }
}

/// Arguments that are not decoded yet.
pub struct KeptArguments {
    method: &'static MethodDescriptor,
    codec: CodecKind,
    body: Vec<u8>,
}

impl KeptArguments {
    /// Asks how the tuple of arguments is decoded, which may borrow from them.
    pub fn lender<T>(&self) -> Lender<'_, T> {
        Lender::NEW
    }

    /// Decodes the tuple of arguments; `INVALID_ARGUMENT`, *not executed*, when that fails.
    pub fn decode<'de, T>(&'de self, decode: DecodeBorrowed<'de, T>) -> Result<T, Status> {
        decode(self.codec, &self.body).map_err(|error| undecodable(self.method, self.codec, &error))
    }
}

#[cold]
fn undecodable(method: &MethodDescriptor, codec: CodecKind, error: &DecodeError) -> Status {
    let text = format!("the arguments of {} can not be decoded as {}: {error}", method.full_name, codec.name());
    Status::of_call(Code::InvalidArgument, text).not_executed()
}

//! A call on its way, as layers see it: encoded, and the same on both sides. It knows where it goes, and not how.

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use super::{Body, Destination, Extensions, Response, ServiceName, SharedItems, mapped::Mapped};
use crate::{
    buffer,
    codec::CodecKind,
    descriptor::{MethodDescriptor, MethodKind},
    metadata::Metadata,
    status::{Code, Status},
};

/// A call that passes through layers: on its way to the server, or to the handler.
///
/// It can be cloned, to be sent again. Whatever is done to it, its deadline holds for all attempts together. The items
/// that a caller sends are there once: the first attempt that gets to the destination takes them, and a later one ends
/// with `FAILED_PRECONDITION`.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// use rpc_runtime::middleware::from_fn;
///
/// // Answers from what is known, and lets all else pass.
/// let known = from_fn(|mut call, next| async move {
///     if call.method().name == "greet" && call.metadata().get("cached").is_some() {
///         return call.answer("hello again");
///     }
///     call.metadata_mut().insert("via", "cache");
///     next.run(call).await
/// });
/// let greeter = GreeterClient::new(Channel::builder().layer(known).in_process(GreeterServer::new(English)));
/// assert_eq!(greeter.greet("world").await?, "hello, world");
/// assert_eq!(greeter.greet("world").metadata("cached", "yes").await?, "hello again");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Request {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) service: ServiceName,
    pub(crate) codec: CodecKind,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: Metadata,
    pub(crate) body: Body,
    pub(crate) items: SharedItems,
    pub(crate) extensions: Extensions,
    pub(crate) destination: Arc<dyn Destination>,
}

/// Which end of a call somebody is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where it is made.
    Client,
    /// Where it is served.
    Server,
}

impl Request {
    /// Whether this is the caller's end or the handler's.
    pub fn side(&self) -> Side {
        self.destination.side()
    }

    /// What the macro says of the method.
    pub fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// The name that the service was registered under, by default the trait's.
    pub fn service(&self) -> &str {
        self.service.as_str()
    }

    /// The server's address, as a URI: the one that was dialled, or at the server the one it is bound to. Empty for a
    /// pipe that was handed to the server.
    pub fn server_address(&self) -> &str {
        self.destination.server_address()
    }

    /// The address of the other end, as a URI.
    pub fn peer(&self) -> &str {
        self.destination.peer()
    }

    /// What travels beside the arguments.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same, to be changed: at the client for the server, at the server for the handler.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// When the call ends, if it has a deadline. Layers and all attempts are within it.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time that is left; zero once the deadline has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The encoded arguments.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Puts another body in place of this one. The other side must undo what changes its bytes.
    pub fn map_body(&mut self, change: impl FnOnce(Body) -> Body) {
        self.body = change(std::mem::take(&mut self.body));
    }

    /// Whether the caller sends items beside the arguments.
    pub fn has_items(&self) -> bool {
        self.items.are_there()
    }

    /// Puts another body in place of each item that the caller sends: as it is sent, or as the handler takes it. The
    /// other side must undo what changes the bytes. At the client an item that is then longer than `max_message` fails
    /// the call with `RESOURCE_EXHAUSTED`. A panic of `change` is `INTERNAL`: at the client it fails the call, at the
    /// server it ends the handler's stream. Without items this does nothing.
    pub fn map_items(&mut self, change: impl FnMut(Body) -> Body + Send + 'static) {
        self.items.wrap(|items| Mapped::items(items, change));
    }

    /// Leaves a value for layers further in and, at the server, for the handler's
    /// [`Context::get`](crate::Context::get), in place of one of the same type. It does not travel.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.extensions.insert(value);
    }

    /// The value of this type that a layer left.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.extensions.get()
    }

    /// Answers the call with this value in place of the handler, encoded as a method that returns it would. A value of
    /// another type than the method's can not be decoded by the caller. A method that returns a stream has no value:
    /// `INTERNAL`.
    pub fn answer<T: Serialize + ?Sized>(&self, value: &T) -> Result<Response, Status> {
        if matches!(self.method.kind, MethodKind::ServerStreaming | MethodKind::Bidirectional) {
            return Err(Status::of_call(
                Code::Internal,
                "a layer answered with a value where the method returns a stream",
            ));
        }
        let mut body = buffer::take();
        self.codec.encode(value, &mut body).map_err(|error| {
            let text = format!("the answer can not be encoded as {}: {error}", self.codec.name());
            Status::of_call(Code::Internal, text)
        })?;
        Ok(Response::value(body.into()))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("side", &self.side())
            .field("service", &self.service())
            .field("method", &self.method.name)
            .field("peer", &self.peer())
            .field("remaining", &self.remaining())
            .field("metadata", &self.metadata)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

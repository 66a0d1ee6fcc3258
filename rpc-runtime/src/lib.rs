//! RPC from a plain Rust trait: `#[rpc_service]` makes a typed client and a server of it. This crate runs them, with
//! many calls at a time over one connection.
//!
//! ```
//! use rpc_runtime::prelude::*;
//!
//! #[rpc_service]
//! pub trait Greeter {
//!     /// Says hello.
//!     async fn greet(&self, name: &str) -> String;
//! }
//!
//! struct English;
//!
//! impl Greeter for English {
//!     async fn greet(&self, name: &str) -> String {
//!         format!("hello, {name}")
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Status> {
//!     let server = Server::builder().service(GreeterServer::new(English)).bind("tcp://127.0.0.1:0").await?;
//!     let (address, handle) = (server.local_address().to_owned(), server.handle());
//!     let serving = tokio::spawn(server.serve());
//!
//!     let greeter = GreeterClient::new(Channel::connect(&address).await?);
//!     assert_eq!(greeter.greet("world").await?, "hello, world");
//!
//!     handle.shut_down();
//!     drop(greeter);
//!     serving.await.expect("the server does not panic")?;
//!     Ok(())
//! }
//! ```
//!
//! The tour in `docs/tour.md` has ten steps from here to streams, middleware and tests, each with a program. Below is
//! where to find what:
//!
//! - [`rpc_service`]: what a trait may look like, and its options
//! - [`Server`] and [`ServerBuilder`]: offer services at an address; [`ServerHandle`] ends a server from elsewhere
//! - [`Channel`] and [`ChannelBuilder`]: a connection that typed clients share, and the services that it offers to its
//!   other end, whose handlers call back by [`Channel::caller`]
//! - [`Call`]: what a client's method returns; a future with options, which can be [started](Call::start)
//! - [`Status`], [`Code`] and [`CallError`]: how a call fails, and whether the method may have run
//! - [`Context`]: what a handler can ask about the call that it serves
//! - [`Limits`]: what one side of a connection allows
//! - [`Streaming`] and [`stream`]: streams of items within a call
//! - [`middleware`]: layers around calls, on both sides
//! - [`testing`]: a client and a server in one line of a test
//! - [`Stats`]: what a server or a channel has counted
//! - [`CodecKind`]: how values are written as bytes; [`Codec`]: one of your own
//!
//! # Features
//!
//! - `bincode`, on by default: the compact codec. Without it JSON is the default.
//! - `messagepack`, `postcard`: the codecs of these names. They stand beside the others, on both sides.

mod buffer;
mod call;
mod client;
mod codec;
mod connection;
pub mod descriptor;
mod limits;
mod metadata;
pub mod middleware;
mod router;
mod server;
mod status;
pub mod stream;
pub mod testing;
mod transport;
mod wire;

#[doc(hidden)]
pub mod __private;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;

pub mod prelude;

pub use call::Context;
pub use client::{Call, Channel, ChannelBuilder, Running, WithResponseMetadata};
pub use codec::{Codec, CodecError, CodecKind, DecodeValue, EncodeValue};
pub use connection::{Closed, ConnectionState, Refused, Stats};
pub use limits::Limits;
pub use metadata::Metadata;
pub use router::Service;
pub use rpc_macros::rpc_service;
pub use server::{Drained, Server, ServerBuilder, ServerHandle};
pub use status::{CallError, Code, Status};
pub use stream::Streaming;
pub use transport::{SharedWrite, Transport};

/// The program in the README is compiled and run with the documentation's examples.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So are those of the tour.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tour.md")]
struct Tour;

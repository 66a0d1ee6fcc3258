//! RPC from a plain Rust trait.

mod buffer;
mod call;
mod client;
mod codec;
mod connection;
pub mod descriptor;
mod limits;
mod metadata;
mod router;
mod server;
mod status;
mod transport;
mod wire;

#[doc(hidden)]
pub mod __private;

pub mod prelude;

pub use call::Context;
pub use client::{Call, Channel, ChannelBuilder, Failure, Running, WithResponseMetadata};
pub use codec::CodecKind;
pub use connection::ConnectionState;
pub use limits::Limits;
pub use metadata::Metadata;
pub use router::Service;
pub use rpc_macros::rpc_service;
pub use server::{Drained, Server, ServerBuilder, ServerHandle};
pub use status::{CallError, Code, Status};

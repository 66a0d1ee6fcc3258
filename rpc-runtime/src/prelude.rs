//! What a crate that defines, implements or calls a service usually names.

pub use futures_core::Stream;

pub use crate::{CallError, Channel, Code, CodecKind, Context, Limits, Server, Status, Streaming, rpc_service};

//! What a crate that defines, implements or calls a service usually names.

pub use crate::{CallError, Channel, Code, CodecKind, Context, Limits, Server, Status, rpc_service};

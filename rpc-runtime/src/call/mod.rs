//! The vocabulary of a call, shared by both sides: its context, its time, what is sent and what comes back.

mod context;
mod outgoing;
mod timeout;

pub use context::Context;
pub(crate) use context::{Ambient, Peer, Scene};
pub(crate) use outgoing::{Answer, Ending, OutgoingRequest, ServiceName};
pub(crate) use timeout::Timeout;

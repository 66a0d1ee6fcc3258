//! The vocabulary of a call, shared by both sides: its context, its time, what is sent and what comes back, and the
//! service that layers are put around.

mod body;
mod context;
mod extensions;
mod outgoing;
mod request;
mod response;
mod service;
mod timeout;

pub use body::Body;
pub use context::Context;
pub(crate) use context::{Ambient, Peer, Scene};
pub(crate) use extensions::Extensions;
pub(crate) use outgoing::{Answer, Ending, OutgoingRequest, ServiceName};
pub use request::{Request, Side};
pub use response::Response;
pub(crate) use service::{Attempts, Destination, Layers};
pub use service::{CallService, LayeredService, ResponseFuture};
pub(crate) use timeout::Timeout;

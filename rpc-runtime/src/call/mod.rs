//! The vocabulary of a call, shared by both sides: its context, its time, what is sent and what comes back, and the
//! service that layers are put around.

mod body;
mod context;
mod ended;
mod extensions;
mod failure;
mod items;
mod mapped;
mod outgoing;
mod outlet;
mod panicked;
mod reply;
mod request;
mod response;
mod service;
mod timeout;

pub use body::Body;
pub use context::Context;
pub(crate) use context::{Ambient, Peer, Scene};
pub(crate) use extensions::Extensions;
pub(crate) use failure::{DecodeFailure, undecodable};
pub(crate) use items::{Items, Pulled, SharedItems, Source, items_spent, longer_than};
pub(crate) use outgoing::{Answer, Ending, OutgoingRequest, Reception, ServiceName};
pub use outlet::Outlet;
pub(crate) use panicked::panicked;
pub use reply::Reply;
pub use request::{Request, Side};
pub use response::Response;
pub(crate) use service::{Attempts, Destination, Layers};
pub use service::{CallService, LayeredService, ResponseFuture};
pub(crate) use timeout::Timeout;

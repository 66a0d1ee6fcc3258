//! Streams of items within a call: what a client's method gives for a method that returns one, what a handler gets for
//! an argument that is one, and a channel for those who push. How they travel is not known here.

mod channel;
mod produced;
mod send_item;
mod streaming;

pub use channel::{Receiver, SendError, Sender, TrySendError, channel};
pub(crate) use produced::Produced;
pub use send_item::SendItem;
pub(crate) use streaming::Place;
pub use streaming::Streaming;

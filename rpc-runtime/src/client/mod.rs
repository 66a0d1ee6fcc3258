//! The calling side: the channel that typed clients share, and the call that their methods return.

mod builder;
mod call;
mod caller;
mod channel;
mod engine;
mod in_process;
mod layered;
mod local_items;
mod offered;
mod outcome;
mod typed;

pub use builder::ChannelBuilder;
pub use call::{Call, Running, WithResponseMetadata};
pub use channel::Channel;
pub use typed::Client;

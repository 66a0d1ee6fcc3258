//! Peers that break, stall, lie or leave: what a fault costs, and that everybody else is served on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod answers;
mod bodies;
mod flips;
mod frames;
mod handshake;
mod handshake_dialling;
mod log;
pub(crate) mod probe;
pub(crate) mod raw;

//! Peers that break, stall, lie or leave: what a fault costs, and that everybody else is served on.

mod answers;
mod bodies;
mod flips;
mod frames;
mod handshake;
mod handshake_dialling;
mod log;
pub(crate) mod probe;
pub(crate) mod raw;

//! What must be survived: faults of peers, transports, arguments and handlers, case by case. What a fault costs, and
//! that everybody else is served on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod a01_a20_calls;
mod a01_a20_cancel;
mod a01_a20_close;
mod a01_a20_desk;
mod a01_a20_errors;
mod a01_a20_lost;
mod a01_a20_queue;
mod a01_a20_stalled;
mod a01_a20_strange;
mod a01_a20_writes;
mod answers;
mod bodies;
mod flips;
mod frames;
mod handshake;
mod handshake_dialling;
mod log;
mod peer_a;
pub(crate) mod probe;
pub(crate) mod raw;
mod seven_endings;

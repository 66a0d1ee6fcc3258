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
mod a21_a38_closing;
mod a21_a38_ends;
mod a21_a38_flow;
mod a21_a38_handlers;
mod a21_a38_limits;
mod a21_a38_nested;
mod a21_a38_service;
mod a21_a38_values;
mod answers;
mod bodies;
mod budget;
mod counted;
mod crumbs;
mod descriptors;
mod drift;
mod flips;
mod floods;
mod frames;
mod frames_at_client;
mod frames_at_server;
mod handshake;
mod handshake_dialling;
pub(crate) mod log;
mod network;
mod overload;
mod peer_a;
pub(crate) mod peer_b;
pub(crate) mod probe;
pub(crate) mod raw;
mod serving;
mod seven_endings;
mod two_runtimes;

//! PROTOCOL.md against the implementation: its sessions played, a peer in another language, and peers that speak
//! something else altogether.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod arith;
mod calls;
mod document;
mod edges;
mod foreign;
mod matching;
mod player;
mod python;
mod sessions;
mod stream_edges;

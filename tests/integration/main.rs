//! What crosses crates: one binary for all integration tests.

mod arith;
mod callbacks;
mod client_and_server;
mod codecs;
mod compile_fail;
mod evolution;
mod faults;
mod limits;
mod macros;
mod middleware;
mod protocol;
mod quickstart;
mod services;
mod shutdown;
mod streams;
mod tidy;

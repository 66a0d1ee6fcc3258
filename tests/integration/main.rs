//! What crosses crates: one binary for all integration tests.

mod client_and_server;
mod compile_fail;
mod faults;
mod macros;
mod tidy;

//! What crosses crates: one binary for all integration tests.

mod compile_fail;
mod faults;
mod macros;
mod shutdown;
mod tidy;

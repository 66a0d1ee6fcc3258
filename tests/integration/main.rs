//! What crosses crates: one binary for all integration tests.

mod arith;
mod compile_fail;
mod evolution;
mod faults;
mod macros;
mod tidy;

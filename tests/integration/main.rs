//! What crosses crates: one binary for all integration tests.

mod tidy;

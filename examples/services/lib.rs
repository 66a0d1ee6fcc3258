//! The services of the examples `key_value`, `job_queue` and `presence`: each as a program would have it.

pub mod job_queue;
pub mod key_value;
pub mod presence;

/// The programs in docs/testing.md are compiled and run with the documentation's examples.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

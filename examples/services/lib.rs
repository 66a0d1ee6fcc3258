//! The services of the examples `key_value`, `job_queue` and `presence`: each as it would stand in a program of its own.

pub mod job_queue;
pub mod key_value;
pub mod presence;

//! Clients and servers of the real runtime in one thread, in virtual time, over a network that fails as a seed has it.

mod observer;

fn main() {}

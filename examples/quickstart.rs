//! Placeholder until the runtime can carry it.

fn main() {}

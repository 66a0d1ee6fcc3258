//! The server of the arith example.

fn main() {}

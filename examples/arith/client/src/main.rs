//! The client of the arith example.

fn main() {}

//! What decoding reserves ahead of the bytes that came.

fn main() {}

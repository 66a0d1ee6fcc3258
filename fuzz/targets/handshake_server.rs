//! Any bytes into a server, from the first on.

#![no_main]

use fuzz::server;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| server::handshake(input));

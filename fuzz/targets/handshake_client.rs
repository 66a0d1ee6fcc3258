//! Any bytes into a client that has sent its Hello.

#![no_main]

use fuzz::client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| client::welcome(input));

//! Any body into every codec and many types.

#![no_main]

use fuzz::values;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| values::decode_any(input));

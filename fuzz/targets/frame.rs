//! Bytes to frames and back, and the items in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rpc_runtime::fuzzing;

fuzz_target!(|input: &[u8]| {
    fuzzing::frames_come_back(input, 16_384);
    fuzzing::items_come_back(input);
});

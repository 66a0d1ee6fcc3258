//! Bytes to headers of every kind and back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rpc_runtime::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::headers_come_back(input));

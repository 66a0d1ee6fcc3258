//! Arbitrary frames behind a good handshake, into a server.

#![no_main]

use fuzz::{frames, server};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: frames::Script<'_>| server::frames(&script));

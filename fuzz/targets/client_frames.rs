//! Arbitrary frames behind a good handshake, into a client with calls pending.

#![no_main]

use fuzz::client;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|dialogue: client::Dialogue<'_>| client::dialogue(&dialogue));

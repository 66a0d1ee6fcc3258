//! A good session with flips, cuts and copies at arbitrary places, into either side.

#![no_main]

use fuzz::session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|damage: session::Damage| session::replay(&damage));

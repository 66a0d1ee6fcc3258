//! Finding calls by their ids, which a peer chooses.

use std::hash::Hasher;

/// Spreads ids well enough: a table never has more than `in_flight` of them.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Multiplied by 2^64 over the golden ratio (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
        self.0 = (self.0 ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

//! All that a run did, as one number: two runs of a seed are the same if their traces are.

use std::hash::{DefaultHasher, Hasher};

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    /// Tell each event on standard error.
    pub(crate) verbose: bool,
}

impl Trace {
    /// Something happened at `at`.
    pub(crate) fn note(&mut self, at: u64, what: &str, numbers: &[u64], bytes: &[u8]) {
        self.hasher.write_u64(at);
        self.hasher.write(what.as_bytes());
        for &number in numbers {
            self.hasher.write_u64(number);
        }
        self.hasher.write_usize(bytes.len());
        self.hasher.write(bytes);
        if self.verbose {
            eprintln!("{:>9.3} ms {what} {numbers:?} {} bytes {}", at as f64 / 1e3, bytes.len(), excerpt(bytes));
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

fn excerpt(bytes: &[u8]) -> String {
    bytes.iter().take(48).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
}

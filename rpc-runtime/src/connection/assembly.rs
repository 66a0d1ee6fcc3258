//! A message that comes in parts: bounded by the length it announced, in memory that grows with what has come.

use tokio::time::Instant;

/// The parts so far.
#[derive(Debug)]
pub(super) struct Assembly {
    total: usize,
    body: Vec<u8>,
    touched: Instant,
}

impl Assembly {
    /// Begins with the first part of `total` bytes, which the caller has found acceptable.
    pub(super) fn new(total: usize, first: &[u8], now: Instant) -> Self {
        Self { total, body: first.to_vec(), touched: now }
    }

    /// When the last part came.
    pub(super) fn touched(&self) -> Instant {
        self.touched
    }

    /// How many bytes have come.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// How many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        self.body.capacity()
    }

    /// Adds a part; gives the whole message with the last one.
    pub(super) fn add(&mut self, part: &[u8], more: bool, now: Instant) -> Result<Option<Vec<u8>>, String> {
        self.touched = now;
        let length = self.body.len() + part.len();
        let total = self.total;
        if length > total || (!more && length != total) {
            return Err(format!("the parts of a message have {length} bytes, it announced {total}"));
        }
        if part.is_empty() && more {
            return Err("an empty part of a message".to_owned());
        }
        if length > self.body.capacity() {
            // At most twice what has come, and never more than what was announced.
            self.body.reserve_exact((2 * length).min(total) - self.body.len());
        }
        self.body.extend_from_slice(part);
        Ok((!more).then(|| std::mem::take(&mut self.body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_bytes_that_came_and_not_the_announcement() {
        let now = Instant::now();
        let mut assembly = Assembly::new(1 << 30, &[0; 1_000], now);
        assert_eq!(assembly.add(&[0; 1_000], true, now), Ok(None));
        assert!(assembly.body.capacity() <= 4_000);
    }

    #[test]
    fn parts_that_do_not_add_up_are_an_error() {
        let now = Instant::now();
        assert!(Assembly::new(4, b"ab", now).add(b"cde", true, now).is_err());
        assert!(Assembly::new(4, b"ab", now).add(b"c", false, now).is_err());
        assert!(Assembly::new(4, b"ab", now).add(b"", true, now).is_err());
        assert_eq!(Assembly::new(4, b"ab", now).add(b"cd", false, now), Ok(Some(b"abcd".to_vec())));
    }
}

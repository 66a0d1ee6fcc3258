//! Byte buffers that are used again: a few per thread, so that a call of small messages allocates none.

use std::cell::RefCell;

/// How many buffers a thread keeps.
const KEPT: usize = 1_024;
/// A buffer larger than this is freed, not kept: at most 4 MiB a thread.
const LARGEST: usize = 4_096;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, with the capacity of an earlier use where there is one.
pub(crate) fn take() -> Vec<u8> {
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Keeps a buffer for the next [`take`] on this thread.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if (1..=LARGEST).contains(&buffer.capacity()) {
        buffer.clear();
        // While the thread ends there is no list any more: the buffer is simply dropped.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < KEPT {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_buffer_comes_back_empty_and_a_large_one_does_not() {
        let mut small = take();
        small.extend_from_slice(&[1; 100]);
        let capacity = small.capacity();
        give(small);
        let again = take();
        assert_eq!((again.len(), again.capacity()), (0, capacity));
        give(Vec::with_capacity(LARGEST + 1));
        assert_eq!(take().capacity(), 0);
    }
}

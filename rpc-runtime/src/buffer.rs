//! Byte buffers that are used again: small ones per thread, so that a call of small messages allocates none, and some
//! large ones for all, since those of streams are filled by one thread and emptied by another.

use std::{
    cell::RefCell,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many buffers a thread keeps.
const KEPT: usize = 1_024;
/// A buffer larger than this is freed, not kept: at most 4 MiB a thread.
const LARGEST: usize = 4_096;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// How many large buffers there are for all threads: at most 4 MiB.
const LARGE_KEPT: usize = 32;
/// What is a large buffer: about a frame's body. Between small and large it is freed.
const LARGE: std::ops::RangeInclusive<usize> = 32 * 1_024..=128 * 1_024;

static LARGE_SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer, with the capacity of an earlier use where there is one.
pub(crate) fn take() -> Vec<u8> {
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// An empty buffer for so many bytes.
pub(crate) fn take_for(bytes: usize) -> Vec<u8> {
    match bytes {
        0..=LARGEST => take(),
        _ if LARGE.contains(&bytes) => {
            let mut buffer = large_spare().pop().unwrap_or_default();
            buffer.reserve(bytes);
            buffer
        }
        _ => Vec::with_capacity(bytes),
    }
}

/// Whether a buffer of so many bytes is kept for a next use.
pub(crate) fn is_kept(bytes: usize) -> bool {
    bytes <= *LARGE.end()
}

fn large_spare() -> MutexGuard<'static, Vec<Vec<u8>>> {
    LARGE_SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a buffer for the next [`take`] on this thread, or a large one for the next [`take_for`] on any.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if LARGE.contains(&buffer.capacity()) {
        buffer.clear();
        let mut spare = large_spare();
        if spare.len() < LARGE_KEPT {
            spare.push(buffer);
        }
        return;
    }
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

/// Bytes that are handed on by ownership, in a buffer that is used again.
pub(crate) struct Reused(pub(crate) Vec<u8>);

impl AsRef<[u8]> for Reused {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Reused {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.0));
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

    #[test]
    fn a_large_buffer_comes_back_empty_to_another_thread() {
        let mut large = take_for(64 * 1_024);
        large.extend_from_slice(&[1; 70_000]);
        let pointer = large.as_ptr() as usize;
        drop(Reused(large));
        let again = std::thread::spawn(|| take_for(60_000)).join().expect("it does not panic");
        assert_eq!((again.len(), again.as_ptr() as usize), (0, pointer));
    }
}

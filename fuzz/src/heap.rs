//! What this program holds on the heap: how much a piece of code reserved at most, and whether what is held grows with
//! the number of inputs.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// How often what is held is looked at, in inputs.
const LOOK: usize = 4_096;
/// So much may be held more than after the first look: the runtime keeps up to 8 MiB of buffers for later.
const KEPT: usize = 16 << 20;

static INPUTS: AtomicUsize = AtomicUsize::new(0);
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// How many bytes `work` had on the heap at a time, beside what was there before.
pub(crate) fn most_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let done = work();
    (done, HEAP.peak_usage().saturating_sub(before))
}

/// One more input is done with: nothing of it may be left. Told late, but a leak of 100 bytes for each input is found
/// within 200,000.
pub(crate) fn is_flat() {
    if INPUTS.fetch_add(1, Relaxed) % LOOK != LOOK - 1 {
        return;
    }
    // The runtime's watchdog looks every 10 ms at what it watches, and lets go what has ended.
    thread::sleep(Duration::from_millis(50));
    let now = HEAP.current_usage();
    let first = match FIRST.compare_exchange(0, now, Relaxed, Relaxed) {
        Ok(_) => now,
        Err(first) => first,
    };
    assert!(now <= first + KEPT, "{now} bytes are held, there were {first} once");
}

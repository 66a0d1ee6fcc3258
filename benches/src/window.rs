//! The span of time in which calls and items count, shared by everyone who makes some, and what each of them counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

use crate::subject::{Row, Work};

const WARMING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// Items between two looks at the window.
const ITEMS_A_LOOK: u64 = 16;

/// A call every 10 µs for the longest window, 60 s; more are not recorded, so that recording never allocates.
const MAX_LATENCIES: usize = 6_000_000;

/// Warming up, then open, then closed.
pub struct Window {
    phase: AtomicU8,
    row: &'static Row,
}

impl Window {
    /// Begins warming up.
    pub fn new(row: &'static Row) -> Arc<Self> {
        Arc::new(Self { phase: AtomicU8::new(WARMING), row })
    }

    /// What to do.
    pub fn work(&self) -> Work {
        self.row.work
    }

    /// How many calls or streams to keep under way.
    pub fn outstanding(&self) -> usize {
        self.row.outstanding
    }

    /// From now on, what completes counts.
    pub fn open(&self) {
        self.phase.store(OPEN, Ordering::Relaxed);
    }

    /// From now on, nothing counts, and nobody is to begin any more.
    pub fn close(&self) {
        self.phase.store(CLOSED, Ordering::Relaxed);
    }

    /// A count of one's own.
    pub fn tally(self: &Arc<Self>) -> Tally {
        // A clock read per call is nothing beside a lone call's round trip, and a burden on every other row.
        let latencies = self.row.has_latency().then(|| Vec::with_capacity(MAX_LATENCIES));
        Tally { window: Arc::clone(self), count: 0, uncounted: 0, latencies }
    }
}

/// What one caller or stream counted.
pub struct Tally {
    window: Arc<Window>,
    count: u64,
    uncounted: u64,
    latencies: Option<Vec<u32>>,
}

impl Tally {
    /// Whether to go on.
    pub fn running(&self) -> bool {
        self.window.phase.load(Ordering::Relaxed) != CLOSED
    }

    /// When a call begins, if latencies are recorded.
    pub fn clock(&self) -> Option<Instant> {
        self.latencies.as_ref().map(|_| Instant::now())
    }

    /// Counts what completed just now, and the time they took if it is recorded.
    pub fn completed(&mut self, started: Option<Instant>, completed: u64) {
        if self.window.phase.load(Ordering::Relaxed) != OPEN {
            return;
        }
        self.count += completed;
        if let (Some(started), Some(latencies)) = (started, &mut self.latencies) {
            if latencies.len() < latencies.capacity() {
                latencies.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
        }
    }

    /// Counts an item of a stream, and says whether to go on. Looks at the window only now and then, because a look at
    /// each item would be a good part of what it costs.
    #[inline]
    pub fn item(&mut self) -> bool {
        self.uncounted += 1;
        self.uncounted < ITEMS_A_LOOK || {
            self.uncounted = 0;
            self.completed(None, ITEMS_A_LOOK);
            self.running()
        }
    }

    /// What completed in the window.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long each took, in nanoseconds; empty if it was not recorded.
    pub fn into_latencies(self) -> Vec<u32> {
        self.latencies.unwrap_or_default()
    }
}

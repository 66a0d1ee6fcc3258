//! The span of time in which calls count, shared by everyone who makes some, and what each of them counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

const WARMING: u8 = 0;
const OPEN: u8 = 1;
const CLOSED: u8 = 2;

/// A call every 10 µs for the longest window, 60 s; more are not recorded, so that recording never allocates.
const MAX_LATENCIES: usize = 6_000_000;

/// Warming up, then open, then closed.
pub struct Window {
    phase: AtomicU8,
    outstanding: usize,
}

impl Window {
    /// Begins warming up.
    pub fn new(outstanding: usize) -> Arc<Self> {
        Arc::new(Self { phase: AtomicU8::new(WARMING), outstanding })
    }

    /// Calls to keep under way.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// From now on, calls that complete count.
    pub fn open(&self) {
        self.phase.store(OPEN, Ordering::Relaxed);
    }

    /// From now on, none counts, and nobody is to make any.
    pub fn close(&self) {
        self.phase.store(CLOSED, Ordering::Relaxed);
    }

    /// A count of one's own.
    pub fn tally(self: &Arc<Self>) -> Tally {
        // A clock read per call is nothing beside a lone call's round trip, and a burden on every other row.
        let latencies = (self.outstanding == 1).then(|| Vec::with_capacity(MAX_LATENCIES));
        Tally { window: Arc::clone(self), calls: 0, latencies }
    }
}

/// What one caller counted.
pub struct Tally {
    window: Arc<Window>,
    calls: u64,
    latencies: Option<Vec<u32>>,
}

impl Tally {
    /// Whether to go on calling.
    pub fn running(&self) -> bool {
        self.window.phase.load(Ordering::Relaxed) != CLOSED
    }

    /// When a call begins, if latencies are recorded.
    pub fn clock(&self) -> Option<Instant> {
        self.latencies.as_ref().map(|_| Instant::now())
    }

    /// Counts calls that completed just now, and the time they took if it is recorded.
    pub fn completed(&mut self, started: Option<Instant>, calls: u64) {
        if self.window.phase.load(Ordering::Relaxed) != OPEN {
            return;
        }
        self.calls += calls;
        if let (Some(started), Some(latencies)) = (started, &mut self.latencies) {
            if latencies.len() < latencies.capacity() {
                latencies.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
            }
        }
    }

    /// Calls that completed in the window.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// How long each took, in nanoseconds; empty if it was not recorded.
    pub fn into_latencies(self) -> Vec<u32> {
        self.latencies.unwrap_or_default()
    }
}

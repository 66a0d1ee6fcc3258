//! The hand-over between threads, stepped through many interleavings by shuttle: at each lock, flag and wait, the
//! checker chooses who goes on. A thread or task that nobody will wake any more is a deadlock, which it reports, and a
//! schedule that fails can be replayed. Time stands still unless a test lets it pass: no timer mends a lost wake-up.

mod calls;
mod ends;
mod flows;
mod output;
mod pipe;
mod places;
mod streams;
mod world;

use std::{cell::Cell, future::Future, sync::Arc, time::Duration};

use shuttle::{
    Config, Runner,
    future::JoinHandle,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};
use tokio::runtime::Runtime;

/// In the place of tokio's handle: spawns in the execution that is under way.
#[derive(Clone)]
pub(in crate::connection) struct Handle;

impl Handle {
    pub(in crate::connection) fn current() -> Self {
        Self
    }

    pub(in crate::connection) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        shuttle::future::spawn(future)
    }

    pub(in crate::connection) fn metrics(&self) -> Self {
        Self
    }

    pub(in crate::connection) fn num_workers(&self) -> usize {
        2
    }
}

/// Runs `test` under so many schedules of either kind: chosen by lot at each step, and with a few changes of priority,
/// which finds what needs one thread to be much slower than the others.
fn check(schedules: usize, test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    let more: usize = std::env::var("INTERLEAVINGS").map_or(1, |factor| factor.parse().unwrap());
    for seed in 0..more as u64 {
        run(RandomScheduler::new_from_seed(seed, schedules), &test);
        run(PctScheduler::new_from_seed(seed, 3, schedules), &test);
    }
}

fn run(scheduler: impl Scheduler + 'static, test: &Arc<impl Fn() + Send + Sync + 'static>) {
    // For the clocks of driver and flusher.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    // Left as it is at the end: it knows wakers of tasks that are no more.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    let _entered = runtime.enter();
    CLOCK.set(Some(runtime));
    let mut config = Config::new();
    config.silence_warnings = true;
    config.stack_size = 1 << 20;
    let test = Arc::clone(test);
    Runner::new(scheduler, config).run(move || test());
}

thread_local! {
    static CLOCK: Cell<Option<&'static Runtime>> = const { Cell::new(None) };
}

/// Lets time pass, and wakes whoever waited for it.
fn pass(time: Duration) {
    CLOCK.get().unwrap().block_on(tokio::time::advance(time));
}

/// Chooses between 0 and `most`; the choice belongs to the schedule.
fn up_to(most: usize) -> usize {
    thread_rng().gen_range(0..=most)
}

fn one_in(chances: u32) -> bool {
    thread_rng().gen_range(0..chances) == 0
}

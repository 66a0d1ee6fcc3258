//! A host: a runtime of its own in virtual time, which goes on only when it is told to. It may be stopped, crash
//! between any two steps of its tasks, and start again.

use std::time::Duration;

use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinHandle, yield_now},
    time::{Instant, advance, sleep_until},
};

pub(crate) struct Host {
    runtime: Runtime,
    began: Instant,
    /// How far its clock is.
    clock: Duration,
    /// What runs on it.
    pub(crate) main: Option<JoinHandle<()>>,
}

impl Host {
    pub(crate) fn new() -> Result<Self, String> {
        let built = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = built.map_err(|error| format!("no runtime: {error}"))?;
        let began = runtime.block_on(async { Instant::now() });
        Ok(Self { runtime, began, clock: Duration::ZERO, main: None })
    }

    /// Starts what runs on it.
    pub(crate) fn start(&mut self, main: impl Future<Output = ()> + Send + 'static) {
        self.main = Some(self.runtime.spawn(main));
    }

    /// Lets its time go on, and all that is to happen in it happen.
    pub(crate) fn step(&mut self, by: Duration) {
        self.clock += by;
        let until = self.began + self.clock;
        self.runtime.block_on(async { sleep_until(until).await });
    }

    /// Its clock is later at once.
    pub(crate) fn leap(&mut self, by: Duration) {
        self.clock += by;
        self.runtime.block_on(advance(by));
    }

    pub(crate) fn is_done(&self) -> bool {
        self.main.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Tasks that have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Ends everything on it, after a few more steps of its tasks: so it may happen in the middle of anything.
    pub(crate) fn crash(self, steps: u8) {
        self.runtime.block_on(async {
            for _ in 0..steps {
                yield_now().await;
            }
        });
        drop(self.runtime);
    }
}

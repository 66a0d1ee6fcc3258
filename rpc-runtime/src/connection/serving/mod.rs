//! The peer's calls, from their request to their terminal frame. The driver admits requests to a table, and a runner,
//! a task of its own, polls quick handlers and spawns tasks for the others: no handler ever holds up the reader.

mod admission;
mod queue;
mod runner;
mod slots;
mod table;
mod task;
#[cfg(not(all(test, shuttle)))]
mod watchdog;
#[cfg(all(test, shuttle))]
#[path = "../tests/interleavings/watchdog.rs"]
mod watchdog;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::Waker,
};

pub(super) use admission::{Admission, Verdict};
use table::{Served, Stage, Stopped, Table};
use tokio::time::Instant;

use super::{
    endpoint::Endpoint,
    frames::Frames,
    shared::{Request, Shared, wake},
    stats::{Reason, Stats, Sums},
    streams::Key,
    sync::{Handle, Mutex, MutexGuard},
};
use crate::{
    call::Reply,
    metadata::Metadata,
    router::{Finished, Route, Running},
    status::{Code, Status},
};

/// What the driver, the runners and the handler tasks of a connection share. Its lock is never held together with
/// that of [`Shared`], and neither while a handler is made, polled or dropped.
pub(super) struct Serving {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoint: Arc<Endpoint>,
    table: Mutex<Table>,
    /// Whether another worker can go on while a handler holds one up.
    several_workers: bool,
    pub(super) runtime: Handle,
}

impl Serving {
    pub(super) fn new(shared: Arc<Shared>, endpoint: Arc<Endpoint>) -> Arc<Self> {
        let runtime = Handle::current();
        let several_workers = runtime.metrics().num_workers() > 1;
        let table = Mutex::new(Table::new(&shared.local));
        Arc::new(Self { shared, endpoint, table, several_workers, runtime })
    }

    /// Starts the task that polls handlers. It ends with [`close`](Self::close).
    pub(super) fn start(self: &Arc<Self>) {
        runner::spawn(self, 0);
    }

    /// How many calls are here: those admitted, and terminal frames that were not handed over.
    pub(super) fn open(&self) -> u32 {
        let table = self.lock();
        table.calls.len() as u32 + table.replied
    }

    /// Whether every call has its terminal frame, and all of those were handed over.
    pub(super) fn is_empty(&self) -> bool {
        let table = self.lock();
        table.calls.is_empty() && table.replies.is_empty()
    }

    /// Adds what there is on this connection to a snapshot, and gives what there was.
    pub(super) fn count_into(&self, stats: &mut Stats) -> Sums {
        let table = self.lock();
        let (running, abandoned) = table.at_work();
        stats.served_in_flight += table.calls.len();
        stats.running += running;
        stats.handlers_abandoned += abandoned;
        let served = table.admitted();
        drop(table);
        stats.served_in_flight += self.shared.account.assembling.load(Relaxed) as usize;
        let state = self.shared.lock();
        stats.calls_in_flight += state.calls.in_flight() as usize;
        stats.calls_waiting += state.calls.waiting();
        stats.calls_abandoned += state.calls.abandoned();
        Sums { calls: state.calls.sent(), served, late: state.calls.late() }
    }

    /// Closes the connection, which holds most of a memory that is used up.
    pub(super) fn evict(&self) {
        self.shared.request(Request::Evict);
    }

    /// Counts a refusal.
    pub(super) fn count(&self, reason: Reason) {
        self.endpoint.accounts.counts.refused(reason);
    }

    /// When the first call's time is over.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.lock().earliest
    }

    /// Lets a runner go on that found too much unsent to start anything, if there is room again.
    pub(super) fn look_at_output(&self) {
        if self.shared.is_choked() {
            return;
        }
        let mut table = self.lock();
        let runner = if std::mem::take(&mut table.choked) { table.runner.take() } else { None };
        drop(table);
        wake(runner);
    }

    /// Replaces the runner if it has been in one poll since the last look: the handler that holds it up loses its
    /// trust, the others go on. `false` when there has been nothing to look at since the last look.
    fn look(self: &Arc<Self>) -> bool {
        let (stuck, at_work) = self.lock().look();
        if let Some((route, epoch)) = stuck {
            route.trust.lose(self.endpoint.router.now_ms(Instant::now()));
            tracing::debug!("a handler of {} holds up its connection's runner", route.descriptor.full_name);
            runner::spawn(self, epoch);
        }
        at_work
    }

    /// The caller of this call has gone.
    pub(super) fn cancel(&self, id: u64, why: &Status) {
        let stopped = self.lock().stop(id, why);
        self.after_stop(id, stopped, why);
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&self, now: Instant, why: &Status) {
        let due = self.lock().due(now);
        for id in due {
            self.cancel(id, why);
        }
    }

    /// Ends all calls; each gets its terminal frame.
    pub(super) fn cancel_all(&self, why: &Status) {
        let ids = self.lock().ids();
        for id in ids {
            self.cancel(id, why);
        }
    }

    /// The connection is over: handlers are dropped, the runner ends.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        let left = table.close();
        table.tell(&self.shared.account);
        drop(table);
        left.wake_and_drop();
    }

    /// The terminal frame of a call that never got a handler.
    pub(super) fn refuse(&self, id: u64, bytes: usize, status: Status) {
        let mut table = self.lock();
        // Charged and given back in one.
        table.window_used += bytes as u64;
        table.give_back_window(bytes);
        self.push_status(&mut table, id, status);
    }

    /// A place among the running is free.
    fn hand_on(&self) {
        let runner = self.lock().runner.take();
        wake(runner);
    }

    /// A handler in a task of its own is done, and has really stopped.
    fn finish_task(
        &self,
        id: u64,
        route: &Route,
        streams: Option<Key>,
        finished: impl FnOnce(Option<Status>) -> Finished,
    ) {
        let mut table = self.lock();
        let why = table.remove(id);
        drop(table);
        let finished = finished(why);
        self.shared.reply(id, streams, route.descriptor.full_name, finished);
        // Only now, when the reply is counted: there may be too much unsent to start another handler.
        self.hand_on();
    }

    /// Hands over the terminal frames that are ready, and writes what the transport takes at once.
    pub(super) fn flush(&self) {
        let mut table = self.lock();
        table.tell(&self.shared.account);
        if table.replies.is_empty() {
            return;
        }
        let mut frames = std::mem::take(&mut table.replies);
        let replied = std::mem::take(&mut table.replied);
        drop(table);
        self.shared.hand_over(&mut frames, replied);
        let mut table = self.lock();
        if table.replies.is_empty() {
            // For its memory.
            table.replies = frames;
        }
    }

    /// Frees what an idle connection does not need.
    pub(super) fn shrink(&self) {
        self.lock().shrink();
    }

    fn after_stop(&self, id: u64, stopped: Stopped, why: &Status) {
        match stopped {
            Stopped::No => {}
            // The task sends the terminal frame when it has ended, the runner when it has dropped the handler.
            Stopped::Task(abort) => abort.abort(),
            Stopped::Polling => {}
            Stopped::Waiting(incoming) => {
                let size = incoming.body.len();
                // Its streams are over before the caller learns of its end, and opens others.
                drop(incoming);
                let unsent = self.shared.lock().output.unsent();
                let mut table = self.lock();
                self.count(if why.code() == Code::DeadlineExceeded {
                    |refused| &mut refused.expired
                } else {
                    |refused| &mut refused.cancelled
                });
                table.give_back_window(size);
                let status = table.waited_too_long(why, unsent);
                self.push_status(&mut table, id, status.not_executed());
            }
            // A handler's drop is code of users: the runner's to run, and the watchdog's to look after.
            Stopped::Slot(waker) => waker.wake(),
        }
    }

    fn push_status(&self, table: &mut Table, id: u64, status: Status) {
        let finished = Finished { reply: Reply::Status(status), metadata: Metadata::new() };
        self.push_reply(table, id, "", finished);
    }

    fn push_reply(&self, table: &mut Table, id: u64, method: &str, finished: Finished) {
        if table.is_closed() {
            return;
        }
        table.replies.push_reply(id, method, finished, &self.shared.remote, self.shared.local.max_metadata);
        table.replied += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock panics by design; if something did, going on beats losing the connection.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of a table that was closed, to be dropped without its lock.
struct Left {
    served: Vec<Served>,
    runner: Option<Waker>,
    _handlers: Vec<Running>,
    _frames: Frames,
}

impl Left {
    fn wake_and_drop(self) {
        for served in &self.served {
            if let Stage::Task(abort) = &served.stage {
                abort.abort();
            }
        }
        wake(self.runner);
    }
}

//! The task that polls quick handlers one after the other, and gives the others tasks of their own. When a handler
//! holds it up, the watchdog puts another runner in its place, and this one leaves after that poll.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Serving,
    slots::Key,
    table::{Incoming, Step, Table},
    task, watchdog,
};
use crate::{
    call::Scene,
    connection::{shared::wake, sync::AbortHandle},
    router::{Finished, Route, Running, Start},
    status::{Code, Status},
};

/// A turn ends after this long, so that other tasks of the worker run.
const TURN: Duration = Duration::from_micros(200);
/// The first reply of a turn waits no longer than this for the others.
const FLUSH: Duration = Duration::from_micros(50);
/// A request above this size is decoded in a task, whatever trust its method has.
const LARGEST_INLINE: usize = 16 * 1_024;
/// Quick handlers may take half of this, as long as another worker could do the same work.
const SHARE_WINDOW: Duration = Duration::from_millis(10);
/// A poll below this counts as no time: what it takes is the engine's.
const NOTABLE: Duration = Duration::from_micros(5);

/// Puts a runner in charge.
pub(super) fn spawn(serving: &Arc<Serving>, epoch: u64) {
    let now = Instant::now();
    let runner = Runner {
        serving: Arc::clone(serving),
        epoch,
        now,
        first_reply_at: None,
        share_since: now,
        share: Duration::ZERO,
        handed_over: false,
    };
    serving.runtime.spawn(runner);
}

struct Runner {
    serving: Arc<Serving>,
    epoch: u64,
    /// The last look at the clock.
    now: Instant,
    first_reply_at: Option<Instant>,
    share_since: Instant,
    share: Duration,
    /// A handler was given a task in this turn.
    handed_over: bool,
}

/// A poll that is over, to be noted with the next look at the table.
enum Polled {
    Done(u64, Key, Arc<Route>, Finished),
    Waits(u64, Key, Running, Waker),
    /// The call was stopped and its handler dropped.
    Dropped(u64, Key),
}

/// What a note leaves to be done without the lock.
enum Noted {
    Nothing,
    Wake(Waker),
    /// See [`Step::Drop`].
    Drop(u64, Key, Running),
}

impl Future for Runner {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let began = Instant::now();
        this.now = began;
        let mut polled = None;
        let mut fresh = true;
        loop {
            let step = this.next(polled.take(), std::mem::take(&mut fresh), cx.waker());
            match step {
                Step::Over => {
                    this.serving.flush();
                    this.serving.hand_on();
                    return Poll::Ready(());
                }
                Step::Idle => {
                    this.flush();
                    this.rouse_another_worker(cx.waker());
                    return Poll::Pending;
                }
                Step::Poll(id, key, running) => polled = this.go_on(id, key, running),
                Step::Drop(id, key, running) => polled = Some(this.drop_handler(id, key, running)),
                Step::Start(id, incoming, deadline) => polled = this.start(id, incoming, deadline),
            }
            if this.is_flush_due(polled.is_some()) {
                this.note(polled.take());
                this.flush();
            }
            if this.now - began >= TURN {
                this.note(polled.take());
                this.flush();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

impl Runner {
    /// Takes note of the last poll and picks what comes next, under one lock.
    fn next(&self, polled: Option<Polled>, fresh: bool, waker: &Waker) -> Step {
        let (mut woken, mut old) = (false, (None, None));
        let mut table = self.serving.lock();
        let noted = polled.map_or(Noted::Nothing, |polled| self.note_under(&mut table, polled));
        // Under the table's lock: whoever makes room looks at the table after that.
        let choked = self.serving.shared.is_choked();
        // What many handlers return in one moment is held before anybody can weigh it.
        let tight = self.serving.shared.account.accounts().is_tight();
        let (parked, step) = match noted {
            Noted::Nothing => (None, table.next(self.epoch, fresh, choked, tight, self.now)),
            Noted::Wake(parked) => (Some(parked), table.next(self.epoch, fresh, choked, tight, self.now)),
            Noted::Drop(id, key, handler) => (None, Step::Drop(id, key, handler)),
        };
        let at_work = !matches!(step, Step::Idle | Step::Over);
        let unwatched = self.serving.several_workers && at_work && !std::mem::replace(&mut table.watched, true);
        if matches!(step, Step::Idle) {
            old.0 = table.runner.replace(waker.clone());
            (woken, old.1) = table.slots.ready.poll_woken(waker);
        }
        drop(table);
        drop(old);
        if unwatched {
            watchdog::watch(Arc::downgrade(&self.serving));
        }
        wake(parked);
        if woken {
            waker.wake_by_ref();
        }
        step
    }

    fn note(&mut self, polled: Option<Polled>) {
        let Some(polled) = polled else { return };
        let noted = self.note_under(&mut self.serving.lock(), polled);
        match noted {
            Noted::Nothing => {}
            Noted::Wake(waker) => waker.wake(),
            Noted::Drop(id, key, handler) => {
                let dropped = self.drop_handler(id, key, handler);
                self.note(Some(dropped));
            }
        }
    }

    fn note_under(&self, table: &mut Table, polled: Polled) -> Noted {
        match polled {
            Polled::Done(id, key, route, finished) => {
                table.done(id, key);
                self.serving.push_reply(table, id, route.descriptor.full_name, finished);
            }
            Polled::Dropped(id, key) => {
                let why = table.done(id, key).unwrap_or_else(cancelled);
                self.serving.push_status(table, id, why.executed_unknown());
            }
            Polled::Waits(id, key, running, waker) => match table.park(id, key, running) {
                Some(stopped) => return Noted::Drop(id, key, stopped),
                // Another runner may have looked for the handler while it was being polled here.
                None if table.is_replaced(self.epoch) => return Noted::Wake(waker),
                None => {}
            },
        }
        Noted::Nothing
    }

    /// Goes on with a handler that was woken: here, or in a task if its method has lost its trust.
    fn go_on(&mut self, id: u64, key: Key, running: Running) -> Option<Polled> {
        if running.route.runs_inline(self.serving.endpoint.router.now_ms(self.now)) {
            let waker = self.serving.lock().slots.waker(key);
            return Some(self.poll_handler(id, key, running, waker));
        }
        let mut table = self.serving.lock();
        let deadline = table.calls.get(&id).and_then(|served| served.deadline);
        let leaves = table.leaves_for_task(id, key);
        drop(table);
        if !leaves {
            return Some(self.drop_handler(id, key, running));
        }
        self.handed_over = true;
        let abort = task::spawn_running(&self.serving, id, running, deadline);
        self.task_is(id, abort);
        None
    }

    /// Drops a handler whose call was stopped, which takes as long as its locals like.
    fn drop_handler(&mut self, id: u64, key: Key, running: Running) -> Polled {
        let route = Arc::clone(&running.route);
        drop(running);
        self.look_at_clock(&route);
        Polled::Dropped(id, key)
    }

    fn start(&mut self, id: u64, mut incoming: Incoming, deadline: Option<Instant>) -> Option<Polled> {
        let (route, metadata) = (Arc::clone(&incoming.route), std::mem::take(&mut incoming.metadata));
        let scene = Scene::new(route.descriptor, Arc::clone(&self.serving.shared.peer), deadline, metadata);
        let now_ms = self.serving.endpoint.router.now_ms(self.now);
        if incoming.body.len() > LARGEST_INLINE || !route.runs_inline(now_ms) {
            self.start_task(id, incoming, scene, deadline);
            return None;
        }
        let body = incoming.body;
        let slot = self.serving.lock().poll_first(id, &route);
        let Some((key, waker)) = slot else {
            self.stopped_before_start(id);
            return None;
        };
        let (codec, max_item) = (self.serving.shared.codec, self.serving.shared.max_item());
        let started = Running::start(&route, Start { codec, body: &body, scene, items: None, max_item });
        crate::buffer::give(body);
        match started {
            Ok(running) => Some(self.poll_handler(id, key, running, waker)),
            Err(finished) => {
                self.look_at_clock(&route);
                Some(Polled::Done(id, key, route, finished.without_cause()))
            }
        }
    }

    fn start_task(&mut self, id: u64, incoming: Incoming, scene: Scene, deadline: Option<Instant>) {
        let begins = self.serving.lock().task_begins(id);
        if !begins {
            // Its streams are over before the caller learns of its end, and opens others.
            drop(incoming);
            self.stopped_before_start(id);
            return;
        }
        self.handed_over = true;
        let abort = task::spawn(&self.serving, id, incoming, scene, deadline);
        self.task_is(id, abort);
    }

    fn task_is(&self, id: u64, abort: AbortHandle) {
        let stopped = self.serving.lock().task_is(id, abort);
        if let Some(abort) = stopped {
            abort.abort();
        }
    }

    /// The task of a handler runs next on this worker, before which tokio wakes no other worker to look after input. If
    /// the handler blocks, nobody would; whoever yields is noticed.
    fn rouse_another_worker(&mut self, waker: &Waker) {
        if std::mem::take(&mut self.handed_over) && self.serving.several_workers {
            waker.wake_by_ref();
        }
    }

    fn stopped_before_start(&self, id: u64) {
        let mut table = self.serving.lock();
        let why = table.forget(id).unwrap_or_else(cancelled);
        self.serving.push_status(&mut table, id, why.not_executed());
    }

    fn poll_handler(&mut self, id: u64, key: Key, mut running: Running, waker: Waker) -> Polled {
        let polled = running.poll(&mut Context::from_waker(&waker));
        self.look_at_clock(&running.route);
        match polled {
            Poll::Pending => Polled::Waits(id, key, running, waker),
            Poll::Ready(finished) => Polled::Done(id, key, Arc::clone(&running.route), finished.without_cause()),
        }
    }

    /// A handler of `route` was at work since the last look at the clock.
    fn look_at_clock(&mut self, route: &Route) {
        let now = Instant::now();
        let took = now - self.now;
        self.now = now;
        let now_ms = self.serving.endpoint.router.now_ms(now);
        route.trust.polled(took, now_ms);
        if took >= NOTABLE {
            self.share += took;
        }
        let window = now - self.share_since;
        if window >= SHARE_WINDOW {
            if self.share > window / 2 && self.serving.several_workers {
                route.trust.lose(now_ms);
            }
            (self.share_since, self.share) = (now, Duration::ZERO);
        }
    }

    fn is_flush_due(&mut self, replied: bool) -> bool {
        match self.first_reply_at {
            Some(first) => self.now - first >= FLUSH,
            None => {
                self.first_reply_at = replied.then_some(self.now);
                false
            }
        }
    }

    fn flush(&mut self) {
        self.first_reply_at = None;
        self.serving.flush();
        // The time of the write is no handler's.
        self.now = Instant::now();
    }
}

fn cancelled() -> Status {
    Status::of_call(Code::Cancelled, "the call was cancelled")
}

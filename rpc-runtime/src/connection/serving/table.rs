//! The table of the peer's calls: who waits, who is polled by the runner, who has a task. Pure; what is user code,
//! such as a handler that is to be dropped, is handed out.

// Its tasks are tokio's, not shuttle's. In two attributes: clippy knows a module of tests by the first.
#[cfg(test)]
#[cfg(not(shuttle))]
mod tests;

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc, task::Waker};

use tokio::time::Instant;

use super::{
    Left,
    queue::{Entry, Queue},
    slots::{Key, Slots},
};
use crate::{
    connection::{
        accounts::{Account, Part, Told},
        consuming::Attached,
        frames::Frames,
        ids::IdHasher,
        sync::AbortHandle,
    },
    limits::Limits,
    metadata::Metadata,
    router::{Route, Running},
    status::{Code, Status},
    wire,
};

/// All calls of the peer that were admitted and have no terminal frame yet.
pub(super) struct Table {
    pub(super) calls: HashMap<u64, Served, BuildHasherDefault<IdHasher>>,
    /// Those that were not started; entries of calls that have ended are skipped.
    queue: Queue,
    /// Handlers of methods with streams.
    streaming: usize,
    arrivals: u64,
    /// Handlers that wait in a slot, are stuck in a poll, or have a task.
    running: usize,
    most_running: usize,
    most_unsent: usize,
    pub(super) slots: Slots,
    /// Which runner is in charge.
    epoch: u64,
    /// What it is polling.
    polling: Option<Polling>,
    polls: u64,
    /// `polls` at the last look.
    seen: u64,
    /// The watchdog looks.
    pub(super) watched: bool,
    pub(super) replies: Frames,
    /// How many terminal frames are among the replies.
    pub(super) replied: u32,
    /// A runner has started nothing more because too much is unsent, or held by all.
    pub(super) choked: bool,
    pub(super) earliest: Option<Instant>,
    /// Bytes of requests that the peer has sent and not got back.
    pub(super) window_used: u64,
    /// The memory of the requests that wait, and what was told of it.
    waiting: usize,
    told: Told,
    window_returned: u32,
    held_back: u32,
    pub(super) runner: Option<Waker>,
    closed: bool,
}

pub(super) struct Served {
    pub(super) deadline: Option<Instant>,
    /// Nobody wants it any more, for this reason.
    stopped: Option<Status>,
    streams: bool,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Waiting(Incoming, u64),
    /// In a slot of the runner, or being polled by it.
    Inline(Key),
    /// In a slot, being polled or being spawned; to be dropped by whoever has it, for this reason.
    Stopped(Status),
    Task(AbortHandle),
    /// Its task is being spawned.
    Starting,
}

/// A request that was admitted and not started.
pub(super) struct Incoming {
    pub(super) route: Arc<Route>,
    pub(super) metadata: Metadata,
    pub(super) body: Vec<u8>,
    /// Its streams, if its method has any.
    pub(super) streams: Option<Attached>,
}

impl Incoming {
    /// About how many bytes of memory it takes, with its place in the table.
    pub(super) fn held(&self) -> usize {
        size_of::<(u64, Served)>() + self.body.capacity() + self.metadata.held()
    }
}

struct Polling {
    id: u64,
    route: Arc<Route>,
}

/// What a call was doing when it was stopped.
pub(super) enum Stopped {
    /// It had ended.
    No,
    Waiting(Incoming),
    /// Its handler waits in a slot, and is dropped there by the runner, which this wakes.
    Slot(Waker),
    /// Whoever polls or spawns it sees to the rest.
    Polling,
    Task(AbortHandle),
}

/// What a runner does next.
pub(super) enum Step {
    /// Another runner is in charge, or the connection is over.
    Over,
    /// Nothing.
    Idle,
    /// Make a handler and poll it, if it is quick, or else give it a task.
    Start(u64, Incoming, Option<Instant>),
    /// Go on with a handler that was woken.
    Poll(u64, Key, Running),
    /// Drop a handler whose call was stopped. Counts as a poll until it is [`done`](Table::done).
    Drop(u64, Key, Running),
}

impl Table {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            calls: HashMap::default(),
            queue: Queue::default(),
            streaming: 0,
            arrivals: 0,
            running: 0,
            most_running: limits.running,
            most_unsent: limits.unsent_responses,
            slots: Slots::new(),
            epoch: 0,
            polling: None,
            polls: 0,
            seen: 0,
            watched: false,
            replies: Frames::default(),
            replied: 0,
            choked: false,
            earliest: None,
            window_used: 0,
            waiting: 0,
            told: Told::new(Part::Waiting),
            window_returned: 0,
            held_back: limits.held_back(),
            runner: None,
            closed: false,
        }
    }

    /// Takes a request in. Gives it back when a call with this id is here already.
    pub(super) fn admit(
        &mut self,
        id: u64,
        incoming: Incoming,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Option<Incoming> {
        let arrival = self.arrivals;
        if self.calls.contains_key(&id) {
            return Some(incoming);
        }
        self.waiting += incoming.held();
        let streams = incoming.streams.is_some();
        self.calls.insert(id, Served { deadline, stopped: None, streams, stage: Stage::Waiting(incoming, arrival) });
        self.arrivals += 1;
        if self.queue.len() > 2 * self.calls.len() + 64 {
            let calls = &self.calls;
            self.queue.retain(|entry| is_waiting(calls, entry));
        }
        if streams {
            self.queue.push_stream((id, arrival));
        } else {
            self.queue.push((id, arrival), deadline, now);
        }
        if let Some(deadline) = deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        }
        None
    }

    /// The next piece of work for the runner of this epoch. `fresh` when it begins a turn; nothing is started while
    /// the output is `choked`, and one handler after the other while memory is `tight`.
    pub(super) fn next(&mut self, epoch: u64, fresh: bool, choked: bool, tight: bool, now: Instant) -> Step {
        if self.closed || epoch != self.epoch {
            return Step::Over;
        }
        if fresh {
            self.slots.begin_turn();
        }
        if let Some((id, key, running)) = self.slots.next_woken() {
            self.poll_begins(id, &running.route);
            self.running -= 1;
            let stopped = !matches!(self.stage(id), Some(Stage::Inline(_)));
            return if stopped { Step::Drop(id, key, running) } else { Step::Poll(id, key, running) };
        }
        // The driver looks with its next turn whether that is over; else the runner hears of a handler's end.
        self.choked = choked || (tight && self.running > 0);
        let has_place = self.running < if tight { 1 } else { self.most_running };
        while let Some(entry) = if choked { None } else { self.queue.pop(has_place, now) } {
            if !is_waiting(&self.calls, &entry) {
                continue;
            }
            let Some(served) = self.calls.get_mut(&entry.0) else { continue };
            if let Stage::Waiting(incoming, _) = std::mem::replace(&mut served.stage, Stage::Starting) {
                let deadline = served.deadline;
                self.waiting -= incoming.held();
                self.give_back_window(incoming.body.len());
                return Step::Start(entry.0, incoming, deadline);
            }
        }
        Step::Idle
    }

    /// A handler is about to be polled by the runner: reserves its slot.
    pub(super) fn poll_first(&mut self, id: u64, route: &Arc<Route>) -> Option<(Key, Waker)> {
        let (key, waker) = self.slots.reserve();
        match self.calls.get_mut(&id) {
            Some(served) if matches!(served.stage, Stage::Starting) => served.stage = Stage::Inline(key),
            _ => {
                self.slots.release(key);
                return None;
            }
        }
        self.poll_begins(id, route);
        Some((key, waker))
    }

    /// A handler gets a task: it counts as running from now on. `false`: the call was stopped meanwhile.
    pub(super) fn task_begins(&mut self, id: u64) -> bool {
        let served = self.calls.get(&id).filter(|served| !matches!(served.stage, Stage::Stopped(_)));
        let streams = served.map(|served| served.streams);
        match streams {
            Some(true) => self.streaming += 1,
            Some(false) => self.running += 1,
            None => {}
        }
        streams.is_some()
    }

    /// Remembers how to end the task of a call. Gives it back to be ended now if the call was stopped meanwhile.
    pub(super) fn task_is(&mut self, id: u64, abort: AbortHandle) -> Option<AbortHandle> {
        let Some(served) = self.calls.get_mut(&id) else { return self.closed.then_some(abort) };
        match served.stage {
            Stage::Starting => {
                served.stage = Stage::Task(abort);
                None
            }
            Stage::Stopped(_) => {
                served.stage = Stage::Task(abort.clone());
                Some(abort)
            }
            // It has ended already, and this is another call with its id.
            Stage::Waiting(..) | Stage::Inline(_) | Stage::Task(_) => None,
        }
    }

    /// Whether another runner than that of this epoch is in charge.
    pub(super) fn is_replaced(&self, epoch: u64) -> bool {
        self.epoch != epoch
    }

    /// A handler that was taken out to be polled gets a task instead, and counts as running from now on. `false`: the
    /// call was stopped meanwhile, and the handler is to be dropped as for [`Step::Drop`].
    pub(super) fn leaves_for_task(&mut self, id: u64, key: Key) -> bool {
        let waits = matches!(self.stage(id), Some(Stage::Inline(_)));
        if let Some(served) = self.calls.get_mut(&id).filter(|_| waits) {
            served.stage = Stage::Starting;
            self.poll_ended(id);
            self.slots.release(key);
            self.running += 1;
        }
        waits
    }

    /// A poll is over and the handler waits. Gives it back if the call was stopped meanwhile, as [`Step::Drop`] does.
    pub(super) fn park(&mut self, id: u64, key: Key, handler: Running) -> Option<Running> {
        if !matches!(self.stage(id), Some(Stage::Inline(_))) {
            return Some(handler);
        }
        self.poll_ended(id);
        self.running += 1;
        self.slots.put(key, id, handler);
        None
    }

    /// A poll is over and the handler is no more: the call is forgotten. Gives the reason if it was stopped.
    pub(super) fn done(&mut self, id: u64, key: Key) -> Option<Status> {
        self.poll_ended(id);
        self.slots.release(key);
        self.forget(id)
    }

    /// The handler task of a call is done. Gives the reason if it was stopped.
    pub(super) fn remove(&mut self, id: u64) -> Option<Status> {
        let Some(served) = self.calls.remove(&id) else {
            self.running = self.running.saturating_sub(1);
            return None;
        };
        let places = if served.streams { &mut self.streaming } else { &mut self.running };
        *places = places.saturating_sub(1);
        served.stopped
    }

    /// Forgets a call whose terminal frame is on its way. Gives the reason if it was stopped.
    pub(super) fn forget(&mut self, id: u64) -> Option<Status> {
        match self.calls.remove(&id)?.stage {
            Stage::Stopped(why) => Some(why),
            _ => None,
        }
    }

    /// Ends a call early, as far as that can be done here.
    pub(super) fn stop(&mut self, id: u64, why: &Status) -> Stopped {
        let Some(served) = self.calls.get_mut(&id) else { return Stopped::No };
        served.deadline = None;
        served.stopped.get_or_insert_with(|| why.clone());
        match &served.stage {
            Stage::Waiting(..) => match self.calls.remove(&id).map(|served| served.stage) {
                Some(Stage::Waiting(incoming, _)) => {
                    self.waiting -= incoming.held();
                    Stopped::Waiting(incoming)
                }
                _ => Stopped::No,
            },
            Stage::Inline(key) => {
                let waiting = self.slots.is_waiting(*key).then(|| self.slots.waker(*key));
                served.stage = Stage::Stopped(why.clone());
                waiting.map_or(Stopped::Polling, Stopped::Slot)
            }
            Stage::Starting => {
                served.stage = Stage::Stopped(why.clone());
                Stopped::Polling
            }
            Stage::Stopped(_) => Stopped::Polling,
            Stage::Task(abort) => Stopped::Task(abort.clone()),
        }
    }

    /// The calls whose time is over; finds the next deadline.
    pub(super) fn due(&mut self, now: Instant) -> Vec<u64> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let mut due = Vec::new();
        self.earliest = None;
        for (id, served) in &self.calls {
            match served.deadline {
                Some(deadline) if deadline <= now => due.push(*id),
                Some(deadline) => {
                    self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
                }
                None => {}
            }
        }
        due.sort_unstable();
        due
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.calls.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Whether the runner has been in one poll since the last look; if so, another epoch begins. And whether it has
    /// done anything since then: if not, nobody has to look again before it does.
    pub(super) fn look(&mut self) -> (Option<(Arc<Route>, u64)>, bool) {
        let same = self.seen == self.polls;
        self.seen = self.polls;
        let stuck = if same { self.polling.take() } else { None }.map(|polling| {
            self.running += 1;
            self.epoch += 1;
            (polling.route, self.epoch)
        });
        self.watched = !self.closed && (!same || stuck.is_some());
        (stuck, self.watched)
    }

    /// The peer may send so many bytes of requests again; told a little at a time, see [`Limits::held_back`].
    pub(super) fn give_back_window(&mut self, bytes: usize) {
        self.window_returned += bytes as u32;
        if self.window_returned >= self.held_back {
            wire::put_credit(&mut self.replies.small, 0, self.window_returned);
            self.window_used -= u64::from(self.window_returned);
            self.window_returned = 0;
        }
    }

    /// What to tell of a call that ended before it was started.
    pub(super) fn waited_too_long(&self, why: &Status, unsent: usize) -> Status {
        if why.code() != Code::DeadlineExceeded {
            return why.clone();
        }
        let (running, most) = (self.running + usize::from(self.polling.is_some()), self.most_running);
        let text = if self.choked {
            let most = self.most_unsent;
            format!(
                "unsent_responses: the request waited too long while {unsent} bytes were unsent, the limit is {most}"
            )
        } else {
            format!("running: the request waited too long while {running} handlers ran, the limit is {most}")
        };
        Status::of_call(Code::DeadlineExceeded, text)
    }

    /// Tells the memory of the requests that wait.
    pub(super) fn tell(&mut self, account: &Account) {
        self.told.tell(account, self.waiting);
    }

    /// How many calls were ever admitted.
    pub(super) fn admitted(&self) -> u64 {
        self.arrivals
    }

    /// How many handlers are at work, and how many of those have nobody any more to work for.
    pub(super) fn at_work(&self) -> (usize, usize) {
        let running = self.running + self.streaming + usize::from(self.polling.is_some());
        let abandoned = self.calls.values().filter(|served| served.stopped.is_some()).count();
        (running, abandoned)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Forgets all calls: nothing further is started. What a runner has taken out is dropped by it.
    pub(super) fn close(&mut self) -> Left {
        self.closed = true;
        self.waiting = 0;
        self.queue.clear();
        let handlers = self.slots.take_all();
        self.running = self.running.saturating_sub(handlers.len());
        Left {
            served: self.calls.drain().map(|(_, served)| served).collect(),
            runner: self.runner.take(),
            _handlers: handlers,
            _frames: std::mem::take(&mut self.replies),
        }
    }

    pub(super) fn shrink(&mut self) {
        if self.calls.is_empty() {
            self.calls.shrink_to_fit();
            self.queue.clear();
            self.slots.shrink();
        }
        if self.replies.is_empty() {
            self.replies = Frames::default();
        }
    }

    fn stage(&self, id: u64) -> Option<&Stage> {
        self.calls.get(&id).map(|served| &served.stage)
    }

    fn poll_begins(&mut self, id: u64, route: &Arc<Route>) {
        self.polls += 1;
        self.polling = Some(Polling { id, route: Arc::clone(route) });
    }

    /// If it was this runner's that was in charge; one that was replaced counted among the running.
    fn poll_ended(&mut self, id: u64) {
        if self.polling.as_ref().is_some_and(|polling| polling.id == id) {
            self.polling = None;
        } else {
            self.running = self.running.saturating_sub(1);
        }
    }
}

fn is_waiting(calls: &HashMap<u64, Served, BuildHasherDefault<IdHasher>>, entry: &Entry) -> bool {
    let (id, arrival) = entry;
    calls.get(id).is_some_and(|served| matches!(&served.stage, Stage::Waiting(_, at) if at == arrival))
}

//! The peer's calls, from their request to their terminal frame: what is being assembled, waits, runs in the
//! connection's task or in one of its own. Owned by the driver; handler tasks report through the shared state.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{task::AbortHandle, time::Instant};

use super::{
    assembly::Assembly,
    frames::Frames,
    inline::{Inline, Key},
    shared::Shared,
    task,
};
use crate::{
    call::Scene,
    limits::Limits,
    metadata::Metadata,
    router::{Finished, Reply, Route, Router, Running},
    status::{Code, Status},
    wire::{self, Frame, HeaderError, RequestHeader},
};

/// A request above this size is decoded in a task, whatever trust its method has.
const LARGEST_INLINE: usize = 16 * 1_024;
/// Handlers in the connection's task may take half of this.
const SHARE_WINDOW: Duration = Duration::from_millis(10);
/// A poll below this counts as no time: what it takes is the engine's.
const NOTABLE: Duration = Duration::from_micros(5);
/// A time-out beyond this is as good as none: 30 years.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// All calls of the peer that have no terminal frame yet.
pub(super) struct Serving {
    pub(super) router: Arc<Router>,
    pub(super) shared: Arc<Shared>,
    calls: BTreeMap<u64, Served>,
    /// Those that wait for a place among the running, by arrival.
    waiting: BTreeMap<u64, u64>,
    arrivals: u64,
    running: usize,
    inline: Inline,
    last_route: Option<Arc<Route>>,
    /// Terminal frames that were not handed over yet.
    pub(super) replies: Frames,
    /// How many of them there are.
    pub(super) replied: u32,
    /// Terminal frames that were handed over and not written, at the last look.
    pub(super) unsent_terminals: u32,
    /// Too many bytes of responses wait: nothing further is started.
    pub(super) choked: bool,
    /// No further calls are taken.
    pub(super) draining: bool,
    /// A handler was given a task since the last look.
    handed_over: bool,
    earliest: Option<Instant>,
    window_used: u64,
    window_returned: u32,
    clock: Clock,
}

struct Served {
    deadline: Option<Instant>,
    stage: Stage,
}

enum Stage {
    Assembling(Box<Incoming>, Assembly),
    Waiting(Box<Incoming>, u64),
    Inline(Key),
    Task(AbortHandle),
}

/// A request that was accepted and not started.
struct Incoming {
    route: Arc<Route>,
    metadata: Metadata,
    body: Vec<u8>,
}

/// A request that is within all limits.
struct Admitted {
    route: Arc<Route>,
    metadata: Metadata,
    deadline: Option<Instant>,
    size: usize,
}

/// The time that handlers take in the connection's task.
struct Clock {
    several_workers: bool,
    share_since: Instant,
    share: Duration,
    /// The time of the last look at the clock.
    now: Instant,
}

/// What a request does to its connection.
pub(super) enum Verdict {
    Fine,
    /// It cost a call; too many of these cost the connection.
    Fault,
    /// It costs the connection.
    Broken(String),
}

impl Serving {
    pub(super) fn new(router: Arc<Router>, shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let several_workers = tokio::runtime::Handle::current().metrics().num_workers() > 1;
        Self {
            router,
            shared,
            calls: BTreeMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            running: 0,
            inline: Inline::new(),
            last_route: None,
            replies: Frames::default(),
            replied: 0,
            unsent_terminals: 0,
            choked: false,
            draining: false,
            handed_over: false,
            earliest: None,
            window_used: 0,
            window_returned: 0,
            clock: Clock { several_workers, share_since: now, share: Duration::ZERO, now },
        }
    }

    /// Whether every call has its terminal frame.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When the first call's time is over.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.earliest
    }

    /// When the request that was silent longest got its last part.
    pub(super) fn oldest_part(&self) -> Option<Instant> {
        let parts = self.calls.values().filter_map(|call| match &call.stage {
            Stage::Assembling(_, assembly) => Some(assembly.touched()),
            _ => None,
        });
        parts.min()
    }

    /// The time of the last look at the clock: no later than the last handler's end.
    pub(super) fn now(&self) -> Instant {
        self.clock.now
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        self.clock.now = now;
    }

    /// A Request frame: a new call, or a further part of one.
    pub(super) fn on_request(&mut self, frame: &Frame<'_>) -> Verdict {
        self.window_used += frame.body.len() as u64;
        let window = self.limits().granted_window();
        if self.window_used > u64::from(window) {
            return Verdict::Broken(format!("more bytes of requests than the request_window of {window} allows"));
        }
        if frame.header.is_empty() {
            return self.on_part(frame);
        }
        let own_side = self.shared.opens(frame.id);
        if frame.id == 0 || own_side {
            return Verdict::Broken(format!("a request with the id {} that its sender can not open", frame.id));
        }
        if self.calls.contains_key(&frame.id) {
            return Verdict::Broken(format!("a request with the id {} that is in flight", frame.id));
        }
        match self.admit(frame) {
            Ok(admitted) => {
                self.accept(frame, admitted);
                Verdict::Fine
            }
            Err((status, verdict)) => {
                self.give_back_window(frame.body.len());
                self.reply_status(frame.id, status.not_executed());
                verdict
            }
        }
    }

    /// A request of which the header is over the limit.
    pub(super) fn on_long_header(&mut self, id: u64, header: usize, body: usize) -> Verdict {
        let limit = self.limits().max_header;
        // The body is skipped; the peer has charged it.
        self.window_used += body as u64;
        self.give_back_window(body);
        if id != 0 && !self.calls.contains_key(&id) {
            let text = format!("the request has a header of {header} bytes, more than max_header, {limit}");
            self.reply_status(id, Status::of_call(Code::ResourceExhausted, text).not_executed());
        }
        Verdict::Fault
    }

    /// The caller has gone.
    pub(super) fn on_cancel(&mut self, id: u64) {
        self.stop(id, || Status::of_call(Code::Cancelled, "the caller cancelled the call"));
    }

    /// Ends the calls whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return;
        }
        let due = |call: &Served| call.deadline.is_some_and(|deadline| deadline <= now);
        let over: Vec<u64> = self.calls.iter().filter(|(_, call)| due(call)).map(|(id, _)| *id).collect();
        for id in over {
            self.stop(id, || Status::of_call(Code::DeadlineExceeded, "the deadline passed at the server"));
        }
        self.earliest = self.calls.values().filter_map(|call| call.deadline).min();
    }

    /// Cancels all calls: their handlers are dropped, each gets its terminal frame.
    pub(super) fn stop_all(&mut self, why: &Status) {
        let all: Vec<u64> = self.calls.keys().copied().collect();
        for id in all {
            self.stop(id, || why.clone());
        }
    }

    /// Handler tasks are done; they have sent the terminal frames themselves.
    pub(super) fn on_finished(&mut self, ids: &mut Vec<u64>) {
        for id in ids.drain(..) {
            self.calls.remove(&id);
            self.running -= 1;
        }
    }

    /// Polls the next handler of the connection's task that was woken; `false` when there is none.
    pub(super) fn poll_woken(&mut self) -> bool {
        let Some((key, id)) = self.inline.next_woken() else { return false };
        let Some(route) = self.inline.get(key).map(|handler| Arc::clone(&handler.route)) else { return true };
        if !route.runs_inline(self.router.now_ms(self.clock.now)) {
            if let (Some(handler), Some(call)) = (self.inline.take(key), self.calls.get_mut(&id)) {
                self.handed_over = true;
                call.stage = Stage::Task(task::spawn_running(&self.shared, &self.router, id, handler, call.deadline));
            }
            return true;
        }
        let finished = self.inline.poll(key);
        self.clock.polled(&self.router, &route);
        if let Some(finished) = finished {
            self.calls.remove(&id);
            self.running -= 1;
            self.reply(id, &route, finished);
        }
        true
    }

    pub(super) fn begin_turn(&mut self) {
        self.inline.begin_turn();
    }

    /// Whether a handler was woken; if none, `waker` will be told.
    pub(super) fn is_woken(&self, waker: &std::task::Waker) -> bool {
        self.inline.is_woken(waker)
    }

    /// Whether a handler was given a task since the last look, and another worker could take over from this one.
    pub(super) fn has_handed_over(&mut self) -> bool {
        std::mem::take(&mut self.handed_over) && self.clock.several_workers
    }

    /// Starts the next of the requests that wait, if there is room; `false` when there is nothing to start.
    pub(super) fn start_waiting(&mut self) -> bool {
        if !self.has_room() {
            return false;
        }
        let Some((_, id)) = self.waiting.pop_first() else { return false };
        if let Some(Served { deadline, stage: Stage::Waiting(incoming, _) }) = self.calls.remove(&id) {
            let Incoming { route, metadata, body } = *incoming;
            self.start(id, route, metadata, deadline, body);
        }
        true
    }

    /// Frees what an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.inline.shrink();
        if self.replies.is_empty() {
            self.replies = Frames::default();
        }
    }

    /// Whether a new call may come in, and which handler it is for.
    fn admit(&mut self, frame: &Frame<'_>) -> Result<Admitted, (Status, Verdict)> {
        let limits = &self.shared.local;
        let open = self.calls.len() as u64 + u64::from(self.replied) + u64::from(self.unsent_terminals);
        if open >= u64::from(limits.in_flight) {
            let text = format!("in_flight: {open} calls are in flight, the limit is {}", limits.in_flight);
            return Err((Status::of_call(Code::ResourceExhausted, text), Verdict::Fault));
        }
        let header = RequestHeader::decode(frame.header, limits.max_metadata).map_err(|error| {
            let code = match &error {
                HeaderError::TooManyEntries { .. } => Code::ResourceExhausted,
                HeaderError::UnknownField { .. } => Code::Unimplemented,
                HeaderError::Malformed(_) | HeaderError::NameTooLong { .. } => Code::InvalidArgument,
            };
            (Status::of_call(code, format!("the request's header is refused: {error}")), Verdict::Fault)
        })?;
        let fine = |status| (status, Verdict::Fine);
        if self.draining {
            return Err(fine(Status::of_call(Code::Unavailable, "no further calls: this side is shutting down")));
        }
        let last = self.last_route.as_ref().filter(|route| route.is(header.service, header.method));
        let route = match last {
            Some(route) => Arc::clone(route),
            None => Arc::clone(self.router.find(header.service, header.method).map_err(fine)?),
        };
        let size = header.total.unwrap_or(frame.body.len() as u64);
        if size > u64::from(limits.max_message) {
            let limit = limits.max_message;
            let text = format!("the request has {size} bytes, more than max_message, {limit}");
            return Err(fine(Status::of_call(Code::ResourceExhausted, text)));
        }
        let deadline = header.timeout.filter(|timeout| *timeout < FOREVER).map(|timeout| self.clock.now + timeout);
        if header.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(fine(Status::of_call(Code::DeadlineExceeded, "the request came without any time left")));
        }
        self.last_route = Some(Arc::clone(&route));
        Ok(Admitted { route, metadata: header.metadata.into_owned(), deadline, size: size as usize })
    }

    fn accept(&mut self, frame: &Frame<'_>, admitted: Admitted) {
        let Admitted { route, metadata, deadline, size } = admitted;
        if let Some(deadline) = deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        }
        if frame.more {
            let assembly = Assembly::new(size, frame.body, self.clock.now);
            let incoming = Box::new(Incoming { route, metadata, body: Vec::new() });
            self.calls.insert(frame.id, Served { deadline, stage: Stage::Assembling(incoming, assembly) });
            return;
        }
        if !self.waiting.is_empty() || !self.has_room() {
            self.wait(frame.id, Incoming { route, metadata, body: frame.body.to_vec() }, deadline);
        } else if frame.body.len() <= LARGEST_INLINE && route.runs_inline(self.router.now_ms(self.clock.now)) {
            self.start_inline(frame.id, route, metadata, deadline, frame.body);
        } else {
            self.start_task(frame.id, route, metadata, deadline, frame.body.to_vec());
        }
    }

    /// A further part of a request. Those of a call that has ended are passed over.
    fn on_part(&mut self, frame: &Frame<'_>) -> Verdict {
        let Some(Served { stage: Stage::Assembling(_, assembly), .. }) = self.calls.get_mut(&frame.id) else {
            self.give_back_window(frame.body.len());
            return Verdict::Fine;
        };
        match assembly.add(frame.body, frame.more, self.clock.now) {
            Ok(None) => Verdict::Fine,
            Ok(Some(body)) => {
                if let Some(Served { deadline, stage: Stage::Assembling(mut incoming, _) }) =
                    self.calls.remove(&frame.id)
                {
                    incoming.body = body;
                    self.wait(frame.id, *incoming, deadline);
                    self.start_waiting();
                }
                Verdict::Fine
            }
            Err(text) => {
                self.give_back_window(frame.body.len());
                self.stop(frame.id, || Status::of_call(Code::InvalidArgument, text));
                Verdict::Fault
            }
        }
    }

    fn wait(&mut self, id: u64, incoming: Incoming, deadline: Option<Instant>) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.waiting.insert(arrival, id);
        self.calls.insert(id, Served { deadline, stage: Stage::Waiting(Box::new(incoming), arrival) });
    }

    fn start(&mut self, id: u64, route: Arc<Route>, metadata: Metadata, deadline: Option<Instant>, body: Vec<u8>) {
        if body.len() <= LARGEST_INLINE && route.runs_inline(self.router.now_ms(self.clock.now)) {
            self.start_inline(id, route, metadata, deadline, &body);
        } else {
            self.start_task(id, route, metadata, deadline, body);
        }
    }

    fn start_inline(&mut self, id: u64, route: Arc<Route>, metadata: Metadata, deadline: Option<Instant>, body: &[u8]) {
        self.give_back_window(body.len());
        let scene = Scene::new(route.descriptor, Arc::clone(&self.shared.peer), deadline, metadata);
        let started = Running::start(&route, self.shared.codec, body, scene);
        let polled = started.and_then(|handler| self.inline.first_poll(id, handler).map_or_else(Err, Ok));
        self.clock.polled(&self.router, &route);
        match polled {
            Ok(key) => {
                self.running += 1;
                self.calls.insert(id, Served { deadline, stage: Stage::Inline(key) });
            }
            Err(finished) => self.reply(id, &route, finished),
        }
    }

    fn start_task(&mut self, id: u64, route: Arc<Route>, metadata: Metadata, deadline: Option<Instant>, body: Vec<u8>) {
        self.give_back_window(body.len());
        self.running += 1;
        self.handed_over = true;
        let scene = Scene::new(route.descriptor, Arc::clone(&self.shared.peer), deadline, metadata);
        let abort = task::spawn(&self.shared, id, route, scene, deadline, body, &self.router);
        self.calls.insert(id, Served { deadline, stage: Stage::Task(abort) });
    }

    /// Ends a call early. A handler in a task sends the terminal frame when it has really stopped.
    fn stop(&mut self, id: u64, status: impl FnOnce() -> Status) {
        let Some(call) = self.calls.remove(&id) else { return };
        match call.stage {
            Stage::Task(abort) => {
                abort.abort();
                self.calls.insert(id, Served { deadline: None, stage: Stage::Task(abort) });
            }
            Stage::Inline(key) => {
                self.running -= 1;
                drop(self.inline.take(key));
                self.reply_status(id, status().executed_unknown());
            }
            Stage::Waiting(incoming, arrival) => {
                self.waiting.remove(&arrival);
                self.give_back_window(incoming.body.len());
                let running = self.limits().running;
                let status = status();
                let status = if status.code() == Code::DeadlineExceeded {
                    let text =
                        format!("running: the request waited too long for one of {running} running handlers to end");
                    Status::of_call(Code::DeadlineExceeded, text)
                } else {
                    status
                };
                self.reply_status(id, status.not_executed());
            }
            Stage::Assembling(_, assembly) => {
                self.give_back_window(assembly.len());
                self.reply_status(id, status().not_executed());
            }
        }
    }

    fn reply(&mut self, id: u64, route: &Route, finished: Finished) {
        let Self { replies, shared, .. } = self;
        replies.push_reply(id, route.descriptor.full_name, finished, &shared.remote, shared.local.max_metadata);
        self.replied += 1;
    }

    fn reply_status(&mut self, id: u64, status: Status) {
        let finished = Finished { reply: Reply::Status(status), metadata: Metadata::new() };
        self.replies.push_reply(id, "", finished, &self.shared.remote, usize::MAX);
        self.replied += 1;
    }

    /// The peer may send so many bytes of requests again; told in batches of half a window.
    fn give_back_window(&mut self, bytes: usize) {
        self.window_returned += bytes as u32;
        if self.window_returned >= self.limits().held_back() {
            wire::put_credit(&mut self.replies.small, 0, self.window_returned);
            self.window_used -= u64::from(self.window_returned);
            self.window_returned = 0;
        }
    }

    fn has_room(&self) -> bool {
        self.running < self.limits().running && !self.choked
    }

    fn limits(&self) -> &Limits {
        &self.shared.local
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for call in self.calls.values() {
            if let Stage::Task(abort) = &call.stage {
                abort.abort();
            }
        }
    }
}

impl Clock {
    /// A handler of `route` was polled since the last look at the clock.
    fn polled(&mut self, router: &Router, route: &Route) {
        let now = Instant::now();
        let took = now - self.now;
        self.now = now;
        let now_ms = router.now_ms(now);
        route.trust.polled(took, now_ms);
        if took >= NOTABLE {
            self.share += took;
        }
        if now - self.share_since >= SHARE_WINDOW {
            if self.share > (now - self.share_since) / 2 && self.several_workers {
                route.trust.lose(now_ms);
            }
            self.share_since = now;
            self.share = Duration::ZERO;
        }
    }
}

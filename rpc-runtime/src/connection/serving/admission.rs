//! From Request frames to the table: the limits, the route, the assembly of parts. The driver's own; a refused
//! request costs its call only.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::time::Instant;

use super::{Serving, table::Incoming};
use crate::{
    buffer,
    connection::{assembly::Assembly, consuming::Attached, shared::wake, stats::Reason},
    limits::Limits,
    metadata::Metadata,
    router::Route,
    status::{Code, Status},
    wire::{Frame, HeaderError, RequestHeader},
};

/// A time-out beyond this is as good as none: 30 years, in seconds.
const FOREVER: u64 = 30 * 365 * 24 * 3600;

/// What has come of the peer's calls and is not in the table yet.
pub(in crate::connection) struct Admission {
    serving: Arc<Serving>,
    /// Requests of this turn, handed over together.
    batch: Vec<Admitted>,
    parts: BTreeMap<u64, Parts>,
    /// The memory of those.
    held: usize,
    /// Why no new call is taken, while too much memory is held. As of the last block of input.
    tight: Option<Status>,
    last_route: Option<Arc<Route>>,
    /// Calls without a terminal frame at the last look, and those that came since.
    open: u32,
    /// How many calls ever came, each of which gets one terminal frame.
    pub(in crate::connection) opened: u64,
    /// No further calls are taken.
    pub(in crate::connection) draining: bool,
    pub(in crate::connection) now: Instant,
}

/// A request that is within all limits.
struct Admitted {
    id: u64,
    incoming: Incoming,
    deadline: Option<Instant>,
}

/// A request that comes in parts.
struct Parts {
    route: Arc<Route>,
    metadata: Metadata,
    deadline: Option<Instant>,
    assembly: Assembly,
}

impl Parts {
    /// About how many bytes of memory it takes.
    fn held(&self) -> usize {
        size_of::<(u64, Self)>() + self.assembly.held() + self.metadata.held()
    }
}

/// Why a request does not come in.
struct Refusal {
    reason: Reason,
    status: Status,
    verdict: Verdict,
}

impl Refusal {
    /// The peer should have known.
    fn fault(reason: Reason, code: Code, text: impl Into<String>) -> Self {
        Self { reason, status: Status::of_call(code, text), verdict: Verdict::Fault }
    }

    fn fine(reason: Reason, status: Status) -> Self {
        Self { reason, status, verdict: Verdict::Fine }
    }

    fn of_header(error: HeaderError) -> Self {
        let (reason, code): (Reason, _) = match &error {
            HeaderError::TooManyEntries { .. } => (|refused| &mut refused.max_metadata, Code::ResourceExhausted),
            HeaderError::NameTooLong { .. } => (|refused| &mut refused.name, Code::ResourceExhausted),
            HeaderError::UnknownField { .. } => (|refused| &mut refused.malformed, Code::Unimplemented),
            HeaderError::Malformed(_) => (|refused| &mut refused.malformed, Code::Internal),
        };
        Self::fault(reason, code, format!("the request's header is refused: {error}"))
    }
}

/// What a frame does to its connection.
pub(in crate::connection) enum Verdict {
    Fine,
    /// It cost a call; too many of these cost the connection.
    Fault,
    /// It costs the connection.
    Broken(String),
}

impl Admission {
    pub(in crate::connection) fn new(serving: Arc<Serving>) -> Self {
        Self {
            serving,
            batch: Vec::new(),
            parts: BTreeMap::new(),
            held: 0,
            tight: None,
            last_route: None,
            open: 0,
            opened: 0,
            draining: false,
            now: Instant::now(),
        }
    }

    /// So many calls of the peer have no terminal frame that it can have got. Before each block of input: what a peer
    /// sends may rest on what it has got since the last one.
    pub(in crate::connection) fn set_open(&mut self, unsent_terminals: u32) {
        let assembling = self.parts.len() as u32;
        self.open = unsent_terminals + self.serving.open() + assembling;
        self.tight = self.serving.shared.account.refusal();
    }

    /// The memory of requests of which parts are still to come.
    pub(in crate::connection) fn held(&self) -> usize {
        self.held
    }

    /// Forgets what has come of requests; the connection is over.
    pub(in crate::connection) fn discard(&mut self) {
        self.parts.clear();
        self.batch = Vec::new();
        self.held = 0;
        self.tell_parts();
    }

    pub(in crate::connection) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many calls are being assembled.
    pub(in crate::connection) fn len(&self) -> usize {
        self.parts.len()
    }

    /// When the request that was silent longest got its last part.
    pub(in crate::connection) fn oldest_part(&self) -> Option<Instant> {
        self.parts.values().map(|parts| parts.assembly.touched()).min()
    }

    /// When the first request's time is over that is being assembled.
    pub(in crate::connection) fn earliest(&self) -> Option<Instant> {
        self.parts.values().filter_map(|parts| parts.deadline).min()
    }

    /// A Request frame: a new call, or a further part of one.
    pub(in crate::connection) fn on_request(&mut self, frame: &Frame<'_>) -> Verdict {
        if frame.header.is_empty() {
            return self.on_part(frame);
        }
        if !self.may_open(frame.id) {
            return can_not_open(frame.id);
        }
        if self.parts.contains_key(&frame.id) {
            return duplicate(frame.id);
        }
        let admitted = self.admit(frame);
        self.count_opened();
        match admitted {
            Ok((route, metadata, deadline, size)) => self.accept(frame, route, metadata, deadline, size),
            Err(Refusal { reason, status, verdict }) => {
                self.serving.count(reason);
                let committed = self.commit();
                if self.serving.lock().calls.contains_key(&frame.id) {
                    return duplicate(frame.id);
                }
                self.serving.refuse(frame.id, frame.body.len(), status.not_executed());
                if matches!(committed, Verdict::Fine) { verdict } else { committed }
            }
        }
    }

    /// A request of which the header is over the limit; its body is skipped.
    pub(in crate::connection) fn on_long_header(&mut self, id: u64, header: usize, body: usize) -> Verdict {
        let committed = self.commit();
        if !matches!(committed, Verdict::Fine) {
            return committed;
        }
        let limit = self.limits().max_header;
        if !self.may_open(id) {
            return can_not_open(id);
        }
        if self.parts.contains_key(&id) || self.serving.lock().calls.contains_key(&id) {
            return duplicate(id);
        }
        self.count_opened();
        self.serving.count(|refused| &mut refused.max_header);
        let text = format!("the request has a header of {header} bytes, more than max_header, {limit}");
        self.serving.refuse(id, body, Status::of_call(Code::ResourceExhausted, text).not_executed());
        Verdict::Fault
    }

    /// The caller has gone.
    pub(in crate::connection) fn on_cancel(&mut self, id: u64) -> Verdict {
        let committed = self.commit();
        let why = Status::of_call(Code::Cancelled, "the caller cancelled the call");
        self.stop(id, &why);
        committed
    }

    /// Whether a call of the peer has this id to which no items belong, or not yet.
    pub(in crate::connection) fn takes_no_items(&self, id: u64) -> bool {
        if self.serving.shared.opens(id) {
            return false;
        }
        let takes = self.serving.shared.lock().calls.streams.of_served(id).is_some();
        !takes && (self.parts.contains_key(&id) || self.serving.lock().calls.contains_key(&id))
    }

    /// Ends the calls whose time is over.
    pub(in crate::connection) fn expire(&mut self, now: Instant) {
        let why = Status::of_call(Code::DeadlineExceeded, "the deadline passed at the server");
        let due = self.parts.iter().filter(|(_, parts)| parts.deadline.is_some_and(|deadline| deadline <= now));
        let due: Vec<u64> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.stop(id, &why);
        }
        self.serving.expire(now, &why);
    }

    /// Ends all calls; each gets its terminal frame.
    pub(in crate::connection) fn stop_all(&mut self, why: &Status) {
        let ids: Vec<u64> = self.parts.keys().copied().collect();
        for id in ids {
            self.stop(id, why);
        }
        self.serving.cancel_all(why);
    }

    /// Hands the admitted requests over to the runner. Before anything that may be about one of them.
    pub(in crate::connection) fn commit(&mut self) -> Verdict {
        if self.batch.is_empty() {
            return Verdict::Fine;
        }
        let window = u64::from(self.limits().granted_window());
        let mut verdict = Verdict::Fine;
        // Dropped without the lock.
        let mut duplicates = Vec::new();
        let mut table = self.serving.lock();
        for Admitted { id, incoming, deadline } in self.batch.drain(..) {
            table.window_used += incoming.body.len() as u64;
            if let Some(refused) = table.admit(id, incoming, deadline, self.now) {
                duplicates.push(refused);
                verdict = duplicate(id);
            } else if table.window_used > window {
                verdict = window_broken(window);
            }
        }
        table.tell(&self.serving.shared.account);
        let runner = table.runner.take();
        drop(table);
        wake(runner);
        verdict
    }

    /// Whether a new call may come in, and which handler it is for.
    fn admit(&mut self, frame: &Frame<'_>) -> Result<Terms, Refusal> {
        let limits = &self.serving.shared.local;
        if self.open >= limits.in_flight {
            let text = format!("in_flight: {} calls are in flight, the limit is {}", self.open, limits.in_flight);
            return Err(Refusal::fault(|refused| &mut refused.in_flight, Code::ResourceExhausted, text));
        }
        let header = RequestHeader::decode(frame.header, limits.max_metadata).map_err(Refusal::of_header)?;
        if frame.more != header.total.is_some() {
            let text = "the request's header is refused: total must stand in the first of several parts and only there";
            return Err(Refusal::fault(|refused| &mut refused.malformed, Code::Internal, text));
        }
        if self.draining {
            let status = Status::of_call(Code::Unavailable, "no further calls: this side is shutting down");
            return Err(Refusal::fine(|refused| &mut refused.draining, status));
        }
        let route = match &self.last_route {
            Some(route) if route.is(header.service, header.method) => Arc::clone(route),
            _ => {
                let found = self.serving.endpoint.router.find(header.service, header.method);
                Arc::clone(found.map_err(|status| Refusal::fine(|refused| &mut refused.unimplemented, status))?)
            }
        };
        if route.streams() {
            let open = self.serving.shared.lock().calls.streams.served() + self.streaming();
            if open >= limits.streams {
                let text = format!("streams: {open} calls with streams are in flight, the limit is {}", limits.streams);
                return Err(Refusal::fault(|refused| &mut refused.streams, Code::ResourceExhausted, text));
            }
        }
        let size = header.total.unwrap_or(frame.body.len() as u64);
        if size > u64::from(limits.max_message) {
            let text = format!("the request has {size} bytes, more than max_message, {}", limits.max_message);
            return Err(Refusal::fault(|refused| &mut refused.max_message, Code::ResourceExhausted, text));
        }
        if header.timeout.is_some_and(|timeout| timeout.is_zero()) {
            let status = Status::of_call(Code::DeadlineExceeded, "the request came without any time left");
            return Err(Refusal::fine(|refused| &mut refused.expired, status));
        }
        if let Some(status) = &self.tight {
            return Err(Refusal::fine(|refused| &mut refused.memory, status.clone()));
        }
        let deadline = header.timeout.filter(|timeout| timeout.as_secs() < FOREVER).map(|timeout| self.now + timeout);
        if self.last_route.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &route)) {
            self.last_route = Some(Arc::clone(&route));
        }
        Ok((route, header.metadata.into_owned(), deadline, size as usize))
    }

    fn accept(
        &mut self,
        frame: &Frame<'_>,
        route: Arc<Route>,
        metadata: Metadata,
        deadline: Option<Instant>,
        size: usize,
    ) -> Verdict {
        if !frame.more {
            let mut body = buffer::take();
            body.extend_from_slice(frame.body);
            self.admitted(frame.id, route, metadata, body, deadline);
            return Verdict::Fine;
        }
        let committed = self.commit();
        if self.serving.lock().calls.contains_key(&frame.id) {
            return duplicate(frame.id);
        }
        let assembly = Assembly::new(size, frame.body, self.now);
        let parts = Parts { route, metadata, deadline, assembly };
        self.held += parts.held();
        self.parts.insert(frame.id, parts);
        self.tell_parts();
        match committed {
            Verdict::Fine => self.charge(frame.body.len()),
            broken => broken,
        }
    }

    /// A whole request. Its items may stand behind it in this very block.
    fn admitted(&mut self, id: u64, route: Arc<Route>, metadata: Metadata, body: Vec<u8>, deadline: Option<Instant>) {
        let (shared, takes, returns) = (&self.serving.shared, route.takes_items(), route.returns_items());
        let streams = (takes || returns).then(|| Attached::new(shared, id, takes, returns));
        let incoming = Incoming { route, metadata, body, streams };
        self.batch.push(Admitted { id, incoming, deadline });
    }

    /// A further part of a request. Those of a call that has ended are passed over.
    fn on_part(&mut self, frame: &Frame<'_>) -> Verdict {
        let size = frame.body.len();
        let charged = self.charge(size);
        if !matches!(charged, Verdict::Fine) {
            return charged;
        }
        let Some(parts) = self.parts.get_mut(&frame.id) else {
            self.serving.lock().give_back_window(size);
            return Verdict::Fine;
        };
        let before = parts.held();
        let added = parts.assembly.add(frame.body, frame.more, self.now);
        self.held = self.held + parts.held() - before;
        match added {
            Ok(None) => Verdict::Fine,
            Ok(Some(body)) => {
                if let Some(parts) = self.take_parts(frame.id) {
                    let Parts { route, metadata, deadline, .. } = parts;
                    // Its parts were charged as they came.
                    self.serving.lock().window_used -= body.len() as u64;
                    self.admitted(frame.id, route, metadata, body, deadline);
                }
                self.commit()
            }
            Err(text) => {
                self.serving.count(|refused| &mut refused.malformed);
                self.serving.lock().give_back_window(size);
                self.stop(frame.id, &Status::of_call(Code::Internal, text));
                Verdict::Fault
            }
        }
    }

    /// Ends a call early, also one of which parts are still to come; it gets its terminal frame.
    pub(in crate::connection) fn stop(&mut self, id: u64, why: &Status) {
        match self.take_parts(id) {
            Some(parts) => {
                let size = parts.assembly.len();
                match why.code() {
                    Code::DeadlineExceeded => self.serving.count(|refused| &mut refused.expired),
                    Code::Cancelled => self.serving.count(|refused| &mut refused.cancelled),
                    _ => {}
                }
                self.serving.lock().window_used -= size as u64;
                self.serving.refuse(id, size, why.clone().not_executed());
            }
            None => self.serving.cancel(id, why),
        }
    }

    fn take_parts(&mut self, id: u64) -> Option<Parts> {
        let parts = self.parts.remove(&id)?;
        self.held -= parts.held();
        self.tell_parts();
        Some(parts)
    }

    /// Tells how many calls are being assembled, for the counters.
    fn tell_parts(&self) {
        self.serving.shared.account.assembling.store(self.parts.len() as u32, Relaxed);
    }

    /// How many of the requests that are being assembled are for streams.
    fn streaming(&self) -> u32 {
        self.parts.values().filter(|parts| parts.route.streams()).count() as u32
    }

    fn count_opened(&mut self) {
        self.open += 1;
        self.opened += 1;
    }

    fn may_open(&self, id: u64) -> bool {
        id != 0 && !self.serving.shared.opens(id)
    }

    fn charge(&self, bytes: usize) -> Verdict {
        let window = u64::from(self.limits().granted_window());
        let mut table = self.serving.lock();
        table.window_used += bytes as u64;
        if table.window_used > window { window_broken(window) } else { Verdict::Fine }
    }

    fn limits(&self) -> &Limits {
        &self.serving.shared.local
    }
}

/// What a request is served with: its handler, metadata, deadline, and size in bytes.
type Terms = (Arc<Route>, Metadata, Option<Instant>, usize);

fn can_not_open(id: u64) -> Verdict {
    Verdict::Broken(format!("a request with the id {id} that its sender can not open"))
}

fn duplicate(id: u64) -> Verdict {
    Verdict::Broken(format!("a request with the id {id} that is in flight"))
}

fn window_broken(window: u64) -> Verdict {
    Verdict::Broken(format!("more bytes of requests than the request_window of {window} allows"))
}

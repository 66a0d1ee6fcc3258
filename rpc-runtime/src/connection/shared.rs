//! What callers, the driver, the flusher and handler tasks share: the pending table and the output under one short
//! lock, and the hand-over of the right to write. No I/O and no user code ever runs under the lock.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use tokio::{sync::watch, time::Instant};

use super::{
    ConnectionState,
    calls::{CallId, Calls, Polled},
    frames::{Batch, Frames},
};
use crate::{
    call::{Answer, OutgoingRequest, Peer},
    codec::CodecKind,
    limits::Limits,
    router::Finished,
    status::{Code, Status},
    transport::SharedWrite,
    wire::Grant,
};

/// The spare buffer of small frames is kept up to this size while the connection is at work.
const LARGEST_SPARE: usize = 256 * 1_024;
/// So many pieces of a batch are handed to the transport at once.
pub(super) const SLICES: usize = 16;

/// The state of one connection that is not its driver's alone.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The lowest bit of the ids that this side opens.
    side: u64,
    pub(super) codec: CodecKind,
    pub(super) local: Limits,
    /// What the peer granted.
    pub(super) remote: Grant,
    pub(super) peer: Arc<Peer>,
    pub(super) watch: watch::Sender<ConnectionState>,
}

pub(super) struct State {
    pub(super) calls: Calls,
    pub(super) frames: Frames,
    /// An unfinished batch that its writer gave back.
    rest: Option<Batch>,
    spare: Vec<u8>,
    /// Bytes handed to batches, and bytes that the transport took, in all.
    taken: u64,
    accepted: u64,
    /// Somebody is in the middle of a write: nobody else may write, and all in the batch may have left.
    writing: bool,
    /// The transport would not take more: only the flusher waits for it.
    blocked: bool,
    /// For writes outside the flusher.
    inline: Option<Arc<dyn SharedWrite>>,
    flusher: Option<Waker>,
    flusher_woken: bool,
    pub(super) driver: Option<Waker>,
    /// When the driver will look at the clock at the latest.
    pub(super) armed: Option<Instant>,
    /// Calls of the peer whose handler tasks are done.
    pub(super) finished: Vec<u64>,
    /// The driver wants to know at once of each handler task that is done.
    pub(super) driver_awaits_handlers: bool,
    /// The driver wants to know when less than this is unsent.
    pub(super) driver_awaits_unsent: Option<usize>,
    /// How many terminal frames end before which position in the output; one entry for each batch.
    terminals: VecDeque<(u64, u32)>,
    pub(super) write_error: Option<io::Error>,
    pub(super) request: Request,
    /// The flusher is to end the stream once everything is written.
    pub(super) end_of_stream: bool,
    pub(super) end_written: bool,
    closed: bool,
}

/// What the owner of the connection asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    Run,
    /// No new calls of the peer; the connection ends when all are answered.
    Drain,
    /// Ours have been ended; say so and leave.
    Close,
    /// Now.
    Abort,
}

/// What to do after something was appended, without the lock.
#[must_use]
pub(super) enum Push {
    Nothing,
    Wake(Waker),
    Write(Batch, Arc<dyn SharedWrite>),
}

impl Shared {
    pub(super) fn new(
        side: u64,
        codec: CodecKind,
        local: Limits,
        remote: Grant,
        peer: Peer,
        inline: Option<Arc<dyn SharedWrite>>,
        watch: watch::Sender<ConnectionState>,
    ) -> Self {
        let state = State {
            calls: Calls::new(side, remote.clone()),
            frames: Frames::default(),
            rest: None,
            spare: Vec::new(),
            taken: 0,
            accepted: 0,
            writing: false,
            blocked: false,
            inline,
            flusher: None,
            flusher_woken: false,
            driver: None,
            armed: None,
            finished: Vec::new(),
            driver_awaits_handlers: false,
            driver_awaits_unsent: None,
            terminals: VecDeque::new(),
            write_error: None,
            request: Request::Run,
            end_of_stream: false,
            end_written: false,
            closed: false,
        };
        Self { state: Mutex::new(state), side, codec, local, remote, peer: Arc::new(peer), watch }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics by design; if something did, going on beats hanging every caller.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a call and puts it on its way.
    pub(super) fn send(
        &self,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        now: Instant,
        waker: Option<Waker>,
    ) -> Result<CallId, Status> {
        self.check(&request)?;
        let watch_again = now + super::liveness::tick(&self.local);
        let look = deadline.map_or(watch_again, |deadline| deadline.min(watch_again));
        let mut state = self.lock();
        let quiet = state.frames.is_empty() && !state.flusher_woken;
        let State { calls, frames, taken, .. } = &mut *state;
        let id = calls.register(request, deadline, waker, now, frames, *taken)?;
        let alone = quiet && calls.in_flight() == 1;
        let push = if frames.is_empty() { Push::Nothing } else { state.push(alone) };
        let driver = if state.armed.is_none_or(|armed| armed > look) {
            state.armed = Some(look);
            state.driver.take()
        } else {
            None
        };
        drop(state);
        wake(driver);
        self.act(push);
        Ok(id)
    }

    /// Refuses what the peer, or this side, does not allow.
    fn check(&self, request: &OutgoingRequest) -> Result<(), Status> {
        let exhausted = |text| Err(Status::of_call(Code::ResourceExhausted, text).not_executed());
        let limit = self.remote.max_message.min(self.local.max_message).min(self.remote.request_window);
        let size = request.body.len();
        if size > limit as usize {
            return exhausted(format!("the request has {size} bytes, more than max_message, {limit}"));
        }
        if request.metadata.is_empty() {
            return Ok(());
        }
        let (entries, limit) = (request.metadata.len(), self.local.max_metadata);
        if entries > limit {
            return exhausted(format!("the request has {entries} metadata entries, more than max_metadata, {limit}"));
        }
        let (size, limit) = (request.header_len(), self.remote.max_header.min(self.local.max_header));
        if size > limit as usize {
            return exhausted(format!("the request has a header of {size} bytes, more than max_header, {limit}"));
        }
        Ok(())
    }

    /// The outcome of a call, if it has come; else its caller will be woken.
    pub(super) fn poll(&self, id: CallId, waker: &Waker) -> Option<Answer> {
        let polled = self.lock().calls.poll(id, waker);
        match polled {
            Polled::Ready(answer, _old) => Some(answer),
            Polled::Pending => None,
            Polled::OtherWaker => {
                // A waker's clone and drop are foreign code: not under the lock.
                let waker = waker.clone();
                let (answer, _old) = self.lock().calls.poll_with(id, waker);
                answer
            }
        }
    }

    /// The caller of this call has gone.
    pub(super) fn abandon(&self, id: CallId) {
        let mut state = self.lock();
        let State { calls, frames, .. } = &mut *state;
        let left = calls.abandon(id, frames);
        // What it took up, or held back in the queue, is room for others.
        let pumped = state.calls.has_queue() && state.pump(Instant::now());
        let push = if left.cancelled || pumped { state.push(false) } else { Push::Nothing };
        drop(state);
        self.act(push);
        drop(left);
    }

    /// A handler that ran in a task of its own is done: sends the terminal frame of its call.
    pub(super) fn finish_task(&self, id: u64, method: &str, finished: Finished) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.frames.push_reply(id, method, finished, &self.remote, self.local.max_metadata);
        state.count_terminals(1);
        state.finished.push(id);
        let push = state.push(false);
        let driver = if state.driver_awaits_handlers { state.driver.take() } else { None };
        drop(state);
        wake(driver);
        self.act(push);
    }

    /// Whether this side is the one that opens calls with this id.
    pub(super) fn opens(&self, id: u64) -> bool {
        id & 1 == self.side
    }

    /// Asks the driver to do something; the strongest wish holds.
    pub(super) fn request(&self, request: Request) {
        let mut state = self.lock();
        if state.request < request {
            state.request = request;
        }
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }

    /// Ends all calls of this side as closed here, and lets the driver say good-bye to the peer.
    pub(super) fn close(&self) {
        let cause = closed_here().at(&self.peer.address);
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if state.closed || state.request >= Request::Close {
            return;
        }
        let written = state.written();
        let State { calls, frames, .. } = &mut *state;
        calls.cancel_all(frames);
        calls.terminate(&cause, written, &mut wakers);
        drop(state);
        self.watch.send_replace(ConnectionState::Closed(cause));
        wakers.into_iter().for_each(Waker::wake);
        self.request(Request::Close);
    }

    /// The connection is over: ends every call, forgets all output, lets the flusher go.
    pub(super) fn terminate(&self, cause: &Status) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.closed = true;
        let written = state.written();
        state.calls.terminate(cause, written, &mut wakers);
        let leftovers = (
            std::mem::take(&mut state.frames),
            state.rest.take(),
            state.inline.take(),
            std::mem::take(&mut state.spare),
            state.driver.take(),
        );
        wakers.extend(state.flusher.take());
        drop(state);
        drop(leftovers);
        self.watch.send_if_modified(|state| {
            let open = !matches!(state, ConnectionState::Closed(_));
            if open {
                *state = ConnectionState::Closed(cause.clone());
            }
            open
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Does what an append made necessary. Never under the lock.
    pub(super) fn act(&self, push: Push) {
        match push {
            Push::Nothing => {}
            Push::Wake(waker) => waker.wake(),
            Push::Write(batch, writer) => self.write_inline(batch, &*writer),
        }
    }

    /// Writes what the transport takes at once; the flusher does the rest.
    fn write_inline(&self, mut batch: Batch, writer: &dyn SharedWrite) {
        let mut written = 0;
        let result = loop {
            if batch.left() == 0 {
                break Ok(());
            }
            let mut slices = [io::IoSlice::new(&[]); SLICES];
            let count = batch.slices(&mut slices);
            match writer.try_write_vectored(&slices[..count]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    written += count;
                    batch.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.give_back(batch, written, result);
    }

    /// The next batch for the flusher, which then holds the right to write; nothing when there is none, or when
    /// somebody else writes, who will wake the flusher if that leaves something.
    pub(super) fn claim(&self) -> Option<Batch> {
        let mut state = self.lock();
        if state.writing || state.closed || state.write_error.is_some() {
            return None;
        }
        state.take_batch()
    }

    /// Ends a write: `written` bytes were taken, and `result` is `WouldBlock` when the transport takes no more now.
    pub(super) fn give_back(&self, batch: Batch, written: usize, result: io::Result<()>) {
        let mut state = self.lock();
        state.writing = false;
        state.accepted += written as u64;
        let mut woken = [None, None];
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => state.blocked = true,
            Err(error) => {
                state.write_error.get_or_insert(error);
                woken[0] = state.driver.take();
            }
        }
        if batch.left() > 0 {
            state.rest = Some(batch);
        } else {
            let spare = batch.into_spare();
            if spare.capacity() <= LARGEST_SPARE && spare.capacity() > state.spare.capacity() {
                state.spare = spare;
            }
        }
        if state.driver_awaits_unsent.is_some_and(|limit| state.unsent() < limit) {
            woken[0] = state.driver.take();
        }
        if state.rest.is_some() || !state.frames.is_empty() || state.end_of_stream {
            woken[1] = state.wake_flusher();
        }
        drop(state);
        woken.into_iter().for_each(wake);
    }

    /// Whether there is work for the flusher, which will be woken when there is.
    pub(super) fn poll_work(&self, waker: &Waker) -> Work {
        let mut state = self.lock();
        state.flusher_woken = false;
        let work = if state.closed {
            Work::Closed
        } else if state.write_error.is_none() && !state.writing && (state.rest.is_some() || !state.frames.is_empty()) {
            state.flusher_woken = true;
            Work::Write
        } else if state.end_of_stream && !state.end_written && !state.writing {
            Work::EndOfStream
        } else {
            Work::Nothing
        };
        let old = match (&work, &state.flusher) {
            (Work::Nothing, Some(old)) if old.will_wake(waker) => None,
            (Work::Nothing, _) => state.flusher.replace(waker.clone()),
            _ => None,
        };
        drop(state);
        drop(old);
        work
    }

    /// The flusher waits for the transport, or no longer does.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.lock().blocked = blocked;
    }

    /// The flusher has ended the stream, or could not.
    pub(super) fn stream_ended(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.end_written = true;
        if let Err(error) = result {
            state.write_error.get_or_insert(error);
        }
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }
}

/// What the flusher is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    Write,
    EndOfStream,
    Closed,
}

impl State {
    /// Decides who writes what was just appended.
    pub(super) fn push(&mut self, inline: bool) -> Push {
        // Who writes now looks again when it is done.
        if self.writing || self.closed || self.write_error.is_some() {
            return Push::Nothing;
        }
        if inline && !self.blocked && self.rest.is_none() {
            if let Some(writer) = self.inline.clone() {
                if let Some(batch) = self.take_batch() {
                    return Push::Write(batch, writer);
                }
            }
        }
        self.wake_flusher().map_or(Push::Nothing, Push::Wake)
    }

    /// Bytes that the transport has not taken.
    pub(super) fn unsent(&self) -> usize {
        (self.taken - self.accepted) as usize + self.frames.len()
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Frees what an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.spare = Vec::new();
        if self.frames.is_empty() {
            self.frames.small = Vec::new();
        }
    }

    /// Appends a frame that is always allowed, and sees to it that it is written.
    pub(super) fn control(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Option<Waker> {
        put(&mut self.frames.small);
        match self.push(false) {
            Push::Wake(waker) => Some(waker),
            Push::Nothing | Push::Write(..) => None,
        }
    }

    /// Where the next byte of the small frames will stand in all that is ever written.
    pub(super) fn position(&self) -> u64 {
        self.taken + self.frames.small.len() as u64
    }

    /// Terminal frames that the transport has not taken whole, so that the peer still counts their calls.
    pub(super) fn unsent_terminals(&mut self) -> u32 {
        // What is being written may have been read by the peer already.
        let written = self.written();
        while self.terminals.front().is_some_and(|(position, _)| *position <= written) {
            self.terminals.pop_front();
        }
        self.terminals.iter().map(|(_, count)| count).sum()
    }

    /// Appends frames of the driver, `terminals` of them the last of their calls.
    pub(super) fn hand_over(&mut self, frames: &mut Frames, terminals: u32) {
        self.frames.append(frames);
        self.count_terminals(terminals);
    }

    /// Ends the calls whose time has passed. Gives the next deadline, and the waker of the flusher if it has to tell
    /// the peer of one.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> (Option<Instant>, Option<Waker>) {
        let State { calls, frames, .. } = self;
        let next = calls.expire(now, frames, wakers);
        let flusher = if self.pump(now) || !self.frames.is_empty() { self.wake_flusher() } else { None };
        (next, flusher)
    }

    /// The terminal frame of a call has come: no further part of its request follows.
    pub(super) fn forget_rest(&mut self, id: u64) {
        if self.frames.has_begun() && self.calls.is_open(id) {
            let taken_back = self.frames.take_back(id);
            self.calls.refund(&taken_back);
        }
    }

    /// Sends the calls that waited, as far as there is room now; `false` when none was sent.
    pub(super) fn pump(&mut self, now: Instant) -> bool {
        if !self.calls.has_queue() {
            return false;
        }
        let State { calls, frames, taken, .. } = self;
        calls.pump(now, frames, *taken);
        !self.frames.is_empty()
    }

    fn count_terminals(&mut self, count: u32) {
        let position = self.position();
        match self.terminals.back_mut() {
            // Still in the buffer that is being filled: it leaves as one.
            Some((last, sum)) if *last > self.taken => (*last, *sum) = (position, *sum + count),
            _ if count > 0 => self.terminals.push_back((position, count)),
            _ => {}
        }
    }

    /// Where the bytes begin of which none can have left.
    fn written(&self) -> u64 {
        if self.writing { self.taken } else { self.accepted }
    }

    fn take_batch(&mut self) -> Option<Batch> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None if self.frames.is_empty() => return None,
            None => {
                let State { calls, frames, spare, taken, .. } = self;
                let start = *taken;
                let batch =
                    frames.next_batch(std::mem::take(spare), |id, offset| calls.begins(id, start + offset as u64));
                *taken += batch.left() as u64;
                batch
            }
        };
        self.writing = true;
        Some(batch)
    }

    pub(super) fn wake_flusher(&mut self) -> Option<Waker> {
        if self.flusher_woken {
            return None;
        }
        self.flusher_woken = true;
        self.flusher.take()
    }
}

/// How calls end on a connection that its owner has closed.
pub(super) fn closed_here() -> Status {
    Status::of_call(Code::Cancelled, "the connection was closed here")
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

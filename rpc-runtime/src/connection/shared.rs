//! The hand-over between callers, the driver, the flusher, runners, handler tasks and pumps: the pending table, the
//! streams and the output under one short lock, and who is woken by what is done there. No I/O and no user code ever
//! runs under it. The rules of the three, `calls`, `streams` and `output`, are pure. What threads may do here in any
//! order is stepped through in `tests/interleavings`.

use std::{
    io, mem,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    task::Waker,
};

use tokio::{sync::watch, time::Instant};

use super::{
    ConnectionState, Endpoint,
    accounts::{Account, Part, Told},
    calls::Calls,
    frames::{Batch, Frames},
    liveness,
    output::{Output, Push, Work},
    slot::{CallId, Polled},
    stats::Reason,
    streams::Key,
    sync::{AtomicBool, Mutex, MutexGuard},
};
use crate::{
    call::{Answer, OutgoingRequest, Peer, Reply},
    codec::CodecKind,
    limits::Limits,
    router::Finished,
    status::{Code, Status},
    transport::SharedWrite,
    wire::Grant,
};

/// So many pieces of a batch are handed to the transport at once.
pub(super) const SLICES: usize = 16;

/// The state of one connection that is not its driver's alone.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Too much waits to be written; changed under the lock only. The driver is woken when it is over.
    choked: AtomicBool,
    /// The lowest bit of the ids that this side opens.
    side: u64,
    pub(super) codec: CodecKind,
    pub(super) local: Limits,
    /// What the peer granted.
    pub(super) remote: Grant,
    pub(super) peer: Arc<Peer>,
    pub(super) watch: watch::Sender<ConnectionState>,
    /// What the connection holds of the memory that all share.
    pub(super) account: Arc<Account>,
}

pub(super) struct State {
    pub(super) calls: Calls,
    pub(super) output: Output,
    pub(super) driver: Option<Waker>,
    /// When the driver will look at the clock at the latest.
    pub(super) armed: Option<Instant>,
    /// The driver wants to know of each write.
    pub(super) driver_awaits_write: bool,
    /// The driver wants to know of each terminal frame that a handler task has sent.
    pub(super) driver_awaits_handlers: bool,
    pub(super) request: Request,
    /// Why the owner cuts it off, if it says so.
    pub(super) why: Option<String>,
    /// What was told of the memory of calls that wait and of the output.
    told: Told,
}

/// What the owner of the connection asks of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    Run,
    /// No new calls of the peer; the connection ends when all are answered.
    Drain,
    /// Ours have been ended; say so and leave.
    Close,
    /// It holds most of a memory that is used up: the peer is told, and nothing more is kept.
    Evict,
    /// Now.
    Abort,
}

impl Shared {
    pub(super) fn new(
        side: u64,
        codec: CodecKind,
        endpoint: &Endpoint,
        remote: Grant,
        peer: Peer,
        inline: Option<Arc<dyn SharedWrite>>,
        watch: watch::Sender<ConnectionState>,
    ) -> Self {
        let state = State {
            calls: Calls::new(side, remote, endpoint.limits.stream_window),
            output: Output::new(inline),
            driver: None,
            armed: None,
            driver_awaits_write: false,
            driver_awaits_handlers: false,
            request: Request::Run,
            why: None,
            told: Told::new(Part::Output),
        };
        Self {
            state: Mutex::new(state),
            choked: AtomicBool::new(false),
            side,
            codec,
            local: endpoint.limits.clone(),
            remote,
            peer: Arc::new(peer),
            watch,
            account: endpoint.accounts.open(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock panics by design; if something did, going on beats hanging every caller.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest item of a stream that the peer accepts, in bytes.
    pub(super) fn max_item(&self) -> usize {
        self.remote.max_message as usize
    }

    /// The largest item of a call of this side, in bytes; a layer may have made one longer than it was encoded.
    pub(super) fn max_sent_item(&self) -> usize {
        self.remote.max_message.min(self.local.max_message) as usize
    }

    /// Whether this side is the one that opens calls with this id.
    pub(super) fn opens(&self, id: u64) -> bool {
        id & 1 == self.side
    }

    /// Registers a call and puts it on its way.
    pub(super) fn send(
        &self,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        now: Instant,
        mut waker: Option<Waker>,
    ) -> Result<CallId, Status> {
        self.check(&request)?;
        let watch_again = now + liveness::tick(&self.local);
        let look = deadline.map_or(watch_again, |deadline| deadline.min(watch_again));
        let mut state = self.lock();
        let quiet = state.output.is_quiet();
        let State { calls, output, .. } = &mut *state;
        let taken = output.taken();
        let id = calls.register(request, deadline, &mut waker, now, &mut output.frames, taken)?;
        let alone = quiet && calls.in_flight() == 1;
        let push = if output.frames.is_empty() { Push::Nothing } else { output.push(alone, calls) };
        let full = self.tell(&mut state);
        let early = state.armed.is_none_or(|armed| armed > look);
        if early {
            state.armed = Some(look);
        }
        let driver = if early || full { state.driver.take() } else { None };
        let woken = mem::take(&mut state.calls.streams.woken);
        drop(state);
        wake(driver);
        self.act(push);
        woken.into_iter().for_each(Waker::wake);
        Ok(id)
    }

    /// The outcome of a call, if it has come; else its caller will be woken.
    pub(super) fn poll(&self, id: CallId, waker: &Waker) -> Polled {
        let polled = self.lock().calls.poll(id, waker);
        if !matches!(polled, Polled::OtherWaker) {
            return polled;
        }
        // A waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let (polled, _old) = self.lock().calls.poll_with(id, waker);
        polled
    }

    /// The caller of this call has gone.
    pub(super) fn abandon(&self, id: CallId) {
        let mut state = self.lock();
        let State { calls, output, .. } = &mut *state;
        let left = calls.abandon(id, &mut output.frames);
        // It may have stood in the way of calls that wait, or have left them its room.
        if state.calls.has_queue() {
            state.pump(Instant::now());
        }
        self.after_append(state);
        drop(left);
    }

    /// Lets go of the lock behind whatever was done to calls and streams: sees to it that what was appended is written,
    /// tells the memory, and wakes whom it concerns.
    pub(super) fn after_append(&self, state: MutexGuard<'_, State>) {
        self.after_append_by(state, false);
    }

    /// The same, writing here what the transport takes at once if that is asked for and possible.
    pub(super) fn after_append_by(&self, mut state: MutexGuard<'_, State>, inline: bool) {
        let push = if state.output.frames.is_empty() { Push::Nothing } else { state.push(inline) };
        let driver = if self.weigh(&mut state) { state.driver.take() } else { None };
        let woken = mem::take(&mut state.calls.streams.woken);
        drop(state);
        wake(driver);
        self.act(push);
        woken.into_iter().for_each(Waker::wake);
    }

    /// The terminal frame of a call whose handler had a task, which ends its streams: the peer may open others as soon
    /// as it has this.
    pub(super) fn reply(&self, id: u64, streams: Option<Key>, method: &str, finished: Finished) {
        let mut state = self.lock();
        if state.output.takes_no_replies() {
            return;
        }
        let State { calls, output, .. } = &mut *state;
        let begun = streams.is_some_and(|key| calls.streams.has_begun(key));
        let released = streams.map(|key| calls.streams.release(key));
        if matches!(finished.reply, Reply::Finished) || begun {
            output.frames.push_end(id, finished, &self.remote, self.local.max_metadata);
        } else {
            output.frames.push_reply(id, method, finished, &self.remote, self.local.max_metadata);
        }
        state.output.count_terminals(1);
        let driver = if self.weigh(&mut state) || state.driver_awaits_handlers { state.driver.take() } else { None };
        let push = state.push(false);
        let woken = mem::take(&mut state.calls.streams.woken);
        drop(state);
        drop(released);
        wake(driver);
        self.act(push);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Takes `frames`, of which `terminals` are the last of their calls, and writes what the transport takes at once.
    pub(super) fn hand_over(&self, frames: &mut Frames, terminals: u32) {
        let mut state = self.lock();
        if state.output.takes_no_replies() {
            return;
        }
        state.output.frames.append(frames);
        state.output.count_terminals(terminals);
        let driver = if self.weigh(&mut state) || state.driver_awaits_handlers { state.driver.take() } else { None };
        let push = state.push(true);
        drop(state);
        wake(driver);
        self.act(push);
    }

    /// Whether too much waits to be written for anything further to be started.
    pub(super) fn is_choked(&self) -> bool {
        self.choked.load(Relaxed)
    }

    /// After responses were appended, or anything was written or taken back. `true`: there is room again, or no memory
    /// any more, of which the driver is to be told.
    pub(super) fn weigh(&self, state: &mut State) -> bool {
        let unsent = state.output.unsent();
        let choked = unsent >= self.local.unsent_responses || (unsent > 0 && self.account.holds_much());
        let over = self.is_choked() && !choked;
        if choked || over {
            self.choked.store(choked, Relaxed);
        }
        if over {
            state.calls.streams.rouse();
        }
        self.tell(state) || over
    }

    /// Tells what calls that wait and the output hold. `true`: there is no memory any more, and the driver is to see to
    /// that.
    pub(super) fn tell(&self, state: &mut State) -> bool {
        let held = state.calls.held() + state.calls.streams.held() + state.output.held();
        state.told.tell(&self.account, held)
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
        let cause = Status::of_call(Code::Cancelled, "the connection was closed here").at(&self.peer.address);
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if state.output.is_closed() || state.request >= Request::Close {
            return;
        }
        state.request = Request::Close;
        let State { calls, output, .. } = &mut *state;
        calls.hang_up(&cause, &mut output.frames, &mut wakers);
        drop(state);
        self.tell_closed(&cause);
        wakers.into_iter().for_each(Waker::wake);
        self.request(Request::Close);
    }

    /// The connection is over: ends every call, forgets all output, lets the flusher go.
    pub(super) fn terminate(&self, cause: &Status) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if state.output.is_closed() {
            return;
        }
        let written = state.output.written();
        state.calls.streams.finish_served(|| Answer::of_status(cause.clone()));
        state.calls.terminate(cause, written, &mut wakers);
        let (flusher, left) = state.output.close();
        let driver = state.driver.take();
        self.tell(&mut state);
        drop(state);
        drop((left, driver));
        self.tell_closed(cause);
        wake(flusher);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Tells whoever watches that no call goes through any more. The first cause holds.
    pub(super) fn tell_closed(&self, cause: &Status) {
        self.watch.send_if_modified(|state| {
            let open = !matches!(state, ConnectionState::Closed(_));
            if open {
                *state = ConnectionState::Closed(cause.clone());
            }
            open
        });
    }

    /// Does what an append made necessary. Never under the lock.
    pub(super) fn act(&self, push: Push) {
        match push {
            Push::Nothing => {}
            Push::Wake(waker) => waker.wake(),
            Push::Write(batch, writer) => self.write_inline(batch, &*writer),
        }
    }

    /// The next batch for the flusher.
    pub(super) fn claim(&self) -> Option<Batch> {
        let mut state = self.lock();
        let State { calls, output, .. } = &mut *state;
        output.claim(calls)
    }

    /// Ends a write, see [`Output::give_back`].
    pub(super) fn give_back(&self, batch: Batch, written: usize, result: io::Result<()>) {
        let mut state = self.lock();
        let flusher = state.output.give_back(batch, written, result);
        let told = self.weigh(&mut state) || state.driver_awaits_write || state.output.write_error.is_some();
        let driver = if told { state.driver.take() } else { None };
        drop(state);
        wake(flusher);
        wake(driver);
    }

    /// The transport has failed outside of a write; somebody else may be in the middle of one.
    pub(super) fn write_failed(&self, error: io::Error) {
        let mut state = self.lock();
        state.output.write_error.get_or_insert(error);
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }

    /// What the flusher is to do; it will be woken if that is nothing.
    pub(super) fn poll_work(&self, waker: &Waker) -> Work {
        let (work, _old) = self.lock().output.poll_work(waker);
        work
    }

    /// The flusher has ended the stream, or could not.
    pub(super) fn stream_ended(&self, result: io::Result<()>) {
        let mut state = self.lock();
        state.output.end_written = true;
        if let Err(error) = result {
            state.output.write_error.get_or_insert(error);
        }
        let driver = state.driver.take();
        drop(state);
        wake(driver);
    }

    /// Refuses what the peer, or this side, does not allow.
    fn check(&self, request: &OutgoingRequest) -> Result<(), Status> {
        let accounts = self.account.accounts();
        if let Some(refusal) = self.account.refusal() {
            accounts.counts.refused(|refused| &mut refused.memory);
            return Err(refusal);
        }
        let exhausted = |reason: Reason, text| {
            accounts.counts.refused(reason);
            Err(Status::of_call(Code::ResourceExhausted, text).not_executed())
        };
        if self.remote.in_flight == 0 {
            return exhausted(|refused| &mut refused.in_flight, "in_flight: the peer allows 0 calls".to_owned());
        }
        if self.remote.streams == 0 && request.streams() {
            return exhausted(
                |refused| &mut refused.streams,
                "streams: the peer allows no calls with streams".to_owned(),
            );
        }
        let limit = self.remote.max_message.min(self.local.max_message).min(self.remote.request_window);
        let size = request.body.len();
        if size > limit as usize {
            let text = format!("the request has {size} bytes, more than max_message, {limit}");
            return exhausted(|refused| &mut refused.max_message, text);
        }
        if request.metadata.is_empty() {
            return Ok(());
        }
        let (entries, limit) = (request.metadata.len(), self.local.max_metadata);
        if entries > limit {
            let text = format!("the request has {entries} metadata entries, more than max_metadata, {limit}");
            return exhausted(|refused| &mut refused.max_metadata, text);
        }
        let (size, limit) = (request.header_len(), self.remote.max_header.min(self.local.max_header));
        if size > limit as usize {
            let text = format!("the request has a header of {size} bytes, more than max_header, {limit}");
            return exhausted(|refused| &mut refused.max_header, text);
        }
        Ok(())
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
}

impl State {
    /// Decides who writes what was just appended.
    pub(super) fn push(&mut self, inline: bool) -> Push {
        self.output.push(inline, &mut self.calls)
    }

    /// Appends a frame that is always allowed, and sees to it that the flusher writes it.
    pub(super) fn control(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Option<Waker> {
        put(&mut self.output.frames.small);
        self.output.wake_flusher()
    }

    /// Ends the calls whose time has passed. Gives the next deadline, and the waker of the flusher if there is
    /// something to write.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> (Option<Instant>, Option<Waker>) {
        let next = self.calls.expire(now, &mut self.output.frames, wakers);
        let unwritten = self.pump(now) || !self.output.frames.is_empty();
        wakers.append(&mut self.calls.streams.woken);
        (next, if unwritten { self.output.wake_flusher() } else { None })
    }

    /// Sends the calls that waited, as far as there is room now; `false` when nothing waits to be written.
    pub(super) fn pump(&mut self, now: Instant) -> bool {
        if !self.calls.has_queue() {
            return false;
        }
        let State { calls, output, .. } = self;
        let taken = output.taken();
        calls.pump(now, &mut output.frames, taken);
        !output.frames.is_empty()
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

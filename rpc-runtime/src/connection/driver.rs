//! The task that reads, and everything that follows from what was read: outcomes for callers, requests for handlers,
//! the clock, and the end. It never waits for anything but its next wake-up.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::AsyncRead,
    time::{Instant, Sleep},
};

use super::{
    ConnectionState,
    incoming::Incoming,
    liveness::{self, Liveness, Sample, Verdict},
    receive::{Input, Receive},
    serving::{self, Serving},
    shared::{Request, Shared, wake},
};
use crate::{
    status::{Code, Status},
    wire::{self, Frame, GoAwayHeader, Kind},
};

/// A turn of the driver ends after this long, so that other tasks of the worker run.
const TURN: Duration = Duration::from_micros(200);
/// The first reply of a turn waits no longer than this for the others.
const FLUSH: Duration = Duration::from_micros(50);
/// A connection whose owner has left waits this long for the peer's good-bye.
const LINGER: Duration = Duration::from_secs(1);
/// So many reads of a peer that broke the protocol are thrown away in one turn before it is cut off.
const LEAVING_READS: usize = 16;

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) reason: Status,
    /// Calls of the peer that had not been answered.
    pub(crate) unanswered: usize,
}

/// Reads one connection until its end.
pub(super) struct Driver {
    shared: Arc<Shared>,
    reader: Box<dyn AsyncRead + Send + Unpin>,
    receive: Receive,
    incoming: Incoming,
    serving: Serving,
    liveness: Liveness,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the connection at work is looked at next.
    tick_at: Option<Instant>,
    first_reply_at: Option<Instant>,
    /// The newest Ping that was not answered.
    pong: Option<u64>,
    /// Where the last Pong stands in the output.
    pong_position: u64,
    faults: u32,
    /// Taken from the shared state, and empty but for a moment.
    finished: Vec<u64>,
    request: Request,
    goodbye: Goodbye,
}

/// How far both sides are with ending the connection.
#[derive(Debug, Default)]
struct Goodbye {
    /// GoAway was sent, GoAway came.
    sent: bool,
    received: Option<Status>,
    /// The peer said that it leaves at once.
    fatal: bool,
    /// The peer's stream has ended.
    end_read: bool,
    /// Ours is to end once all is written.
    end_asked: bool,
    /// Then it is over, whatever the peer does.
    by: Option<Instant>,
    /// The peer broke the protocol: only the news of that is still written.
    broken: Option<Status>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, reader: Box<dyn AsyncRead + Send + Unpin>, serving: Serving) -> Self {
        Self {
            reader,
            receive: Receive::default(),
            incoming: Incoming::new(Arc::clone(&shared)),
            serving,
            liveness: Liveness::new(Instant::now()),
            sleep: None,
            tick_at: None,
            first_reply_at: None,
            pong: None,
            pong_position: 0,
            faults: 0,
            finished: Vec::new(),
            request: Request::Run,
            goodbye: Goodbye::default(),
            shared,
        }
    }

    /// One turn; ready with the reason when the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        if let Some(reason) = self.goodbye.broken.clone() {
            return self.leave(cx, &reason);
        }
        let began = Instant::now();
        self.serving.set_now(began);
        let broken = self.look(cx.waker());
        self.on_request_of_owner(began)?;
        self.serving.begin_turn();
        while self.serving.poll_woken() {
            if self.after_work(began) {
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.read(cx, began)?;
        if self.goodbye.broken.is_some() {
            cx.waker().wake_by_ref();
            return Ok(());
        }
        if let Some(status) = broken {
            // What the peer had said was read before: it may name a better reason.
            return Err(self.goodbye.received.take().unwrap_or(status));
        }
        while self.serving.start_waiting() {
            if self.after_work(began) {
                cx.waker().wake_by_ref();
                break;
            }
        }
        self.end_if_done(began)?;
        self.flush();
        self.look_at_clock(cx)?;
        // A new task runs next on this worker, before which tokio wakes no other worker to look after input. If it
        // blocks, nobody would; whoever yields is noticed.
        if self.serving.is_woken(cx.waker()) || self.serving.has_handed_over() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Leaves the waker in the shared state and takes note of what others left there. Gives the reason when the
    /// transport does not take output any more.
    fn look(&mut self, waker: &Waker) -> Option<Status> {
        let mut state = self.shared.lock();
        let old = match &state.driver {
            Some(old) if old.will_wake(waker) => None,
            _ => state.driver.replace(waker.clone()),
        };
        self.request = state.request;
        let broken = state.write_error.as_ref().map(|error| format!("writing failed: {error}"));
        drop(state);
        drop(old);
        self.take_note();
        broken.map(|text| self.lost(&text))
    }

    /// Takes note of what has left and which handler tasks are done. Before each block of input: what a peer sends
    /// may rest on what it has got since the last one.
    fn take_note(&mut self) {
        self.serving.set_now(Instant::now());
        let mut state = self.shared.lock();
        std::mem::swap(&mut state.finished, &mut self.finished);
        self.serving.choked = state.unsent() >= self.shared.local.unsent_responses;
        self.serving.unsent_terminals = state.unsent_terminals();
        drop(state);
        self.serving.on_finished(&mut self.finished);
    }

    fn on_request_of_owner(&mut self, now: Instant) -> Result<(), Status> {
        match self.request {
            Request::Run => {}
            Request::Drain => {
                self.serving.draining = true;
                self.say_goodbye("shutting down");
            }
            Request::Close => {
                self.serving.draining = true;
                if self.goodbye.by.is_none() {
                    self.goodbye.by = Some(now + LINGER);
                    self.serving.stop_all(&Status::of_call(Code::Unavailable, "the connection is closed by its owner"));
                }
                self.say_goodbye("closing");
            }
            Request::Abort => return Err(self.lost("it was cut off here")),
        }
        Ok(())
    }

    /// Reads and takes apart until there is nothing more, or the turn is over.
    fn read(&mut self, cx: &mut Context<'_>, began: Instant) -> Result<(), Status> {
        loop {
            match self.take_input(began) {
                Ok(true) => {}
                Ok(false) => {
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
                Err(text) => {
                    self.break_off(&text);
                    return Ok(());
                }
            }
            if self.goodbye.end_read {
                return Ok(());
            }
            match self.receive.poll_read(cx, &mut *self.reader) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => self.on_end_of_stream()?,
                Poll::Ready(Ok(_)) => self.take_note(),
                Poll::Ready(Err(error)) => {
                    let text = format!("reading failed: {error}");
                    return Err(self.goodbye.received.take().unwrap_or_else(|| self.lost(&text)));
                }
            }
        }
    }

    /// Takes apart what was read; `false` when the turn is over before that is done.
    fn take_input(&mut self, began: Instant) -> Result<bool, String> {
        let mut receive = std::mem::take(&mut self.receive);
        let taken = self.take_frames(&mut receive, began);
        self.receive = receive;
        taken
    }

    fn take_frames(&mut self, receive: &mut Receive, began: Instant) -> Result<bool, String> {
        let max_header = self.shared.local.max_header as usize;
        let mut ahead = None;
        loop {
            let input = match ahead.take() {
                Some(input) => input,
                None => receive.next(max_header).map_err(|error| error.to_string())?,
            };
            let verdict = match input {
                Input::Empty => return Ok(true),
                Input::HeaderTooLong { kind: Kind::Request, id, header, body, .. } => {
                    self.serving.on_long_header(id, header, body)
                }
                Input::HeaderTooLong { kind: Kind::Response, id, more, header, .. } => {
                    self.incoming.on_long_header(id, more, header, self.serving.now())
                }
                Input::HeaderTooLong { .. } => serving::Verdict::Fault,
                Input::Frame(at) if at.kind() == Kind::Response => {
                    let taken = self.incoming.take_responses(receive, at, self.serving.now());
                    let (verdict, next) = taken.map_err(|error| error.to_string())?;
                    ahead = next;
                    verdict
                }
                Input::Frame(at) if at.kind() == Kind::Request => self.serving.on_request(&receive.frame(&at)),
                Input::Frame(at) => self.on_other(&receive.frame(&at)),
            };
            self.judge(verdict)?;
            if ahead.is_none() && self.after_work(began) {
                return Ok(false);
            }
        }
    }

    /// Frames that are neither Request nor Response.
    fn on_other(&mut self, frame: &Frame<'_>) -> serving::Verdict {
        match frame.kind {
            Kind::Cancel => self.serving.on_cancel(frame.id),
            Kind::Ping => self.pong = Some(frame.id),
            Kind::Credit => return self.incoming.on_credit(frame.id, frame.body, self.serving.now()),
            Kind::GoAway => {
                let Ok(header) = GoAwayHeader::decode(frame.header) else { return serving::Verdict::Fault };
                self.on_go_away(&header);
            }
            // Nothing of streams was granted, so none is open: such a frame is late or a mistake.
            Kind::Message => return self.incoming.on_unknown_stream(),
            Kind::End => return self.incoming.on_end(frame, self.serving.now()),
            Kind::Pong | Kind::Request | Kind::Response => {}
        }
        serving::Verdict::Fine
    }

    fn on_go_away(&mut self, header: &GoAwayHeader) {
        self.goodbye.fatal = header.code != Code::Ok;
        let text = if self.goodbye.fatal {
            format!("the connection was lost: the peer ended it: {}: {}", header.code, header.message)
        } else {
            format!("the peer takes no further calls: {}", header.message)
        };
        let status = Status::of_call(Code::Unavailable, text).at(&self.shared.peer.address);
        let mut wakers = Vec::new();
        self.shared.lock().calls.refuse_new(&status, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.received = Some(status);
        self.shared.watch.send_if_modified(|state| {
            let ready = *state == ConnectionState::Ready;
            if ready {
                *state = ConnectionState::Draining;
            }
            ready
        });
    }

    fn on_end_of_stream(&mut self) -> Result<(), Status> {
        match self.goodbye.received.clone() {
            None => return Err(self.lost("the peer closed it without a good-bye")),
            Some(reason) if self.goodbye.fatal => return Err(reason),
            Some(_) => {}
        }
        self.goodbye.end_read = true;
        // No answer can come any more; the peer's own calls are still answered.
        let lost = self.lost("the peer ended its stream before it answered");
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        let accepted = state.accepted();
        state.calls.terminate(&lost, accepted, &mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Looks at the time between two pieces of work: replies do not wait long, and a turn ends. `true` when it does.
    fn after_work(&mut self, began: Instant) -> bool {
        let now = self.serving.now();
        if !self.serving.replies.is_empty() {
            let first = *self.first_reply_at.get_or_insert(now);
            if now - first >= FLUSH {
                self.flush();
            }
        }
        now - began >= TURN
    }

    fn judge(&mut self, verdict: serving::Verdict) -> Result<(), String> {
        match verdict {
            serving::Verdict::Fine => Ok(()),
            serving::Verdict::Broken(text) => Err(text),
            serving::Verdict::Fault => {
                self.faults += 1;
                let limit = self.shared.local.protocol_errors;
                if self.faults <= limit {
                    return Ok(());
                }
                let count = self.faults;
                Err(format!("protocol_errors: {count} faults, the limit is {limit}"))
            }
        }
    }

    /// Hands the replies of this turn over and writes them, as far as the transport takes them at once.
    fn flush(&mut self) {
        self.first_reply_at = None;
        if self.serving.replies.is_empty() && self.pong.is_none() {
            return;
        }
        let mut state = self.shared.lock();
        state.hand_over(&mut self.serving.replies, std::mem::take(&mut self.serving.replied));
        if self.pong.is_some() && state.accepted() >= self.pong_position {
            if let Some(token) = self.pong.take() {
                wire::put_pong(&mut state.frames.small, token);
                self.pong_position = state.position();
            }
        }
        let push = state.push(true);
        drop(state);
        self.shared.act(push);
        // The time of the write is no handler's.
        self.serving.set_now(Instant::now());
    }

    /// Says once that this side takes no further calls. Behind its last request: GoAway waits for large ones.
    fn say_goodbye(&mut self, reason: &str) {
        if self.goodbye.sent {
            return;
        }
        let mut state = self.shared.lock();
        if state.frames.has_large() {
            state.driver_awaits_unsent = Some(usize::MAX);
            return;
        }
        // Whoever says good-bye sends no further requests either.
        let mut wakers = Vec::new();
        let leaving = Status::of_call(Code::Unavailable, "no further calls: this side is shutting down");
        state.calls.refuse_new(&leaving, &mut wakers);
        wakers.extend(state.control(|out| wire::put_go_away(out, Code::Ok, reason)));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.sent = true;
        self.shared.watch.send_if_modified(|state| {
            let ready = *state == ConnectionState::Ready;
            if ready {
                *state = ConnectionState::Draining;
            }
            ready
        });
    }

    /// Ends our stream when both sides have said good-bye and every call has its terminal frame, and the connection
    /// when the peer's stream has ended too.
    fn end_if_done(&mut self, now: Instant) -> Result<(), Status> {
        if self.goodbye.received.is_some() {
            self.say_goodbye("the peer is leaving");
        }
        if !self.goodbye.sent && self.goodbye.by.is_none() {
            return Ok(());
        }
        let over = || self.goodbye.received.clone().unwrap_or_else(|| self.lost("it was closed here"));
        if self.goodbye.by.is_some_and(|by| by <= now) {
            return Err(over());
        }
        let mut state = self.shared.lock();
        let done = self.goodbye.sent
            && self.goodbye.received.is_some()
            && self.serving.is_empty()
            && self.serving.replies.is_empty()
            && state.calls.is_idle();
        if done && !self.goodbye.end_asked {
            self.goodbye.end_asked = true;
            state.end_of_stream = true;
            let waker = state.wake_flusher();
            drop(state);
            wake(waker);
            self.goodbye.by.get_or_insert(now + LINGER);
            return Ok(());
        }
        if self.goodbye.end_read && state.end_written {
            drop(state);
            return Err(over());
        }
        Ok(())
    }

    /// Ends what is due, judges the peer, and sees to it that the driver is woken in time for the next.
    fn look_at_clock(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        loop {
            let target = self.arm();
            let Some(target) = target else { return Ok(()) };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(target)));
            if sleep.deadline() > target || sleep.is_elapsed() {
                sleep.as_mut().reset(target);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            self.on_time(Instant::now())?;
        }
    }

    /// When the driver has to look at the clock next.
    fn arm(&mut self) -> Option<Instant> {
        let mut state = self.shared.lock();
        let active = self.is_active(&state);
        state.driver_awaits_handlers =
            self.serving.has_waiting() || self.serving.draining || self.goodbye.received.is_some();
        state.driver_awaits_unsent = if self.pong.is_some() {
            Some(usize::MAX)
        } else if self.serving.choked {
            Some(self.shared.local.unsent_responses)
        } else {
            state.driver_awaits_unsent.filter(|_| !self.goodbye.sent)
        };
        if active && self.tick_at.is_none() {
            self.tick_at = Some(self.serving.now() + liveness::tick(&self.shared.local));
        }
        let wishes = [state.armed, self.serving.earliest(), self.tick_at, self.goodbye.by];
        state.armed = wishes.into_iter().flatten().min();
        state.armed
    }

    fn on_time(&mut self, now: Instant) -> Result<(), Status> {
        self.serving.set_now(now);
        self.serving.expire(now);
        self.end_if_done(now)?;
        self.flush();
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        let (next, waker) = state.expire(now, &mut wakers);
        state.armed = next;
        let ticked = self.tick_at.is_some_and(|tick_at| tick_at <= now);
        let active = self.is_active(&state);
        if ticked {
            self.tick_at = None;
        }
        let sample = Sample {
            received: self.receive.received(),
            accepted: state.accepted(),
            unsent: state.unsent() > 0,
            partial: self.receive.is_partial(),
            oldest_part: [self.serving.oldest_part(), self.incoming.oldest_part()].into_iter().flatten().min(),
            active: state.calls.in_flight() > 0 || !self.serving.is_empty(),
        };
        if !active {
            state.shrink();
            self.serving.shrink();
        }
        drop(state);
        wake(waker);
        wakers.into_iter().for_each(Waker::wake);
        match self.liveness.check(now, sample, &self.shared.local) {
            Verdict::Fine => Ok(()),
            Verdict::Dead(text) => Err(self.lost(&text)),
            Verdict::Probe => {
                let waker = self.shared.lock().control(|out| wire::put_ping(out, 0));
                wake(waker);
                Ok(())
            }
        }
    }

    /// Whether there is anything that has to go on.
    fn is_active(&self, state: &super::shared::State) -> bool {
        !state.calls.is_idle() || !self.serving.is_empty() || state.unsent() > 0 || self.receive.is_partial()
    }

    fn lost(&self, text: &str) -> Status {
        Status::of_call(Code::Unavailable, format!("the connection was lost: {text}")).at(&self.shared.peer.address)
    }

    /// The peer broke the protocol: it is told, and everything else is over.
    fn break_off(&mut self, text: &str) {
        let reason = self.lost(&format!("the peer broke the protocol: {text}"));
        tracing::warn!("{reason}");
        self.serving.stop_all(&reason);
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        let accepted = state.accepted();
        state.calls.terminate(&reason, accepted, &mut wakers);
        wire::put_go_away(&mut state.frames.small, Code::Internal, text);
        state.end_of_stream = true;
        wakers.extend(state.wake_flusher());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.by = Some(self.serving.now() + LINGER);
        self.goodbye.broken = Some(reason);
    }

    /// A turn of a connection of which the peer broke the protocol: what it sends is thrown away, so that it can
    /// read why, until it ends its stream or its time is over.
    fn leave(&mut self, cx: &mut Context<'_>, reason: &Status) -> Result<(), Status> {
        let broken = self.look(cx.waker());
        if broken.is_some() || self.goodbye.by.is_some_and(|by| by <= Instant::now()) {
            return Err(reason.clone());
        }
        for _ in 0..LEAVING_READS {
            match self.receive.poll_read(cx, &mut *self.reader) {
                Poll::Pending => return self.look_at_clock(cx),
                Poll::Ready(Ok(0) | Err(_)) => return Err(reason.clone()),
                Poll::Ready(Ok(_)) => self.receive.discard(),
            }
        }
        Err(reason.clone())
    }
}

impl Future for Driver {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        match this.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(reason) => {
                this.shared.terminate(&reason);
                Poll::Ready(Ended { reason, unanswered: this.serving.len() })
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let reason = self.lost("its task was ended");
        self.shared.terminate(&reason);
    }
}

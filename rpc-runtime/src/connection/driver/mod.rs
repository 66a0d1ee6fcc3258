//! The task that reads, and everything that follows from what was read: outcomes for callers, requests for handlers,
//! the clock, and the end. It never waits for anything but its next wake-up, and runs no user code.

mod clock;
mod goodbye;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use clock::Clock;
use goodbye::Goodbye;
use tokio::{io::AsyncRead, time::Instant};

use super::{
    accounts::{Part, Told},
    incoming::Incoming,
    receive::{Input, Receive},
    serving::{Admission, Serving, Verdict},
    shared::{Request, Shared},
    stats::Stats,
    stream_frames::{StreamFrames, Trouble},
};
use crate::{
    status::{Code, Status},
    wire::{self, Frame, GoAwayHeader, Kind},
};

/// A turn of the driver ends after this long, so that other tasks of the worker run.
const TURN: Duration = Duration::from_micros(200);

/// What may come of messages before it is told, within a block of input.
const LEAP: usize = 1 << 20;

/// So long at most is waited for those who were told to go, each of which needs a turn: a thread may be stuck in code
/// of users.
const GIVING_BACK: Duration = Duration::from_millis(100);

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
    stream_frames: StreamFrames,
    serving: Arc<Serving>,
    admission: Admission,
    clock: Clock,
    /// The newest Ping that was not answered.
    pong: Option<u64>,
    /// Where the last Pong stands in the output.
    pong_position: u64,
    faults: u32,
    /// What was told of the memory of partial frames and messages.
    told: Told,
    /// This connection was told to go: nothing more is read.
    evicted: bool,
    /// Since when nothing is read because others are to give back first.
    held_back_since: Option<Instant>,
    /// Among all connections of this end.
    number: u64,
    goodbye: Goodbye,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, reader: Box<dyn AsyncRead + Send + Unpin>, serving: Arc<Serving>) -> Self {
        let account = &shared.account;
        let number = account.accounts().enter(account, Arc::downgrade(&serving));
        Self {
            reader,
            receive: Receive::default(),
            incoming: Incoming::new(Arc::clone(&shared)),
            stream_frames: StreamFrames::new(Arc::clone(&shared)),
            admission: Admission::new(Arc::clone(&serving)),
            serving,
            clock: Clock::new(Instant::now()),
            pong: None,
            pong_position: 0,
            faults: 0,
            told: Told::new(Part::Input),
            evicted: false,
            held_back_since: None,
            number,
            goodbye: Goodbye::default(),
            shared,
        }
    }

    /// One turn; fails with the reason when the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        if let Some(reason) = self.goodbye.broken.clone() {
            return self.leave(cx, &reason);
        }
        let began = Instant::now();
        self.admission.now = began;
        let (request, write_error) = self.look(cx.waker());
        self.on_request_of_owner(request, began)?;
        if self.goodbye.broken.is_none() {
            self.read(cx, began)?;
        }
        if self.goodbye.broken.is_some() {
            cx.waker().wake_by_ref();
            return Ok(());
        }
        if let Some(text) = write_error {
            // What the peer had said was read before: it may name a better reason.
            return Err(self.goodbye.received.take().unwrap_or_else(|| self.lost(&text)));
        }
        self.answer_ping();
        self.serving.flush();
        if self.shared.account.accounts().is_full() {
            self.relieve(0);
        }
        self.end_if_done(began)?;
        self.look_at_clock(cx)?;
        if self.is_overtaken() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Leaves the waker in the shared state and takes note of what others left there.
    fn look(&mut self, waker: &Waker) -> (Request, Option<String>) {
        let mut state = self.shared.lock();
        let old = match &state.driver {
            Some(old) if old.will_wake(waker) => None,
            _ => state.driver.replace(waker.clone()),
        };
        let request = state.request;
        let write_error = state.output.write_error.as_ref().map(|error| format!("writing failed: {error}"));
        drop(state);
        drop(old);
        self.take_note();
        (request, write_error)
    }

    /// Takes note of what has left and which calls are open. Before each block of input: what a peer sends may rest
    /// on what it has got since the last one.
    fn take_note(&mut self) {
        let mut state = self.shared.lock();
        let unsent_terminals = state.output.unsent_terminals();
        let woken = std::mem::take(&mut state.calls.streams.woken);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        // In this order: a terminal frame that is handed over between the two is then not counted twice.
        self.admission.set_open(unsent_terminals);
        self.serving.look_at_output();
    }

    /// Reads and takes apart until there is nothing more, or the turn is over.
    fn read(&mut self, cx: &mut Context<'_>, began: Instant) -> Result<(), Status> {
        loop {
            if self.is_held_back() {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            match self.take_input() {
                Ok(()) => {}
                Err(text) => {
                    self.break_off(&text);
                    return Ok(());
                }
            }
            if self.tell() {
                self.relieve(0);
            }
            if self.evicted {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            if self.goodbye.end_read {
                return Ok(());
            }
            if self.receive.has_input() || self.is_held_back() {
                continue;
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
            let now = Instant::now();
            self.admission.now = now;
            if now - began >= TURN {
                cx.waker().wake_by_ref();
                // What was read is taken apart now: it is a block at most.
                if let Err(text) = self.take_input() {
                    self.break_off(&text);
                }
                return Ok(());
            }
        }
    }

    /// Takes apart what was read. Fails with what the peer did wrong.
    fn take_input(&mut self) -> Result<(), String> {
        let mut receive = std::mem::take(&mut self.receive);
        let taken = self.take_frames(&mut receive);
        self.receive = receive;
        taken?;
        let verdict = self.admission.commit();
        self.judge(verdict)
    }

    /// Tells what has come of frames and messages that are not whole. `true`: there is no memory any more.
    fn tell(&mut self) -> bool {
        let ignored = self.receive.take_ignored();
        let account = &self.shared.account;
        if ignored > 0 {
            account.accounts().counts.note(|counted| counted.unknown_frames += ignored);
        }
        self.told.tell(account, self.receive.held() + self.messages_held())
    }

    /// The memory of messages of which parts are still to come.
    fn messages_held(&self) -> usize {
        self.incoming.held() + self.admission.held() + self.stream_frames.held()
    }

    /// Closes who holds most: at least so many, and more when there is no memory any more.
    fn relieve(&mut self, least: usize) {
        let account = &self.shared.account;
        let leaving = account.accounts().relieve(least);
        leaving.iter().filter_map(Weak::upgrade).for_each(|serving| serving.evict());
        self.evicted = account.is_leaving();
    }

    /// Whether to take nothing more for now: what others give back, who were told to go, would be taken before they do.
    /// Who holds nothing is read on, as long as those who go are not too slow.
    fn is_held_back(&mut self) -> bool {
        let account = &self.shared.account;
        let accounts = account.accounts();
        if !accounts.is_giving_back() || (account.holds() == 0 && !accounts.is_over()) {
            self.held_back_since = None;
            return false;
        }
        let now = Instant::now();
        now - *self.held_back_since.get_or_insert(now) < GIVING_BACK
    }

    fn take_frames(&mut self, receive: &mut Receive) -> Result<(), String> {
        let max_header = self.shared.local.max_header as usize;
        let mut ahead = None;
        loop {
            let input = match ahead.take() {
                Some(input) => input,
                None => receive.next(max_header).map_err(|error| error.to_string())?,
            };
            let verdict = match input {
                Input::Empty => return Ok(()),
                Input::HeaderTooLong { kind: Kind::Request, .. } if self.goodbye.received.is_some() => late_request(),
                Input::Frame(at) if at.kind() == Kind::Request && self.goodbye.received.is_some() => late_request(),
                Input::HeaderTooLong { kind: Kind::Request, id, header, body, .. } => {
                    self.admission.on_long_header(id, header, body)
                }
                Input::HeaderTooLong { kind: Kind::End, id, header, .. } if !self.shared.opens(id) => {
                    self.on_long_end(id, header)
                }
                Input::HeaderTooLong { kind: Kind::Response | Kind::End, id, more, header, .. } => {
                    self.incoming.on_long_header(id, more, header, self.admission.now)
                }
                Input::HeaderTooLong { kind, header, .. } => {
                    Verdict::Broken(format!("a {kind} frame with a header of {header} bytes"))
                }
                Input::Frame(at) if at.kind() == Kind::Request => self.admission.on_request(&receive.frame(&at)),
                Input::Frame(at) if at.kind() == Kind::Response => {
                    let taken = self.incoming.take_responses(receive, at, self.admission.now);
                    let (verdict, next) = taken.map_err(|error| error.to_string())?;
                    ahead = next;
                    verdict
                }
                Input::Frame(at) => self.on_other(&receive.frame(&at)),
            };
            self.judge(verdict)?;
            // Within a block, too: a part of a byte may double what its message holds.
            if self.messages_held() >= self.told.bytes() + LEAP {
                if self.tell() {
                    self.relieve(0);
                }
                // One that is held back goes on with the rest of the block later.
                if self.evicted || (ahead.is_none() && self.is_held_back()) {
                    return Ok(());
                }
            }
        }
    }

    /// Frames that are neither Request nor Response.
    fn on_other(&mut self, frame: &Frame<'_>) -> Verdict {
        match frame.kind {
            Kind::Cancel if self.shared.opens(frame.id) => self.stream_frames.on_stop(frame.id),
            Kind::Cancel => {
                self.stream_frames.forget(frame.id);
                return self.admission.on_cancel(frame.id);
            }
            Kind::Ping => self.pong = Some(frame.id),
            Kind::Credit if frame.id == 0 => return self.incoming.on_credit(frame.body, self.admission.now),
            Kind::Message if frame.id == 0 => return Verdict::Fault,
            Kind::Credit | Kind::Message => return self.on_stream(frame),
            Kind::GoAway => {
                let header = match GoAwayHeader::decode(frame.header) {
                    Ok(header) => header,
                    Err(error) => return Verdict::Broken(format!("a goaway frame is refused: {error}")),
                };
                return self.on_go_away(&header);
            }
            Kind::End if self.shared.opens(frame.id) || frame.id == 0 => {
                self.stream_frames.forget(frame.id);
                return self.incoming.on_end(frame, self.admission.now);
            }
            Kind::End => return self.on_stream(frame),
            Kind::Pong | Kind::Request | Kind::Response => {}
        }
        Verdict::Fine
    }

    /// Frames of streams.
    fn on_stream(&mut self, frame: &Frame<'_>) -> Verdict {
        // It may be about a request that came in the same block.
        let committed = self.admission.commit();
        if !matches!(committed, Verdict::Fine) {
            return committed;
        }
        let is_items = matches!(frame.kind, Kind::Message | Kind::End);
        if is_items && self.admission.takes_no_items(frame.id) {
            let text = "items came for a call that takes none";
            self.admission.stop(frame.id, &Status::of_call(Code::Internal, text));
            return Verdict::Fault;
        }
        let done = match frame.kind {
            Kind::Message => self.stream_frames.on_message(frame, self.admission.now),
            Kind::End => self.stream_frames.on_end(frame),
            _ => match wire::credit_increment(frame.body) {
                Some(increment) => self.stream_frames.on_credit(frame.id, increment),
                None => return Verdict::Fault,
            },
        };
        match done {
            Ok(()) => Verdict::Fine,
            Err(Trouble::Stray) => Verdict::Fault,
            Err(Trouble::Connection(text)) => Verdict::Broken(text),
            Err(Trouble::Call(status)) => {
                self.stream_frames.skip_parts(frame);
                if self.shared.opens(frame.id) {
                    self.shared.fail_and_cancel(frame.id, status);
                } else {
                    self.admission.stop(frame.id, &status);
                }
                Verdict::Fault
            }
        }
    }

    /// The end of a caller's items, with a header above the limit.
    fn on_long_end(&mut self, id: u64, header: usize) -> Verdict {
        let committed = self.admission.commit();
        if !matches!(committed, Verdict::Fine) {
            return committed;
        }
        let limit = self.shared.local.max_header;
        let text = format!("the end of the caller's items has a header of {header} bytes, above max_header, {limit}");
        self.admission.stop(id, &Status::of_call(Code::ResourceExhausted, text));
        Verdict::Fault
    }

    fn judge(&mut self, verdict: Verdict) -> Result<(), String> {
        match verdict {
            Verdict::Fine => Ok(()),
            Verdict::Broken(text) => Err(text),
            Verdict::Fault => {
                self.faults += 1;
                self.shared.account.accounts().counts.note(|counted| counted.protocol_faults += 1);
                let limit = self.shared.local.protocol_errors;
                if self.faults <= limit {
                    return Ok(());
                }
                let count = self.faults;
                Err(format!("protocol_errors: {count} faults, the limit is {limit}"))
            }
        }
    }

    /// Answers the newest Ping, unless an earlier Pong has not left yet.
    fn answer_ping(&mut self) {
        let Some(token) = self.pong else { return };
        let mut state = self.shared.lock();
        if state.output.accepted() < self.pong_position {
            return;
        }
        wire::put_pong(&mut state.output.frames.small, token);
        self.pong_position = state.output.position();
        let push = state.push(true);
        drop(state);
        self.pong = None;
        self.shared.act(push);
    }

    /// Whether what the driver waits for came before it said so, or by what it did.
    fn is_overtaken(&self) -> bool {
        let mut state = self.shared.lock();
        self.shared.weigh(&mut state) || (self.pong.is_some() && state.output.accepted() >= self.pong_position)
    }
}

fn late_request() -> Verdict {
    Verdict::Broken("a request behind its sender's goaway frame".to_owned())
}

impl Future for Driver {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        match this.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(reason) => {
                let unanswered = this.serving.open() as usize + this.admission.len();
                this.shared.terminate(&reason);
                this.serving.close();
                Poll::Ready(Ended { reason, unanswered })
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let reason = self.lost("its task was ended");
        self.shared.terminate(&reason);
        self.serving.close();
        self.discard_input();
        let sums = self.serving.count_into(&mut Stats::default());
        self.shared.account.accounts().exit(self.number, &sums);
        // Nobody can tell it to go any more.
        self.shared.account.has_given_back();
    }
}

//! The end of a connection: GoAway both ways, then the end of both streams; or at once, when the peer breaks the
//! protocol, breaks off, or the owner has had enough.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::Driver;
use crate::{
    call::Answer,
    connection::{
        ConnectionState,
        serving::Verdict,
        shared::{Request, State, wake},
    },
    status::{Code, Status},
    wire::{self, GoAwayHeader},
};

/// A connection whose owner has left waits this long for the peer's good-bye.
const LINGER: Duration = Duration::from_secs(1);
/// What the frame of a last word has beside its text, at most.
const LAST_WORDS: usize = 64;
/// So many reads of a peer that broke the protocol are thrown away in one turn before it is cut off.
const LEAVING_READS: usize = 16;

/// How far both sides are with ending the connection.
#[derive(Debug, Default)]
pub(super) struct Goodbye {
    /// GoAway was sent, GoAway came.
    pub(super) sent: bool,
    pub(super) received: Option<Status>,
    /// The peer said that it leaves at once.
    fatal: bool,
    /// The peer's stream has ended.
    pub(super) end_read: bool,
    /// Ours is to end once all is written.
    end_asked: bool,
    /// Then it is over, whatever the peer does.
    pub(super) by: Option<Instant>,
    /// The peer broke the protocol, or holds too much: only the news of that is still written.
    pub(super) broken: Option<Status>,
}

impl Driver {
    pub(super) fn on_request_of_owner(&mut self, request: Request, now: Instant) -> Result<(), Status> {
        match request {
            Request::Run => {}
            Request::Drain => {
                self.admission.draining = true;
                self.say_goodbye("shutting down");
            }
            Request::Close => {
                self.admission.draining = true;
                if self.goodbye.by.is_none() {
                    self.goodbye.by = Some(now + LINGER);
                    self.admission
                        .stop_all(&Status::of_call(Code::Unavailable, "the connection is closed by its owner"));
                }
                self.say_goodbye("closing");
            }
            Request::Evict => {
                let text = self.shared.account.accounts().eviction();
                let reason = Status::of_call(Code::ResourceExhausted, format!("the connection was closed: {text}"));
                self.shared.account.accounts().counts.note(|counted| counted.closed.memory += 1);
                self.part(reason.at(&self.shared.peer.address), Code::ResourceExhausted, &text);
                // What a write is in the midst of stays until the end: of a peer that does not read that is now.
                if self.shared.lock().output.unsent() > text.len() + LAST_WORDS {
                    self.goodbye.by = Some(now);
                }
            }
            Request::Abort => {
                let why = self.shared.lock().why.take().unwrap_or_else(|| "it was cut off here".to_owned());
                self.last_word(Code::Unavailable, &why);
                return Err(self.lost(&why));
            }
        }
        Ok(())
    }

    pub(super) fn on_go_away(&mut self, header: &GoAwayHeader) -> Verdict {
        if header.code == Code::Ok && self.goodbye.received.is_some() {
            return Verdict::Broken("a second goaway frame".to_owned());
        }
        self.goodbye.fatal = header.code != Code::Ok;
        // It is logged, and of the peer's making.
        let message = header.message.replace(char::is_control, " ");
        let text = if self.goodbye.fatal {
            format!("the connection was lost: the peer ended it: {}: {message}", header.code)
        } else {
            format!("the peer takes no further calls: {message}")
        };
        let status = Status::of_call(Code::Unavailable, text).at(&self.shared.peer.address);
        let mut wakers = Vec::new();
        self.shared.lock().calls.refuse_new(&status, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.received = Some(status);
        self.tell_draining();
        Verdict::Fine
    }

    pub(super) fn on_end_of_stream(&mut self) -> Result<(), Status> {
        match self.goodbye.received.clone() {
            None => return Err(self.lost("the peer closed it without a good-bye")),
            Some(reason) if self.goodbye.fatal => return Err(reason),
            Some(_) if self.receive.is_partial() => return Err(self.lost("the peer closed it within a frame")),
            Some(_) => {}
        }
        self.goodbye.end_read = true;
        // No answer can come any more; the peer's own calls are still answered.
        let lost = self.lost("the peer ended its stream before it answered");
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        let State { calls, output, .. } = &mut *state;
        calls.streams.cut_served(|| Answer::of_status(lost.clone()));
        calls.hang_up(&lost, &mut output.frames, &mut wakers);
        wakers.extend(output.wake_flusher());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Ends our stream when both sides have said good-bye and every call has its terminal frame, and the connection
    /// when the peer's stream has ended too.
    pub(super) fn end_if_done(&mut self, now: Instant) -> Result<(), Status> {
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
        // A reply that is on its way from the table to the output is in neither: so both are counted.
        let answered = state.output.answered() >= self.admission.opened;
        state.driver_awaits_handlers = !answered;
        let both = self.goodbye.sent && self.goodbye.received.is_some();
        if both && answered && state.calls.is_idle() && !self.goodbye.end_asked {
            self.goodbye.end_asked = true;
            state.output.end_of_stream = true;
            let flusher = state.output.wake_flusher();
            drop(state);
            wake(flusher);
            self.goodbye.by.get_or_insert(now + LINGER);
            return Ok(());
        }
        if self.goodbye.end_read && state.output.end_written {
            drop(state);
            return Err(over());
        }
        Ok(())
    }

    /// The peer broke the protocol: it is told, and everything else is over.
    pub(super) fn break_off(&mut self, text: &str) {
        self.shared.account.accounts().counts.note(|counted| counted.closed.protocol += 1);
        self.part(self.lost(&format!("the peer broke the protocol: {text}")), Code::Internal, text);
    }

    /// The peer is told why, and everything else is over.
    fn part(&mut self, reason: Status, code: Code, text: &str) {
        tracing::warn!("{reason}");
        self.serving.close();
        self.discard_input();
        self.pong = None;
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        // Only the news is still written: a request that nobody began to write never leaves.
        let unwritten = std::mem::take(&mut state.output.frames);
        let written = state.output.position();
        state.calls.terminate(&reason, written, &mut wakers);
        wire::put_go_away(&mut state.output.frames.small, code, text);
        state.output.end_of_stream = true;
        state.output.shrink();
        wakers.extend(state.output.wake_flusher());
        self.shared.weigh(&mut state);
        drop(state);
        drop(unwritten);
        self.shared.account.has_given_back();
        // The peer may take its time to read why; no call goes through from now on.
        self.shared.tell_closed(&reason);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.by = Some(self.admission.now + LINGER);
        self.goodbye.broken = Some(reason);
    }

    /// A turn of a connection of which the peer broke the protocol: what it sends is thrown away, so that it can
    /// read why, until it ends its stream or its time is over.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, reason: &Status) -> Result<(), Status> {
        let (request, write_error) = self.look(cx.waker());
        let by = self.goodbye.by.is_some_and(|by| by <= Instant::now());
        if write_error.is_some() || by || request == Request::Abort {
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

    /// Tells the peer why the connection ends, if the transport takes that at once: nobody waits for it any more.
    pub(super) fn last_word(&mut self, code: Code, text: &str) {
        let mut state = self.shared.lock();
        if state.output.takes_no_replies() {
            return;
        }
        // Small answers still leave; of large messages no part would be read behind this.
        let unwritten = state.output.frames.take_large();
        wire::put_go_away(&mut state.output.frames.small, code, text);
        let push = state.push(true);
        drop(state);
        drop(unwritten);
        self.shared.act(push);
    }

    /// Frees what has come and is not whole.
    pub(super) fn discard_input(&mut self) {
        self.receive.discard();
        self.incoming.discard();
        self.stream_frames.discard();
        self.admission.discard();
        self.tell();
    }

    pub(super) fn lost(&self, text: &str) -> Status {
        Status::of_call(Code::Unavailable, format!("the connection was lost: {text}")).at(&self.shared.peer.address)
    }

    /// Says once that this side takes no further calls and sends none. GoAway waits for large requests to leave.
    fn say_goodbye(&mut self, reason: &str) {
        if self.goodbye.sent {
            return;
        }
        let mut state = self.shared.lock();
        if state.output.frames.has_large_requests() {
            state.driver_awaits_write = true;
            return;
        }
        let mut wakers = Vec::new();
        let leaving = Status::of_call(Code::Unavailable, "no further calls: this side is shutting down");
        state.calls.refuse_new(&leaving, &mut wakers);
        wakers.extend(state.control(|out| wire::put_go_away(out, Code::Ok, reason)));
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.goodbye.sent = true;
        self.tell_draining();
    }

    fn tell_draining(&self) {
        self.shared.watch.send_if_modified(|state| {
            let ready = *state == ConnectionState::Ready;
            if ready {
                *state = ConnectionState::Draining;
            }
            ready
        });
    }
}

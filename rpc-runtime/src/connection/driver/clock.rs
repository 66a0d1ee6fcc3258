//! The clock of a connection: one sleep, armed no later than the next thing that is due. Deadlines lie where the calls
//! lie; what is due is found by looking when the sleep ends.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
};

use tokio::time::{Instant, Sleep};

use super::Driver;
use crate::{
    connection::{
        liveness::{self, Liveness, Pulse, Sample},
        shared::{State, wake},
    },
    status::{Code, Status},
    wire,
};

/// When to look at what.
pub(super) struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When the connection at work is looked at next.
    tick_at: Option<Instant>,
    liveness: Liveness,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self { sleep: None, tick_at: None, liveness: Liveness::new(now) }
    }
}

impl Driver {
    /// Ends what is due, judges the peer, and sees to it that the driver is woken in time for the next.
    pub(super) fn look_at_clock(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        loop {
            let Some(target) = self.arm() else { return Ok(()) };
            let sleep = self.clock.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(target)));
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
        let now = self.admission.now;
        let serving = [self.serving.earliest(), self.admission.earliest()];
        let idle = self.serving.is_empty() && self.admission.is_empty();
        let mut state = self.shared.lock();
        if self.clock.tick_at.is_none() && (!idle || self.is_active(&state)) {
            self.clock.tick_at = Some(now + liveness::tick(&self.shared.local));
        }
        let leaving = self.admission.draining || self.goodbye.received.is_some();
        state.driver_awaits_write = self.pong.is_some() || (leaving && !self.goodbye.sent);
        let own = [state.armed, self.clock.tick_at, self.goodbye.by];
        state.armed = own.into_iter().chain(serving).flatten().min();
        state.armed
    }

    /// The sleep has ended: something may be due.
    fn on_time(&mut self, now: Instant) -> Result<(), Status> {
        self.admission.now = now;
        self.admission.expire(now);
        self.serving.flush();
        if self.goodbye.broken.is_none() {
            self.end_if_done(now)?;
        }
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        let (next, flusher) = state.expire(now, &mut wakers);
        state.armed = next;
        drop(state);
        wake(flusher);
        wakers.into_iter().for_each(Waker::wake);
        if self.clock.tick_at.is_some_and(|tick_at| tick_at <= now) {
            self.clock.tick_at = None;
            self.look_at_peer(now)?;
        }
        Ok(())
    }

    /// Judges whether the peer is still there.
    fn look_at_peer(&mut self, now: Instant) -> Result<(), Status> {
        let parts = [self.admission.oldest_part(), self.incoming.oldest_part(), self.stream_frames.oldest_part()];
        let serves = !self.serving.is_empty() || !self.admission.is_empty();
        let mut state = self.shared.lock();
        let sample = Sample {
            received: self.receive.received(),
            accepted: state.output.accepted(),
            unsent: state.output.unsent() > 0,
            partial: self.receive.is_partial(),
            oldest_part: parts.into_iter().flatten().min(),
            // A peer that has ended its stream is silent by right.
            active: !self.goodbye.end_read && (state.calls.in_flight() > 0 || serves),
        };
        let idle = !serves && !self.is_active(&state);
        if idle {
            state.output.shrink();
            state.calls.streams.shrink();
            self.shared.weigh(&mut state);
        }
        drop(state);
        if idle {
            self.serving.shrink();
        }
        if self.shared.account.accounts().is_stuck(now, self.shared.local.stall_timeout) {
            self.relieve(1);
        }
        match self.clock.liveness.check(now, sample, &self.shared.local) {
            Pulse::Fine => Ok(()),
            Pulse::Dead(text) => {
                self.shared.account.accounts().counts.note(|counted| counted.closed.silent += 1);
                self.last_word(Code::Unavailable, &text);
                Err(self.lost(&text))
            }
            Pulse::Probe => {
                let flusher = self.shared.lock().control(|out| wire::put_ping(out, 0));
                wake(flusher);
                Ok(())
            }
        }
    }

    /// Whether there is anything of ours that has to go on.
    fn is_active(&self, state: &State) -> bool {
        !state.calls.is_idle() || state.output.unsent() > 0 || self.receive.is_partial()
    }
}

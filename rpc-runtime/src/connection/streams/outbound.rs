//! One direction of a stream at its sender: what it may still send, and whom to wake when that changes. Pure.

use std::task::Waker;

use super::Faulty;

/// The largest window that a sender can be given, in bytes.
const LARGEST: i64 = i32::MAX as i64;

/// The sending half.
#[derive(Debug)]
pub(in crate::connection) struct Outbound {
    state: State,
    /// What may still be used of the window.
    credit: i64,
    /// Something of it was sent.
    begun: bool,
    /// It waits for the output to have room.
    stalled: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The request has not left.
    Waiting,
    Sending,
    /// Its end was sent, or nobody takes items any more.
    Done,
}

/// What a sender may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::connection) enum Room {
    /// Begin items as long as they cost less than this.
    Open(usize),
    /// Wait: it will be woken.
    None,
    /// Nobody takes items any more.
    Gone,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { state: State::Waiting, credit: 0, begun: false, stalled: false, waker: None }
    }

    /// The request is on its way: items may follow, of this cost.
    pub(super) fn begin(&mut self, window: u32) -> Option<Waker> {
        if self.state == State::Waiting {
            (self.state, self.credit) = (State::Sending, i64::from(window).min(LARGEST));
        }
        self.waker.take()
    }

    pub(super) fn room(&self) -> Room {
        match self.state {
            State::Sending if self.credit > 0 => Room::Open(self.credit as usize),
            State::Waiting | State::Sending => Room::None,
            State::Done => Room::Gone,
        }
    }

    /// Who sends is to be told with this waker of more room, or of the end. Gives the one that it replaces.
    pub(super) fn wait(&mut self, waker: Waker) -> Option<Waker> {
        self.waker.replace(waker)
    }

    /// Something leaves: items of this cost, or what stands before them. `false`: nothing may leave any more.
    pub(super) fn charge(&mut self, cost: usize) -> bool {
        let sending = self.state == State::Sending;
        if sending {
            self.credit -= cost as i64;
            self.begun = true;
        }
        sending
    }

    /// Whether anything was sent.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The receiver has taken items, or has more room.
    pub(super) fn give(&mut self, increment: u32) -> Result<Option<Waker>, Faulty> {
        if self.state != State::Sending {
            return Ok(None);
        }
        let waited = self.credit <= 0;
        self.credit += i64::from(increment);
        if self.credit > LARGEST {
            let text = format!("a credit of {increment} bytes lifts the window of a stream above {LARGEST}");
            return Err(Faulty::Connection(text));
        }
        Ok(if waited && self.credit > 0 { self.waker.take() } else { None })
    }

    /// Nothing is sent any more. Gives whom to tell.
    pub(super) fn stop(&mut self) -> Option<Waker> {
        self.state = State::Done;
        self.waker.take()
    }

    /// The output has no room. `true`: that is news.
    pub(super) fn stall(&mut self) -> bool {
        !std::mem::replace(&mut self.stalled, true)
    }

    /// Wakes who sends, if that is so: the output has room again.
    pub(super) fn rouse(&mut self) -> Option<Waker> {
        self.stalled = false;
        self.waker.take()
    }
}

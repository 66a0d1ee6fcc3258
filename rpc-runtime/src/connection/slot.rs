//! A place in the pending table and what may stand in it, and what the table gives out of it.

use std::task::Waker;

use tokio::time::Instant;

use crate::{
    call::{Answer, OutgoingRequest},
    status::{Code, Status},
    wire::Grant,
};

/// A large request of which nothing has left yet begins beyond all that was written.
pub(super) const NOT_BEGUN: u64 = u64::MAX;

/// A call of this side. The generation tells it from earlier calls in the same slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) stage: Stage,
    pub(super) waker: Option<Waker>,
    pub(super) deadline: Option<Instant>,
    /// Where the request's first byte stands in all that was ever written.
    pub(super) position: u64,
}

impl Default for Slot {
    fn default() -> Self {
        Self { generation: 0, stage: Stage::Free, waker: None, deadline: None, position: NOT_BEGUN }
    }
}

#[derive(Debug)]
pub(super) enum Stage {
    Free,
    /// Waits for room at the peer.
    Queued(Box<OutgoingRequest>),
    /// On the wire. The buffer held the request and will hold the reply.
    Sent(Vec<u8>),
    /// On the wire, and the caller has gone.
    Abandoned,
    /// Ended; `open` while the terminal frame has not come.
    Ended {
        answer: Answer,
        open: bool,
    },
}

/// What came of asking for an outcome.
#[derive(Debug)]
pub(super) enum Polled {
    /// The outcome, and a waker to be dropped without the lock.
    Ready(Answer, Option<Waker>),
    Pending,
    /// Nothing yet, and another waker is kept than the one given.
    OtherWaker,
}

pub(super) fn taken_already() -> Answer {
    Answer::of_status(Status::internal("the outcome of a call was taken twice"))
}

/// What an abandoned call leaves, to be dropped without the lock.
#[derive(Debug, Default)]
pub(super) struct Abandoned {
    /// Whether a Cancel was appended.
    pub(super) cancelled: bool,
    pub(super) _waker: Option<Waker>,
    pub(super) _stage: Option<Stage>,
}

/// How a call ends whose time is over before there was room for it at the peer.
pub(super) fn no_room(in_flight: u32, window: u64, grant: &Grant) -> Status {
    let text = if in_flight >= grant.in_flight {
        format!("in_flight: {in_flight} calls are in flight, the peer allows {}", grant.in_flight)
    } else {
        let size = grant.request_window;
        format!("request_window: {window} of the {size} bytes of requests that the peer allows are free, too few")
    };
    Status::of_call(Code::DeadlineExceeded, text).not_executed()
}

//! A place in the pending table and what may stand in it, and what the table gives out of it.

use std::task::Waker;

use tokio::time::Instant;

use super::streams::{Key, Released};

use crate::{
    call::{Answer, OutgoingRequest, Reception},
    metadata::Metadata,
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
    /// What its caller expects.
    pub(super) reception: Reception,
    /// Whether it counts among the calls with streams.
    pub(super) streams: bool,
    /// Its streams, until they are their consumer's alone.
    pub(super) stream: Option<Key>,
    pub(super) opened: Opened,
    /// The peer has said that it has, or sent items.
    pub(super) answered: bool,
}

/// Whether a call has succeeded that expects items.
#[derive(Debug)]
pub(super) enum Opened {
    No,
    /// It has, which its caller has not seen; with the metadata that came.
    Fresh(Metadata),
    /// The caller has its stream.
    Seen,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            generation: 0,
            stage: Stage::Free,
            waker: None,
            deadline: None,
            position: NOT_BEGUN,
            reception: Reception::Value,
            streams: false,
            stream: None,
            opened: Opened::No,
            answered: false,
        }
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
    /// The method has accepted the call: its metadata, its stream, and a waker to be dropped without the lock.
    Opened(Metadata, Key, Option<Waker>),
    Pending,
    /// Nothing yet, and another waker is kept than the one given.
    OtherWaker,
}

/// How much of a request did not leave any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// All: the peer does not know of the call.
    Whole,
    /// A part: the peer was told by a Cancel.
    Cut,
    Nothing,
}

pub(super) fn taken_already() -> Answer {
    Answer::of_status(Status::internal("the outcome of a call was taken twice"))
}

/// What a Response does that ends a call with a value of which the method returns items.
pub(super) const VALUE_FOR_ITEMS: &str = "the service answered with one value in place of a stream";

/// What an abandoned call leaves, to be dropped without the lock.
#[derive(Debug, Default)]
pub(super) struct Abandoned {
    pub(super) _waker: Option<Waker>,
    pub(super) _stage: Option<Stage>,
    pub(super) _stream: Option<Released>,
}

/// How a call ends whose time is over before there was room for it at the peer.
pub(super) fn no_room(in_flight: u32, streams: Option<u32>, window: u64, grant: &Grant) -> Status {
    let text = if let Some(streams) = streams.filter(|streams| *streams >= grant.streams) {
        format!("streams: {streams} calls with streams are in flight, the peer allows {}", grant.streams)
    } else if in_flight >= grant.in_flight {
        format!("in_flight: {in_flight} calls are in flight, the peer allows {}", grant.in_flight)
    } else {
        let size = grant.request_window;
        format!("request_window: {window} of the {size} bytes of requests that the peer allows are free, too few")
    };
    Status::of_call(Code::DeadlineExceeded, text).not_executed()
}

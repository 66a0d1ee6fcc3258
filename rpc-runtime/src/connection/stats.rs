//! What a server or a channel says of itself: a snapshot of its counters. Rare events are counted for all
//! connections together; what happens with every call is counted in what is locked for it anyway, and added up here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::accounts::Accounts;

/// A snapshot of a server or a channel: what there is now, and what there was since it was made.
///
/// The numbers are taken one connection after the other, so that they need not fit each other exactly while calls are
/// on their way. Counting costs calls nothing; a snapshot takes a moment for each connection.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// # let server = Server::builder().service(GreeterServer::new(English)).bind("mem://stats").await?;
/// # tokio::spawn(server.serve());
/// let channel = Channel::connect("mem://stats").await?;
/// GreeterClient::new(channel.clone()).greet("world").await?;
/// let stats = channel.stats();
/// assert_eq!((stats.calls_total, stats.calls_in_flight, stats.refused.memory), (1, 0, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that have shaken hands and have not ended.
    pub connections: usize,
    /// Connections that ever shook hands.
    pub connections_total: u64,
    /// Peers that connected and have not finished their handshake.
    pub handshakes: usize,
    /// Calls of this side that are on the wire and have no terminal frame.
    pub calls_in_flight: usize,
    /// Calls of this side that wait for the peer to have room.
    pub calls_waiting: usize,
    /// Calls of this side that were ever put on the wire.
    pub calls_total: u64,
    /// Of the calls in flight, those that nobody waits for any more: the caller has gone, or its time was over.
    pub calls_abandoned: usize,
    /// Calls of peers without a terminal frame, those of which parts are still to come among them.
    pub served_in_flight: usize,
    /// Calls of peers that were ever admitted; those refused are among [`refused`](Self::refused).
    pub served_total: u64,
    /// Handlers at work: those that wait for something, have a task of their own, or are being polled.
    pub running: usize,
    /// Handlers whose call was cancelled or late, and that have not stopped yet.
    pub handlers_abandoned: usize,
    /// Bytes that count against `memory`, with an error of a few KiB for each connection.
    pub memory_held: usize,
    /// The limit of `memory`, in bytes.
    pub memory_limit: usize,
    /// What was refused, by reason.
    pub refused: Refused,
    /// Connections that this side ended, by reason.
    pub closed: Closed,
    /// Responses that found no call waiting for them.
    pub late_responses: u64,
    /// Frames of kinds that this version does not know and passed over.
    pub unknown_frames: u64,
    /// Faults of the protocol that cost a call or nothing; see `protocol_errors`.
    pub protocol_faults: u64,
}

/// How many connections and calls were refused, by the limit or reason that the refusal names. What this side refused
/// its own callers before anything was sent counts as well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Refused {
    /// Connections above `max_connections`.
    pub max_connections: u64,
    /// Connections above what the process's descriptor limit leaves room for.
    pub descriptors: u64,
    /// Connections while one and a half times `memory` was held.
    pub memory_connections: u64,
    /// Peers that were turned away in their handshake: malformed, cut off, later than `handshake_timeout`, or without a
    /// common version or codec.
    pub handshake: u64,
    /// Peers that spoke another protocol, such as HTTP or TLS.
    pub foreign: u64,
    /// Calls while more than three quarters of `memory` were held, and much of it by their connection; or while one
    /// and a half times `memory` was held, whoever made them.
    pub memory: u64,
    /// Calls of peers above `in_flight`.
    pub in_flight: u64,
    /// Calls with streams above `streams`.
    pub streams: u64,
    /// Requests above `max_message`.
    pub max_message: u64,
    /// Requests with a header above `max_header`.
    pub max_header: u64,
    /// Requests with more entries than `max_metadata`.
    pub max_metadata: u64,
    /// Requests with a name of a service or method above 256 bytes.
    pub name: u64,
    /// Requests with a header that is malformed or has a field that is required and not known, and those whose parts
    /// do not add up.
    pub malformed: u64,
    /// Calls of a service or method that is not there.
    pub unimplemented: u64,
    /// Calls that came while this side was shutting down.
    pub draining: u64,
    /// Calls whose time was over before their handler was started, most of them for want of a place among `running`.
    pub expired: u64,
    /// Calls that were cancelled before their handler was started.
    pub cancelled: u64,
}

/// How many connections this side ended, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Closed {
    /// The peer broke the protocol: once badly, or more than `protocol_errors` times.
    pub protocol: u64,
    /// It held most when `memory` was used up.
    pub memory: u64,
    /// The peer took or sent nothing within `stall_timeout`, or did not answer to `keepalive`.
    pub silent: u64,
}

/// A counter of what was refused.
pub(crate) type Reason = fn(&mut Refused) -> &mut u64;

/// What is counted for all connections together, because it is rare.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Counted>);

#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    refused: Refused,
    pub(super) closed: Closed,
    handshakes: usize,
    pub(super) unknown_frames: u64,
    pub(super) protocol_faults: u64,
}

impl Counts {
    pub(crate) fn refused(&self, reason: Reason) {
        *reason(&mut self.lock().refused) += 1;
    }

    pub(super) fn note(&self, note: impl FnOnce(&mut Counted)) {
        note(&mut self.lock());
    }

    /// A handshake is on its way until what is given is dropped.
    pub(super) fn shaking(&self) -> Shaking<'_> {
        self.lock().handshakes += 1;
        Shaking(self)
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Shaking<'a>(&'a Counts);

impl Drop for Shaking<'_> {
    fn drop(&mut self) {
        self.0.lock().handshakes -= 1;
    }
}

/// What one connection has counted since it began.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) served: u64,
    pub(super) late: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.served += other.served;
        self.late += other.late;
    }
}

impl Accounts {
    /// What there is to say of all connections.
    pub(crate) fn stats(&self) -> Stats {
        let (live, connections, connections_total, mut sums) = self.census();
        let Counted { refused, closed, handshakes, unknown_frames, protocol_faults } = self.counts.lock().clone();
        let mut stats = Stats {
            connections,
            connections_total,
            handshakes,
            memory_limit: self.limit(),
            refused,
            closed,
            unknown_frames,
            protocol_faults,
            ..Stats::default()
        };
        for connection in live {
            sums.add(&connection.count_into(&mut stats));
        }
        // Behind the others: what has just ended is not held any more.
        stats.memory_held = self.held();
        (stats.calls_total, stats.served_total, stats.late_responses) = (sums.calls, sums.served, sums.late);
        stats
    }
}

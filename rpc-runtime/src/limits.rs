//! The bounds of a connection. Each has a default, can be set, and is named in the error that it causes.

use std::time::Duration;

/// What one side of a connection allows; the defaults suit most services.
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
/// let small = Limits::default().max_message(1_000);
/// let channel = Channel::builder().limits(small).in_process(GreeterServer::new(English));
/// let status = GreeterClient::new(channel).greet(&"x".repeat(1_001)).await.unwrap_err();
/// assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub(crate) max_message: u32,
    pub(crate) max_header: u32,
    pub(crate) max_metadata: usize,
    pub(crate) in_flight: u32,
    pub(crate) running: usize,
    pub(crate) request_window: u32,
    pub(crate) unsent_responses: usize,
    pub(crate) streams: u32,
    pub(crate) stream_window: StreamWindow,
    pub(crate) protocol_errors: u32,
    pub(crate) handshake_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) keepalive_interval: Duration,
    pub(crate) keepalive_timeout: Duration,
}

impl Limits {
    /// The largest message in bytes, both ways: 4 MiB by default.
    #[must_use]
    pub fn max_message(mut self, bytes: u32) -> Self {
        self.max_message = bytes;
        self
    }

    /// The largest frame header in bytes, metadata included: 16 KiB by default, 65,535 at most.
    #[must_use]
    pub fn max_header(mut self, bytes: u16) -> Self {
        self.max_header = u32::from(bytes);
        self
    }

    /// How many metadata entries a request or response may carry: 64 by default.
    #[must_use]
    pub fn max_metadata(mut self, entries: usize) -> Self {
        self.max_metadata = entries;
        self
    }

    /// How many calls the peer may have without a terminal frame: 4,096 by default. Announced to the peer,
    /// whose further calls wait.
    #[must_use]
    pub fn in_flight(mut self, calls: u32) -> Self {
        self.in_flight = calls.max(1);
        self
    }

    /// How many handlers of one connection may be pending or in tasks of their own: 256 by default. Further
    /// requests wait, undecoded. Handlers of methods with streams do not count: see [`streams`](Self::streams).
    #[must_use]
    pub fn running(mut self, handlers: usize) -> Self {
        self.running = handlers.max(1);
        self
    }

    /// Bytes of requests that the peer may send before their handlers take them: 4 MiB by default, and never
    /// less than [`max_message`](Self::max_message) and 128 KiB.
    #[must_use]
    pub fn request_window(mut self, bytes: u32) -> Self {
        self.request_window = bytes;
        self
    }

    /// Bytes of responses that may wait to be written before no further handler is started: 1 MiB by default.
    #[must_use]
    pub fn unsent_responses(mut self, bytes: usize) -> Self {
        self.unsent_responses = bytes.max(1);
        self
    }

    /// How many calls with streams the peer may have in flight: 128 by default. Announced to the peer, whose further
    /// ones wait, in nobody's way.
    #[must_use]
    pub fn streams(mut self, calls: u32) -> Self {
        self.streams = calls;
        self
    }

    /// What the peer may send on each direction of each stream before it is taken, in bytes, where an item counts 32
    /// more than it has: 64 KiB at the start by default. It doubles up to `largest`, 1 MiB by default, while a whole
    /// window is taken within a second and less than half of the memory of all connections is held. One item may go
    /// beyond it, so that a stream that is not read holds at most its window and one message; one that is read slowly
    /// may hold a frame of items, 64 KiB, above that. Its sender keeps buffers of about 128 KiB beside that.
    /// Neither number is above 1 GiB.
    #[must_use]
    pub fn stream_window(mut self, start: u32, largest: u32) -> Self {
        let start = start.clamp(1, MAX_WINDOW);
        self.stream_window = StreamWindow { start, largest: largest.clamp(start, MAX_WINDOW) };
        self
    }

    /// How many faults of the protocol a peer may commit, each costing one call, before its connection is
    /// closed: 100 by default.
    #[must_use]
    pub fn protocol_errors(mut self, count: u32) -> Self {
        self.protocol_errors = count;
        self
    }

    /// The time for the whole handshake: 5 s by default.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// How long a peer may take no byte while output waits for it, or send none of a frame or message that it
    /// began: 10 s by default. Noticed with an error of a quarter.
    #[must_use]
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall_timeout = timeout;
        self
    }

    /// With calls in flight and nothing heard for `interval` (30 s), the peer is asked for a sign of life and
    /// has `timeout` (10 s) to give one.
    #[must_use]
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.keepalive_interval = interval;
        self.keepalive_timeout = timeout;
        self
    }

    /// The window that is really granted: a message of the largest size must fit beside what is held back.
    pub(crate) fn granted_window(&self) -> u32 {
        self.request_window.max(self.max_message.saturating_add(HELD_BACK))
    }

    /// So many bytes of requests may be taken before the peer is told: a frame of Credit for each would be too many.
    /// Never so many that the rest of the window is too small for the largest message.
    pub(crate) fn held_back(&self) -> u32 {
        HELD_BACK
    }
}

/// What each direction of each stream may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamWindow {
    pub(crate) start: u32,
    pub(crate) largest: u32,
}

/// The largest window of a stream that both ends can count.
const MAX_WINDOW: u32 = i32::MAX as u32 / 2;

/// See [`Limits::held_back`].
const HELD_BACK: u32 = 128 << 10;

/// What all connections of a server, or of a channel, may hold together, in bytes, unless it is set.
pub(crate) const MEMORY: usize = 256 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 4 << 20,
            max_header: 16 << 10,
            max_metadata: 64,
            in_flight: 4_096,
            running: 256,
            request_window: 4 << 20,
            unsent_responses: 1 << 20,
            streams: 128,
            stream_window: StreamWindow { start: 64 << 10, largest: 1 << 20 },
            protocol_errors: 100,
            handshake_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
        }
    }
}

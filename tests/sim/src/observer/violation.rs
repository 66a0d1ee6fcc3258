//! What an end did that PROTOCOL.md forbids: the rule, the id that it concerns, and both numbers.

use std::fmt;

/// A rule of PROTOCOL.md that an end broke by what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// The first bytes are not the magic, or the text of the handshake is none.
    Handshake,
    /// A number of the handshake is beyond its bounds, or is not what both sides agreed on.
    Agreement,
    /// The accepting side sent a frame before its Welcome, or either one behind a Refusal.
    Order,
    /// The length of a frame, of its header or of its body is out of bounds.
    Length,
    /// The kind or its flags are none that may be sent.
    Kind,
    /// A header or body where there is none, or of another length than its kind has.
    Form,
    /// Fields of a header that do not belong, are missing, stand twice or have no such value.
    Header,
    /// A header is above the `max_header` that was granted.
    MaxHeader,
    /// A message is above the `max_message` that was granted.
    MaxMessage,
    /// An id that is zero, or has the other side's bit.
    Parity,
    /// An id in use again before the terminal frame of its last call came.
    InFlightAgain,
    /// More calls than `in_flight` grants.
    InFlight,
    /// More calls with streams than `streams` grants.
    Streams,
    /// Bytes of requests beyond the window, or begun without room for the whole body.
    RequestWindow,
    /// More bytes of requests were given back than had come.
    GivenBack,
    /// An item begun while its stream's window was not above zero.
    ItemWindow,
    /// Credit made a stream's window larger than its sender can hold.
    Grown,
    /// An answer, or a stream's frame, for a call that never came.
    NeverReceived,
    /// A frame of a call that was never begun by its sender.
    NeverSent,
    /// A frame of the callee behind the terminal frame of its call.
    BehindTerminal,
    /// A frame of the caller behind its Cancel.
    BehindCancel,
    /// An item or an End behind the End of the same direction.
    BehindEnd,
    /// A frame of a call's stream, or a success, before its Request was whole.
    Early,
    /// A Response of a status that does not go with what was sent before it.
    Opening,
    /// Something else of the same message's call stands between its parts.
    Interrupted,
    /// A later part without a first one, an empty one, or parts that do not add up.
    Parts,
    /// Items that do not fill their Message.
    Items,
    /// A Pong without a Ping.
    Pong,
    /// A Request, or a part of one, behind its sender's GoAway.
    BehindGoAway,
    /// A second GoAway, or anything behind one that has a reason.
    GoAway,
    /// Bytes behind the end of the direction.
    BehindShutdown,
}

/// A rule that was broken: for which id, what was sent, and what was allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The rule.
    pub(crate) rule: Rule,
    /// The call, or 0 where the connection itself is meant.
    pub(crate) id: u64,
    /// What was sent.
    pub(crate) was: u64,
    /// What was allowed, or expected.
    pub(crate) allowed: u64,
}

impl Violation {
    /// `rule` broken for `id` by `was` where `allowed` holds.
    pub(crate) fn new(rule: Rule, id: u64, was: u64, allowed: u64) -> Self {
        Self { rule, id, was, allowed }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, id, was, allowed } = self;
        write!(f, "{rule:?} id {id:#x}: {was}, allowed {allowed}")
    }
}

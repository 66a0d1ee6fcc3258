//! A passive judge of one end of a connection: what it sends, given what had been delivered to it. Written from
//! PROTOCOL.md alone with a parser of its own, without I/O and clock; it never speaks to either side.
//! What was delivered may not have been read yet, so it judges what no order of reading could excuse.

mod violation;

pub(crate) use violation::{Rule, Violation};

/// Which side of the connection an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It opened the transport.
    Dialled,
    /// It accepted the transport.
    Accepted,
}

/// What one end has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Frames, those of later parts counted.
    pub(crate) frames: u64,
    /// Requests that opened a call.
    pub(crate) requests: u64,
    /// Terminal frames of the calls that it received.
    pub(crate) terminal: u64,
    /// Items of streams that were begun.
    pub(crate) items: u64,
    /// Credits, for requests and for streams.
    pub(crate) credits: u64,
    /// Cancels of either side of a call.
    pub(crate) cancels: u64,
    /// GoAways.
    pub(crate) goaways: u64,
    /// Calls that it received, whose terminal frame it has not sent.
    pub(crate) owed: u64,
    /// Calls that it sent, whose terminal frame was not delivered to it.
    pub(crate) in_flight: u64,
    /// Bytes of request bodies that were delivered to it and that it has not given back.
    pub(crate) kept_back: u64,
    /// What it sent ends between two frames.
    pub(crate) between_frames: bool,
}

/// One end of one connection.
#[derive(Debug)]
pub(crate) struct Endpoint {
    side: Side,
    summary: Summary,
}

impl Endpoint {
    /// An end that has sent and received nothing.
    pub(crate) fn new(side: Side) -> Self {
        Self { side, summary: Summary { between_frames: true, ..Summary::default() } }
    }

    /// Judges bytes that this end gave to its transport.
    pub(crate) fn sent(&mut self, _bytes: &[u8]) -> Result<(), Violation> {
        Ok(())
    }

    /// Learns what was delivered to this end.
    pub(crate) fn received(&mut self, _bytes: &[u8]) -> Result<(), Violation> {
        Ok(())
    }

    /// This end has ended its direction: nothing may be sent behind it.
    pub(crate) fn ended(&mut self) {}

    /// What it has sent so far.
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }
}

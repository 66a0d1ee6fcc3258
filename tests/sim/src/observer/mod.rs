//! A passive judge of one end of a connection: what it sends, given what had been delivered to it. Written from
//! PROTOCOL.md alone with a parser of its own, without I/O and clock; it never speaks to either side.
//! What was delivered may not have been read yet, so it judges what no order of reading could excuse.

mod callee;
mod caller;
mod greeting;
mod header;
mod items;
mod reading;
#[cfg(test)]
mod tests;
mod violation;

use callee::Callee;
use caller::Caller;
use greeting::{Answer, Grant, Hello};
pub(crate) use header::CALL;
use reading::{Frame, Piece, Reading};
pub(crate) use violation::{Rule, Violation};

/// The longest header that is sent whatever `max_header` is: a status of which all that may be left out was.
const LEAST_HEADER: usize = 8;

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
    outgoing: Reading,
    incoming: Reading,
    /// What the dialling side offered, once it is known to this end.
    hello: Option<Hello>,
    /// What this end may send, and what it allows the other.
    granted: Grant,
    own: Grant,
    refused: bool,
    pings: Vec<u64>,
    /// It sent a GoAway with code 0, one with a reason, and the end of its direction.
    orderly: bool,
    closed: bool,
    shut: bool,
    caller: Caller,
    callee: Callee,
    counts: Summary,
    /// The numbers of calls whose requests it has sent, to be taken.
    pub(crate) written: Vec<u64>,
}

impl Endpoint {
    /// An end that has sent and received nothing.
    pub(crate) fn new(side: Side) -> Self {
        Self {
            side,
            outgoing: Reading::default(),
            incoming: Reading::default(),
            hello: None,
            granted: Grant::default(),
            own: Grant::default(),
            refused: false,
            pings: Vec::new(),
            orderly: false,
            closed: false,
            shut: false,
            caller: Caller::new(&Grant::default()),
            callee: Callee::default(),
            counts: Summary::default(),
            written: Vec::new(),
        }
    }

    /// The windows of streams that this end receives become so large at most.
    pub(crate) fn growing_to(mut self, largest_window: u64) -> Self {
        self.own.largest_window = largest_window;
        self
    }

    /// Judges bytes that this end gave to its transport, in any split.
    pub(crate) fn sent(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if self.shut && !bytes.is_empty() {
            return Err(Violation::new(Rule::BehindShutdown, 0, bytes.len() as u64, 0));
        }
        self.outgoing.push(bytes);
        while let Some(piece) = self.outgoing.next()? {
            match piece {
                Piece::Handshake(text) => self.greet(&text)?,
                Piece::Frame(frame) => self.judge(&frame)?,
            }
        }
        Ok(())
    }

    /// Learns what was delivered to this end, in any split. Fails only where that can not be read at all.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.incoming.push(bytes);
        while let Some(piece) = self.incoming.next()? {
            match piece {
                Piece::Handshake(text) => self.meet(&text)?,
                Piece::Frame(frame) => self.learn(&frame),
            }
        }
        Ok(())
    }

    /// This end has ended its direction: nothing may be sent behind it.
    pub(crate) fn ended(&mut self) {
        self.shut = true;
    }

    /// What it has sent so far, and what it owes.
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            owed: self.callee.owed(),
            in_flight: self.caller.in_flight(),
            kept_back: self.callee.kept_back(),
            between_frames: self.outgoing.between_pieces(),
            ..self.counts
        }
    }

    /// The handshake that this end sent.
    fn greet(&mut self, text: &[u8]) -> Result<(), Violation> {
        match self.side {
            Side::Dialled => {
                let hello = Hello::read(text)?;
                self.own = Grant { largest_window: self.own.largest_window, ..hello.grant };
                self.hello = Some(hello);
            }
            Side::Accepted => match (Answer::read(text)?, &self.hello) {
                (Answer::Welcome(welcome), Some(hello)) => {
                    welcome.answers(hello)?;
                    self.own = Grant { largest_window: self.own.largest_window, ..welcome.grant };
                }
                (Answer::Welcome(_), None) => return Err(Violation::new(Rule::Order, 0, 1, 0)),
                (Answer::Refusal, _) => self.refused = true,
            },
        }
        Ok(())
    }

    /// The handshake that was delivered to this end.
    fn meet(&mut self, text: &[u8]) -> Result<(), Violation> {
        let floors = self.granted;
        match self.side {
            Side::Dialled => match Answer::read(text)? {
                Answer::Welcome(welcome) => self.granted = welcome.grant,
                Answer::Refusal => {}
            },
            Side::Accepted => {
                let hello = Hello::read(text)?;
                self.granted = hello.grant;
                self.hello = Some(hello);
            }
        }
        self.caller.widen(self.granted.request_window.saturating_sub(floors.request_window));
        Ok(())
    }

    /// A frame that this end sent.
    fn judge(&mut self, frame: &Frame) -> Result<(), Violation> {
        if self.refused {
            return Err(Violation::new(Rule::Order, frame.id, u64::from(frame.kind), 0));
        }
        if self.closed {
            return Err(Violation::new(Rule::GoAway, frame.id, u64::from(frame.kind), 0));
        }
        self.counts.frames += 1;
        well_formed(frame)?;
        let longest = usize::from(u16::try_from(self.granted.max_header).unwrap_or(u16::MAX)).max(LEAST_HEADER);
        if frame.header.len() > longest && frame.kind < 128 {
            return Err(Violation::new(Rule::MaxHeader, frame.id, frame.header.len() as u64, longest as u64));
        }
        match frame.kind {
            1 => self.request(frame),
            2 => self.response(frame),
            3 => self.message(frame),
            4 => self.end(frame),
            5 => self.cancel(frame),
            6 => self.credit(frame),
            8 => self.pong(frame.id),
            9 => self.go_away(frame),
            _ => Ok(()),
        }
    }

    fn request(&mut self, frame: &Frame) -> Result<(), Violation> {
        if !self.is_own(frame.id) || frame.id == 0 {
            return Err(Violation::new(Rule::Parity, frame.id, frame.id & 1, u64::from(self.side == Side::Accepted)));
        }
        if self.orderly {
            return Err(Violation::new(Rule::BehindGoAway, frame.id, frame.size(), 0));
        }
        if self.caller.request(frame, &self.granted, &self.own)? {
            self.counts.requests += 1;
            self.written.extend(header::call(frame.id, &frame.header));
        }
        Ok(())
    }

    fn response(&mut self, frame: &Frame) -> Result<(), Violation> {
        if self.is_own(frame.id) {
            return Err(Violation::new(Rule::Parity, frame.id, frame.id & 1, u64::from(self.side == Side::Dialled)));
        }
        self.counts.terminal += u64::from(self.callee.response(frame, &self.granted)?);
        Ok(())
    }

    fn message(&mut self, frame: &Frame) -> Result<(), Violation> {
        self.counts.items += if self.is_own(frame.id) {
            self.caller.message(frame, &self.granted)?
        } else {
            self.callee.message(frame, &self.granted)?
        };
        Ok(())
    }

    fn end(&mut self, frame: &Frame) -> Result<(), Violation> {
        if self.is_own(frame.id) {
            return self.caller.end(frame, &self.granted);
        }
        self.callee.end(frame, &self.granted)?;
        self.counts.terminal += 1;
        Ok(())
    }

    fn cancel(&mut self, frame: &Frame) -> Result<(), Violation> {
        self.counts.cancels += 1;
        if self.is_own(frame.id) { self.caller.cancel(frame.id) } else { self.callee.cancel(frame) }
    }

    fn credit(&mut self, frame: &Frame) -> Result<(), Violation> {
        self.counts.credits += 1;
        let increment = increment(frame);
        match frame.id {
            0 => self.callee.give_back(increment),
            id if self.is_own(id) => self.caller.credit(id, increment, &self.granted),
            _ => self.callee.credit(frame, increment),
        }
    }

    /// A Pong answers a Ping, and all before it.
    fn pong(&mut self, token: u64) -> Result<(), Violation> {
        let asked = self.pings.iter().position(|ping| *ping == token);
        let last = asked.ok_or_else(|| Violation::new(Rule::Pong, token, 1, 0))?;
        self.pings.drain(..=last);
        Ok(())
    }

    fn go_away(&mut self, frame: &Frame) -> Result<(), Violation> {
        self.counts.goaways += 1;
        if header::go_away(&frame.header)? != 0 {
            self.closed = true;
        } else if std::mem::replace(&mut self.orderly, true) {
            return Err(Violation::new(Rule::GoAway, 0, 2, 1));
        }
        Ok(())
    }

    /// A frame that was delivered to this end.
    fn learn(&mut self, frame: &Frame) {
        let id = frame.id;
        match frame.kind {
            1 => self.callee.requested(frame, &self.granted, &self.own),
            2..=4 if self.is_own(id) => self.caller.answered(frame),
            3 => self.callee.messaged(frame),
            6 if id == 0 => self.caller.widen(increment(frame)),
            6 if self.is_own(id) => self.caller.credited(id, increment(frame)),
            6 => self.callee.credited(id, increment(frame)),
            7 => self.pings.push(id),
            _ => {}
        }
    }

    /// The id is one of the calls that this end opens.
    fn is_own(&self, id: u64) -> bool {
        (id & 1 == 0) == (self.side == Side::Dialled)
    }
}

/// The kind is one that is sent, with flags, header and body as it may have them.
fn well_formed(frame: &Frame) -> Result<(), Violation> {
    let Frame { kind, flags, id, header, body } = frame;
    let (header, body) = (header.len() as u64, body.len() as u64);
    if matches!(kind, 0 | 10..128) {
        return Err(Violation::new(Rule::Kind, *id, u64::from(*kind), 9));
    }
    let flag = u8::from((1..=3).contains(kind));
    if *kind < 128 && flags & !flag != 0 {
        return Err(Violation::new(Rule::Kind, *id, u64::from(*flags), u64::from(flag)));
    }
    let (is_bare, size) = match kind {
        5 | 7 | 8 => (true, Some(0)),
        6 => (true, Some(4)),
        9 => (false, Some(0)),
        _ => (false, None),
    };
    if is_bare && header > 0 {
        return Err(Violation::new(Rule::Form, *id, header, 0));
    }
    if let Some(size) = size.filter(|size| *size != body) {
        return Err(Violation::new(Rule::Form, *id, body, size));
    }
    if *kind == 9 && *id != 0 { Err(Violation::new(Rule::Form, *id, *id, 0)) } else { Ok(()) }
}

/// The number in the body of a Credit.
fn increment(frame: &Frame) -> u32 {
    frame.body.as_slice().try_into().map_or(0, u32::from_le_bytes)
}

//! One direction of a stream: what its items cost its sender, and how much credit its receiver may give.

use super::greeting::Grant;
use super::header::{self, varint};
use super::reading::Frame;
use super::{Rule, Violation};

/// What an item costs beside its length.
const EXTRA: u64 = 32;
/// As large a window may become by more credit than was used, unless its owner says otherwise.
pub(super) const GROWN: u64 = 1 << 20;

/// The items that an end sends for one call.
#[derive(Debug)]
pub(super) struct Outlet {
    window: i64,
    /// What is still to come of an item in parts.
    remaining: Option<u64>,
    begun: bool,
    ended: bool,
}

impl Outlet {
    pub(super) fn new(window: u32) -> Self {
        Self { window: i64::from(window), remaining: None, begun: false, ended: false }
    }

    /// An item was sent.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// The receiver gave credit.
    pub(super) fn credit(&mut self, increment: u32) {
        self.window += i64::from(increment);
    }

    /// The end of this direction, which cuts an item in parts.
    pub(super) fn end(&mut self, id: u64) -> Result<(), Violation> {
        if std::mem::replace(&mut self.ended, true) {
            return Err(Violation::new(Rule::BehindEnd, id, 1, 0));
        }
        Ok(())
    }

    /// Judges a Message, and counts the items that begin in it.
    pub(super) fn message(&mut self, frame: &Frame, max_message: u32) -> Result<u64, Violation> {
        if self.ended {
            return Err(Violation::new(Rule::BehindEnd, frame.id, frame.size(), 0));
        }
        if let Some(remaining) = self.remaining {
            return self.part(frame, remaining).map(|()| 0);
        }
        let total = header::item(frame.id, &frame.header)?;
        if total.is_some() != frame.more() {
            return Err(Violation::new(Rule::Parts, frame.id, total.unwrap_or(0), u64::from(frame.more())));
        }
        let lengths = match total {
            Some(total) => vec![length_within(total).ok_or_else(|| unfilled(frame))?],
            None => lengths(&frame.body).ok_or_else(|| unfilled(frame))?,
        };
        for length in &lengths {
            self.begin(frame.id, *length, max_message)?;
        }
        if let Some(total) = total {
            self.remaining = Some(self.rest(frame, total)?);
        }
        Ok(lengths.len() as u64)
    }

    fn begin(&mut self, id: u64, length: u64, max_message: u32) -> Result<(), Violation> {
        if length > u64::from(max_message) {
            return Err(Violation::new(Rule::MaxMessage, id, length, u64::from(max_message)));
        }
        if self.window <= 0 {
            return Err(Violation::new(Rule::ItemWindow, id, cost(length), 0));
        }
        self.begun = true;
        self.window = self.window.saturating_sub_unsigned(cost(length));
        Ok(())
    }

    fn part(&mut self, frame: &Frame, remaining: u64) -> Result<(), Violation> {
        if !frame.header.is_empty() {
            return Err(Violation::new(Rule::Interrupted, frame.id, frame.header.len() as u64, 0));
        }
        self.remaining = rest(frame, remaining)?;
        Ok(())
    }

    fn rest(&self, frame: &Frame, total: u64) -> Result<u64, Violation> {
        total.checked_sub(frame.size()).ok_or_else(|| Violation::new(Rule::Parts, frame.id, frame.size(), total))
    }
}

/// What remains of a message behind its later part `frame`; none behind the last one.
pub(super) fn rest(frame: &Frame, remaining: u64) -> Result<Option<u64>, Violation> {
    let is_empty = frame.more() && frame.body.is_empty();
    match remaining.checked_sub(frame.size()) {
        Some(rest) if frame.more() && !is_empty => Ok(Some(rest)),
        Some(0) if !frame.more() => Ok(None),
        _ => Err(Violation::new(Rule::Parts, frame.id, frame.size(), remaining)),
    }
}

/// The items that an end receives for one call: how much of their window is open.
#[derive(Debug)]
pub(super) struct Intake {
    open: i64,
    size: u64,
    in_parts: bool,
}

impl Intake {
    pub(super) fn new(own: &Grant) -> Self {
        let window = own.stream_window;
        Self { open: i64::from(window), size: u64::from(window).max(own.largest_window), in_parts: false }
    }

    /// A Message came. Its sender is judged at its own end.
    pub(super) fn message(&mut self, frame: &Frame) {
        let in_parts = std::mem::replace(&mut self.in_parts, frame.more());
        if in_parts {
            return;
        }
        let total = header::item(frame.id, &frame.header).ok().flatten();
        let lengths = match total {
            Some(total) => length_within(total).into_iter().collect(),
            None => lengths(&frame.body).unwrap_or_default(),
        };
        self.open = lengths.into_iter().fold(self.open, |open, length| open.saturating_sub_unsigned(cost(length)));
    }

    /// Judges credit that is given back to the sender of the items.
    pub(super) fn credit(&mut self, id: u64, increment: u32) -> Result<(), Violation> {
        self.open += i64::from(increment);
        match u64::try_from(self.open) {
            Ok(open) if open > self.size => Err(Violation::new(Rule::Grown, id, open, self.size)),
            _ => Ok(()),
        }
    }
}

fn cost(length: u64) -> u64 {
    length.saturating_add(EXTRA)
}

/// The lengths of the items that fill `body`.
fn lengths(mut body: &[u8]) -> Option<Vec<u64>> {
    let mut lengths = Vec::new();
    while !body.is_empty() {
        let (length, prefix) = varint(body)?;
        body = body[prefix..].get(usize::try_from(length).ok()?..)?;
        lengths.push(length);
    }
    Some(lengths)
}

/// The length of an item that takes `total` bytes with its prefix.
fn length_within(total: u64) -> Option<u64> {
    let prefix = |length: u64| u64::from(length.max(1).ilog2() / 7 + 1);
    (1..=10).filter_map(|size| total.checked_sub(size)).find(|length| length + prefix(*length) == total)
}

fn unfilled(frame: &Frame) -> Violation {
    Violation::new(Rule::Items, frame.id, frame.size(), 0)
}

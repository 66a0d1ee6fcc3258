//! An end as a caller: the calls that it made, their grants and windows, and what it may still send for each.

use std::collections::BTreeMap;

use super::greeting::Grant;
use super::header::{self, OK, OPENED, STATUS};
use super::items::{Intake, Outlet, rest};
use super::reading::Frame;
use super::{Rule, Violation};

/// A call between its Request and its terminal frame.
#[derive(Debug)]
struct Call {
    /// What of its Request is still to be sent.
    remaining: Option<u64>,
    cancelled: bool,
    /// Something of a stream was seen. It was a call with streams from its Request on.
    streams: bool,
    outlet: Outlet,
    intake: Intake,
}

/// A call whose terminal frame was delivered. The end may not have read that yet, so that what it sends crosses it.
#[derive(Debug)]
struct Over {
    remaining: Option<u64>,
    cancelled: bool,
}

/// All calls that an end made.
#[derive(Debug)]
pub(super) struct Caller {
    calls: BTreeMap<u64, Call>,
    over: BTreeMap<u64, Over>,
    streams: u32,
    /// What the bodies of Requests may still take.
    window: u64,
    /// What begun Requests have still to send of that.
    reserved: u64,
}

impl Caller {
    pub(super) fn new(floor: &Grant) -> Self {
        let window = u64::from(floor.request_window);
        Self { calls: BTreeMap::new(), over: BTreeMap::new(), streams: 0, window, reserved: 0 }
    }

    /// Calls whose terminal frame was not delivered.
    pub(super) fn in_flight(&self) -> u64 {
        self.calls.len() as u64
    }

    /// More bytes of requests may be sent: by a Welcome, or by Credit.
    pub(super) fn widen(&mut self, increment: u32) {
        self.window += u64::from(increment);
    }

    /// Judges a Request. It opens a call when it has a header.
    pub(super) fn request(&mut self, frame: &Frame, granted: &Grant, own: &Grant) -> Result<bool, Violation> {
        if frame.header.is_empty() {
            return self.part(frame).map(|()| false);
        }
        let id = frame.id;
        let total = header::request(id, &frame.header)?;
        if total.is_some() != frame.more() {
            return Err(Violation::new(Rule::Parts, id, total.unwrap_or(0), u64::from(frame.more())));
        }
        if self.calls.contains_key(&id) {
            return Err(Violation::new(Rule::InFlightAgain, id, 2, 1));
        }
        let total = total.unwrap_or(frame.size());
        let most = u64::from(granted.max_message.min(granted.request_window));
        if total > most {
            return Err(Violation::new(Rule::MaxMessage, id, total, most));
        }
        let room = self.window.saturating_sub(self.reserved);
        if total > room {
            return Err(Violation::new(Rule::RequestWindow, id, total, room));
        }
        if self.in_flight() >= u64::from(granted.in_flight) {
            return Err(Violation::new(Rule::InFlight, id, self.in_flight() + 1, u64::from(granted.in_flight)));
        }
        let parts = |size| total.checked_sub(size).ok_or_else(|| Violation::new(Rule::Parts, id, size, total));
        let still = parts(frame.size())?;
        self.window -= frame.size();
        self.reserved += still;
        self.over.remove(&id);
        let call = Call {
            remaining: frame.more().then_some(still),
            cancelled: false,
            streams: false,
            outlet: Outlet::new(granted.stream_window),
            intake: Intake::new(own),
        };
        self.calls.insert(id, call);
        Ok(true)
    }

    /// Judges a Message, and counts the items that begin in it.
    pub(super) fn message(&mut self, frame: &Frame, granted: &Grant) -> Result<u64, Violation> {
        let Some(call) = self.open(frame.id)? else { return Ok(0) };
        if call.remaining.is_some() {
            return Err(Violation::new(Rule::Early, frame.id, frame.size(), 0));
        }
        let items = call.outlet.message(frame, granted.max_message)?;
        self.streamed(frame.id, granted)?;
        Ok(items)
    }

    /// Judges an End, which is that of the caller's items.
    pub(super) fn end(&mut self, frame: &Frame, granted: &Grant) -> Result<(), Violation> {
        let outcome = header::outcome(frame.id, &frame.header)?;
        let has_body = outcome.status == OK && !frame.body.is_empty();
        if ![OK, STATUS].contains(&outcome.status) || outcome.total.is_some() || has_body {
            return Err(Violation::new(Rule::Header, frame.id, outcome.status, OK));
        }
        let Some(call) = self.open(frame.id)? else { return Ok(()) };
        if call.remaining.is_some() {
            return Err(Violation::new(Rule::Early, frame.id, 0, 0));
        }
        call.outlet.end(frame.id)?;
        self.streamed(frame.id, granted)
    }

    /// Judges a Cancel: no part of the Request follows it.
    pub(super) fn cancel(&mut self, id: u64) -> Result<(), Violation> {
        if let Some(call) = self.open(id)? {
            call.cancelled = true;
            self.reserved -= call.remaining.take().unwrap_or(0);
        } else if let Some(over) = self.over.get_mut(&id) {
            over.cancelled = true;
        }
        Ok(())
    }

    /// Judges Credit for the callee's items.
    pub(super) fn credit(&mut self, id: u64, increment: u32, granted: &Grant) -> Result<(), Violation> {
        let Some(call) = self.open(id)? else { return Ok(()) };
        call.intake.credit(id, increment)?;
        self.streamed(id, granted)
    }

    /// A Response, Message or End was delivered for a call of this end.
    pub(super) fn answered(&mut self, frame: &Frame) {
        let Some(call) = self.calls.get_mut(&frame.id) else { return };
        let is_opening = !frame.header.is_empty()
            && header::outcome(frame.id, &frame.header).is_ok_and(|outcome| outcome.status == OPENED);
        match frame.kind {
            2 if frame.more() => {}
            2 if is_opening => self.note_streams(frame.id),
            3 => {
                call.intake.message(frame);
                self.note_streams(frame.id);
            }
            _ => self.terminate(frame.id),
        }
    }

    /// Credit was delivered for the items of a call of this end.
    pub(super) fn credited(&mut self, id: u64, increment: u32) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.outlet.credit(increment);
            self.note_streams(id);
        }
    }

    fn terminate(&mut self, id: u64) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.streams -= u32::from(call.streams);
        self.reserved -= call.remaining.unwrap_or(0);
        self.over.insert(id, Over { remaining: call.remaining, cancelled: call.cancelled });
    }

    /// A later part of a Request, which may cross the terminal frame.
    fn part(&mut self, frame: &Frame) -> Result<(), Violation> {
        let (id, size) = (frame.id, frame.size());
        let in_flight = self.open(id)?.is_some();
        let remaining = match self.calls.get_mut(&id) {
            Some(call) => &mut call.remaining,
            None => &mut self.over.get_mut(&id).ok_or_else(|| Violation::new(Rule::NeverSent, id, size, 0))?.remaining,
        };
        let before = remaining.ok_or_else(|| Violation::new(Rule::Parts, id, size, 0))?;
        *remaining = rest(frame, before)?;
        if size > self.window {
            return Err(Violation::new(Rule::RequestWindow, id, size, self.window));
        }
        self.window -= size;
        if in_flight {
            self.reserved -= size;
        }
        Ok(())
    }

    /// The call for which something may be sent, or none when its terminal frame was delivered.
    fn open(&mut self, id: u64) -> Result<Option<&mut Call>, Violation> {
        let over = self.over.get(&id).map(|over| over.cancelled);
        let call = self.calls.get_mut(&id);
        let cancelled = call.as_ref().map(|call| call.cancelled).or(over);
        match cancelled {
            None => Err(Violation::new(Rule::NeverSent, id, 1, 0)),
            Some(true) => Err(Violation::new(Rule::BehindCancel, id, 1, 0)),
            Some(false) => Ok(call),
        }
    }

    /// The call has streams, and so counts for `streams`.
    fn streamed(&mut self, id: u64, granted: &Grant) -> Result<(), Violation> {
        self.note_streams(id);
        if self.streams > granted.streams {
            return Err(Violation::new(Rule::Streams, id, u64::from(self.streams), u64::from(granted.streams)));
        }
        Ok(())
    }

    fn note_streams(&mut self, id: u64) {
        if let Some(call) = self.calls.get_mut(&id) {
            self.streams += u32::from(!std::mem::replace(&mut call.streams, true));
        }
    }
}

//! An end as a callee: the calls that were delivered to it, and what it still owes or may send for each.

use std::collections::{BTreeMap, BTreeSet};

use super::greeting::Grant;
use super::header::{self, OK, OPENED, Outcome, SERVICE_ERROR};
use super::items::{Intake, Outlet, rest};
use super::reading::Frame;
use super::{Rule, Violation};

/// A call between its Request and its terminal frame.
#[derive(Debug)]
struct Call {
    /// The last part of its Request was delivered.
    whole: bool,
    opened: bool,
    /// What of its Response is still to be sent.
    answering: Option<u64>,
    outlet: Outlet,
    intake: Intake,
}

/// All calls that were delivered to an end.
#[derive(Debug, Default)]
pub(super) struct Callee {
    calls: BTreeMap<u64, Call>,
    over: BTreeSet<u64>,
    kept_back: u64,
}

impl Callee {
    /// Calls whose terminal frame was not sent.
    pub(super) fn owed(&self) -> u64 {
        self.calls.len() as u64
    }

    /// Bytes of requests that were delivered and not given back.
    pub(super) fn kept_back(&self) -> u64 {
        self.kept_back
    }

    /// A Request, or a part of one, was delivered. Its sender is judged at its own end.
    pub(super) fn requested(&mut self, frame: &Frame, granted: &Grant, own: &Grant) {
        self.kept_back += frame.size();
        if frame.header.is_empty() {
            if let Some(call) = self.calls.get_mut(&frame.id) {
                call.whole |= !frame.more();
            }
            return;
        }
        self.over.remove(&frame.id);
        self.calls.entry(frame.id).or_insert_with(|| Call {
            whole: !frame.more(),
            opened: false,
            answering: None,
            outlet: Outlet::new(granted.stream_window),
            intake: Intake::new(own),
        });
    }

    /// A Message was delivered for a call that this end received.
    pub(super) fn messaged(&mut self, frame: &Frame) {
        if let Some(call) = self.calls.get_mut(&frame.id) {
            call.intake.message(frame);
        }
    }

    /// Credit was delivered for the items of a call that this end received.
    pub(super) fn credited(&mut self, id: u64, increment: u32) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.outlet.credit(increment);
        }
    }

    /// Judges a Response; whether it is the terminal frame.
    pub(super) fn response(&mut self, frame: &Frame, granted: &Grant) -> Result<bool, Violation> {
        let call = self.call(frame.id)?;
        let is_terminal = match call.answering {
            Some(remaining) => {
                between_parts(frame)?;
                call.answering = rest(frame, remaining)?;
                call.answering.is_none()
            }
            None => call.respond(frame, granted)?,
        };
        if is_terminal {
            self.terminate(frame.id);
        }
        Ok(is_terminal)
    }

    /// Judges an End, which is the terminal frame.
    pub(super) fn end(&mut self, frame: &Frame, granted: &Grant) -> Result<(), Violation> {
        let outcome = header::outcome(frame.id, &frame.header)?;
        let has_body = outcome.status == OK && !frame.body.is_empty();
        if outcome.status == OPENED || outcome.total.is_some() || has_body {
            return Err(Violation::new(Rule::Header, frame.id, outcome.status, OK));
        }
        self.call(frame.id)?.may_say(frame.id, outcome)?;
        fits(frame.id, frame.size(), granted)?;
        self.terminate(frame.id);
        Ok(())
    }

    /// Judges a Message, and counts the items that begin in it.
    pub(super) fn message(&mut self, frame: &Frame, granted: &Grant) -> Result<u64, Violation> {
        let call = self.outside_parts(frame)?;
        if !call.whole {
            return Err(Violation::new(Rule::Early, frame.id, frame.size(), 0));
        }
        call.outlet.message(frame, granted.max_message)
    }

    /// Judges a Cancel, by which the callee takes no more of the caller's items.
    pub(super) fn cancel(&mut self, frame: &Frame) -> Result<(), Violation> {
        self.outside_parts(frame).map(|_| ())
    }

    /// Judges Credit for the caller's items.
    pub(super) fn credit(&mut self, frame: &Frame, increment: u32) -> Result<(), Violation> {
        self.outside_parts(frame)?.intake.credit(frame.id, increment)
    }

    /// Judges Credit for the bytes of requests.
    pub(super) fn give_back(&mut self, increment: u32) -> Result<(), Violation> {
        let increment = u64::from(increment);
        let fault = Violation::new(Rule::GivenBack, 0, increment, self.kept_back);
        self.kept_back = self.kept_back.checked_sub(increment).ok_or(fault)?;
        Ok(())
    }

    fn terminate(&mut self, id: u64) {
        self.calls.remove(&id);
        self.over.insert(id);
    }

    fn call(&mut self, id: u64) -> Result<&mut Call, Violation> {
        let rule = if self.over.contains(&id) { Rule::BehindTerminal } else { Rule::NeverReceived };
        self.calls.get_mut(&id).ok_or_else(|| Violation::new(rule, id, 1, 0))
    }

    /// The call of a frame that may not stand between the parts of its Response.
    fn outside_parts(&mut self, frame: &Frame) -> Result<&mut Call, Violation> {
        let call = self.call(frame.id)?;
        match call.answering {
            Some(remaining) => Err(Violation::new(Rule::Interrupted, frame.id, u64::from(frame.kind), remaining)),
            None => Ok(call),
        }
    }
}

impl Call {
    /// The first part of a Response; whether it is the terminal frame.
    fn respond(&mut self, frame: &Frame, granted: &Grant) -> Result<bool, Violation> {
        let (id, size) = (frame.id, frame.size());
        let outcome = header::outcome(id, &frame.header)?;
        if outcome.total.is_some() != frame.more() {
            return Err(Violation::new(Rule::Parts, id, outcome.total.unwrap_or(0), u64::from(frame.more())));
        }
        let total = outcome.total.unwrap_or(size);
        fits(id, total, granted)?;
        self.may_say(id, outcome)?;
        let is_second = self.opened || self.outlet.begun();
        let is_misplaced = match outcome.status {
            OK => is_second,
            OPENED => is_second || frame.more() || size > 0,
            _ => false,
        };
        if is_misplaced {
            return Err(Violation::new(Rule::Opening, id, outcome.status, u64::from(is_second)));
        }
        self.opened |= outcome.status == OPENED;
        if frame.more() {
            let rest = total.checked_sub(size).ok_or_else(|| Violation::new(Rule::Parts, id, size, total))?;
            self.answering = Some(rest);
        }
        Ok(!frame.more() && outcome.status != OPENED)
    }

    /// That a method ran is told only of a Request that is whole.
    fn may_say(&self, id: u64, outcome: Outcome) -> Result<(), Violation> {
        let ran = [OK, SERVICE_ERROR, OPENED].contains(&outcome.status);
        if ran && !self.whole { Err(Violation::new(Rule::Early, id, outcome.status, 2)) } else { Ok(()) }
    }
}

/// A later part of a Response has no header.
fn between_parts(frame: &Frame) -> Result<(), Violation> {
    match frame.header.len() as u64 {
        0 => Ok(()),
        length => Err(Violation::new(Rule::Interrupted, frame.id, length, 0)),
    }
}

fn fits(id: u64, size: u64, granted: &Grant) -> Result<(), Violation> {
    let most = u64::from(granted.max_message);
    if size > most { Err(Violation::new(Rule::MaxMessage, id, size, most)) } else { Ok(()) }
}

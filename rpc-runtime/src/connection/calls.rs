//! The pending table: every call of this side from its registration to its terminal frame, in slots that are used
//! again; beside it the streams of both ends, which a call's end is handed to. Pure: no I/O, no clock; wakers and old
//! buffers are handed out, to be woken and dropped without the lock.

mod counts;
mod queue;
mod streaming;
#[cfg(test)]
mod tests;
mod waiting;

use std::task::Waker;

use tokio::time::Instant;
use waiting::Waiting;

use super::{
    frames::{Frames, TakenBack},
    slot::{
        Abandoned, CallId, NOT_BEGUN, Opened, Polled, Slot, Stage, VALUE_FOR_ITEMS, Withdrawn, no_room, taken_already,
    },
    streams::Streams,
};
use crate::{
    call::{Answer, Ending},
    limits::StreamWindow,
    metadata::Metadata,
    status::{Code, Status},
    wire::{self, Grant},
};

/// Which bit of an id makes their number even; there are never so many slots that an index needs it.
const PARITY: u32 = 31;

/// All calls of this side of a connection.
#[derive(Debug)]
pub(super) struct Calls {
    /// The lowest bit of the ids that this side opens.
    side: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Calls that wait for room, and some that have ended meanwhile.
    queue: Waiting,
    /// The memory of the calls that wait.
    held: usize,
    grant: Grant,
    /// Calls on the wire without a terminal frame.
    in_flight: u32,
    /// How many of those have streams.
    streaming: u32,
    /// What travels on streams, of the peer's calls too.
    pub(super) streams: Streams,
    /// Calls that ever were on the wire.
    sent: u64,
    /// Bytes of requests that may still be sent.
    window: u64,
    /// Why no further call is taken, once that is so.
    refusing: Option<Status>,
    /// All calls were ended: that reason stays.
    terminated: bool,
    /// Responses that found no call waiting for them.
    late: u64,
    /// The last one was for no call at all, not even one that was given up.
    stray: bool,
}

impl Calls {
    pub(super) fn new(side: u64, grant: Grant, windows: StreamWindow) -> Self {
        let window = u64::from(grant.request_window);
        Self {
            side,
            slots: Vec::new(),
            free: Vec::new(),
            queue: Waiting::default(),
            held: 0,
            grant,
            in_flight: 0,
            streaming: 0,
            streams: Streams::new(windows, grant.stream_window),
            sent: 0,
            window,
            refusing: None,
            terminated: false,
            late: 0,
            stray: false,
        }
    }

    /// Calls on the wire without a terminal frame.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether no call waits for anything.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.has_queue()
    }

    /// Responses that found no call waiting for them.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// An answer has come for no call at all.
    pub(super) fn count_stray(&mut self) {
        self.late += 1;
        // The answers to calls that were ended here are on their way.
        self.stray = !self.terminated;
    }

    /// Whether an answer has come that no call waited for: a fault of the peer. Told once.
    pub(super) fn take_stray(&mut self) -> bool {
        std::mem::take(&mut self.stray)
    }

    /// Slots that are not free: calls whose outcome was not taken, or that are still on the wire.
    pub(super) fn occupied(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The outcome of a call, once: the slot is free after it, or when its terminal frame has come.
    pub(super) fn poll(&mut self, id: CallId, waker: &Waker) -> Polled {
        let Some(slot) = self.slot_mut(id) else { return Polled::Ready(taken_already(), None) };
        if let (Opened::Fresh(_), Some(key)) = (&slot.opened, slot.stream) {
            return self.see_opened(id, key);
        }
        if !matches!(slot.stage, Stage::Ended { .. }) {
            let known = slot.waker.as_ref().is_some_and(|old| old.will_wake(waker));
            return if known { Polled::Pending } else { Polled::OtherWaker };
        }
        let old = slot.waker.take();
        match std::mem::replace(&mut slot.stage, Stage::Abandoned) {
            Stage::Ended { answer, open } => {
                if !open {
                    self.release(id.index);
                }
                Polled::Ready(answer, old)
            }
            _ => Polled::Ready(taken_already(), old),
        }
    }

    /// The same with another waker to be told. Gives back the one it replaces.
    pub(super) fn poll_with(&mut self, id: CallId, waker: Waker) -> (Polled, Option<Waker>) {
        match self.poll(id, &waker) {
            Polled::OtherWaker => (Polled::Pending, self.slot_mut(id).and_then(|slot| slot.waker.replace(waker))),
            polled => (polled, Some(waker)),
        }
    }

    /// The peer answered. Gives the waker of the caller, if somebody waits. What has not left of the request does not
    /// leave any more: the peer may answer at its first part.
    pub(super) fn answer(
        &mut self,
        wire_id: u64,
        ending: Ending,
        metadata: Metadata,
        body: &[u8],
        frames: &mut Frames,
    ) -> Option<Waker> {
        if self.expects_items(wire_id) {
            let status = Status::of_call(Code::Internal, VALUE_FOR_ITEMS);
            return self.answer_owned(wire_id, Answer::of_status(status), frames);
        }
        self.end(wire_id, frames, |buffer| {
            buffer.clear();
            buffer.extend_from_slice(body);
            Answer { ending, metadata, body: std::mem::take(buffer) }
        })
    }

    /// The same with a body that is handed over.
    pub(super) fn answer_owned(&mut self, wire_id: u64, answer: Answer, frames: &mut Frames) -> Option<Waker> {
        self.end(wire_id, frames, |_| answer)
    }

    /// Whether a call with this id waits for its terminal frame.
    pub(super) fn is_open(&self, wire_id: u64) -> bool {
        self.open_slot(wire_id).is_some()
    }

    /// Gives a call its outcome although its terminal frame has not come.
    pub(super) fn fail(&mut self, wire_id: u64, status: Status) -> Option<Waker> {
        let index = self.open_slot(wire_id)?;
        let slot = &mut self.slots[index as usize];
        if !matches!(slot.stage, Stage::Sent(_)) {
            return None;
        }
        self.settle(index, Answer::of_status(status), true)
    }

    /// The caller has gone. Tells the peer if that has begun to know of the call. Gives back what to drop.
    pub(super) fn abandon(&mut self, id: CallId, frames: &mut Frames) -> Abandoned {
        let wire_id = self.wire_id(id);
        let Some(slot) = self.slot_mut(id) else { return Abandoned::default() };
        if matches!(slot.stage, Stage::Free | Stage::Abandoned) {
            return Abandoned::default();
        }
        let (waker, stream) = (slot.waker.take(), slot.stream.take());
        let stage = std::mem::replace(&mut slot.stage, Stage::Abandoned);
        let stream = stream.map(|key| self.streams.release(key));
        match &stage {
            Stage::Sent(_) => match self.withdraw(id, wire_id, frames) {
                Withdrawn::Whole => self.release(id.index),
                Withdrawn::Cut => {}
                Withdrawn::Nothing => wire::put_cancel(&mut frames.small, wire_id),
            },
            Stage::Queued(request) => {
                self.release(id.index);
                self.leave_queue(request.held());
            }
            Stage::Ended { open: false, .. } => self.release(id.index),
            Stage::Free | Stage::Abandoned | Stage::Ended { open: true, .. } => {}
        }
        Abandoned { _waker: waker, _stage: Some(stage), _stream: stream }
    }

    /// Ends the calls whose time has passed. Gives the next deadline and the wakers.
    pub(super) fn expire(&mut self, now: Instant, frames: &mut Frames, wakers: &mut Vec<Waker>) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let Some(deadline) = slot.deadline else { continue };
            if !matches!(slot.stage, Stage::Queued(_) | Stage::Sent(_)) {
                continue;
            }
            if deadline > now {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
                continue;
            }
            let id = CallId { index: index as u32, generation: slot.generation };
            wakers.extend(self.expire_one(id, frames));
        }
        wakers.append(&mut self.streams.woken);
        next
    }

    /// Takes no further call, because the peer said so, and ends those that wait for room.
    pub(super) fn refuse_new(&mut self, status: &Status, wakers: &mut Vec<Waker>) {
        let status = status.clone().not_executed();
        self.refusing.get_or_insert(status.clone());
        for id in std::mem::take(&mut self.queue).into_ids() {
            if self.slot(id).is_some_and(|slot| matches!(slot.stage, Stage::Queued(_))) {
                wakers.extend(self.settle(id.index, Answer::of_status(status.clone()), false));
            }
        }
        self.held = 0;
        wakers.append(&mut self.streams.woken);
    }

    /// The connection is over: every call ends with `cause`, *not executed* when its request begins at or beyond
    /// `written`, and no further one is taken. The first cause holds for later calls.
    pub(super) fn terminate(&mut self, cause: &Status, written: u64, wakers: &mut Vec<Waker>) {
        self.refuse_new(cause, wakers);
        if !std::mem::replace(&mut self.terminated, true) {
            self.refusing = Some(cause.clone().not_executed());
        }
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            match &mut slot.stage {
                Stage::Free => {}
                Stage::Abandoned => self.release(index as u32),
                Stage::Sent(_) | Stage::Queued(_) => {
                    let cause = cause.clone();
                    let status = if slot.position >= written { cause.not_executed() } else { cause };
                    wakers.extend(self.settle(index as u32, Answer::of_status(status), false));
                }
                Stage::Ended { open, .. } => *open = false,
            }
        }
        (self.in_flight, self.streaming) = (0, 0);
        wakers.append(&mut self.streams.woken);
    }

    /// Ends every call with `cause` on a connection whose output goes on. A request that was appended still leaves and
    /// may run; the peer is told that nobody waits for it.
    pub(super) fn hang_up(&mut self, cause: &Status, frames: &mut Frames, wakers: &mut Vec<Waker>) {
        self.cancel_all(frames);
        self.terminate(cause, NOT_BEGUN, wakers);
    }

    fn cancel_all(&mut self, frames: &mut Frames) {
        for index in 0..self.slots.len() {
            if matches!(self.slots[index].stage, Stage::Sent(_)) {
                let id = CallId { index: index as u32, generation: self.slots[index].generation };
                let wire_id = self.wire_id(id);
                if !matches!(frames.take_back(wire_id), TakenBack::Whole(_)) {
                    wire::put_cancel(&mut frames.small, wire_id);
                }
            }
        }
    }

    /// Room for `increment` more bytes of requests; `false` when that is more than the peer can mean.
    pub(super) fn credit(&mut self, increment: u32) -> bool {
        self.window += u64::from(increment);
        self.window <= u64::from(self.grant.request_window)
    }

    /// A large request begins at `position`.
    pub(super) fn begins(&mut self, wire_id: u64, position: u64) {
        if let Some(index) = self.open_slot(wire_id) {
            self.slots[index as usize].position = position;
        }
    }

    /// The terminal frame of a call has come.
    fn end(&mut self, wire_id: u64, frames: &mut Frames, answer: impl FnOnce(&mut Vec<u8>) -> Answer) -> Option<Waker> {
        let Some(index) = self.open_slot(wire_id) else {
            self.count_stray();
            return None;
        };
        if frames.has_large() {
            if let TakenBack::Whole(bytes) | TakenBack::Rest(bytes) = frames.take_back(wire_id) {
                self.window += bytes as u64;
            }
        }
        self.leaves(index);
        let slot = &mut self.slots[index as usize];
        match &mut slot.stage {
            Stage::Sent(buffer) => {
                let answer = answer(buffer);
                self.settle(index, answer, false)
            }
            Stage::Ended { open, .. } => {
                *open = false;
                self.late += 1;
                None
            }
            Stage::Free | Stage::Queued(_) | Stage::Abandoned => {
                self.late += 1;
                self.release(index);
                None
            }
        }
    }

    /// The deadline of a call that waits or is on the wire has passed.
    fn expire_one(&mut self, id: CallId, frames: &mut Frames) -> Option<Waker> {
        let wire_id = self.wire_id(id);
        let waited = match &self.slots[id.index as usize].stage {
            Stage::Queued(request) => Some(request.held()),
            _ => None,
        };
        let (status, open) = if waited.is_none() {
            let on_the_wire = self.withdraw(id, wire_id, frames) != Withdrawn::Whole;
            let streams = !matches!(self.slots[id.index as usize].opened, Opened::No);
            let late = if streams { "the stream did not end in time" } else { "no answer came in time" };
            let status = Status::of_call(Code::DeadlineExceeded, late);
            let unsent = "the request could not be written in time";
            let unsent = Status::of_call(Code::DeadlineExceeded, unsent).not_executed();
            if on_the_wire { (status, true) } else { (unsent, false) }
        } else {
            let streams = self.slots[id.index as usize].streams.then_some(self.streaming);
            (no_room(self.in_flight, streams, self.window, &self.grant), false)
        };
        let waker = self.settle(id.index, Answer::of_status(status), open);
        if let Some(held) = waited {
            self.leave_queue(held);
        }
        waker
    }

    /// Takes a request back from the output as far as it has not left. The peer is told at once of one that was cut.
    fn withdraw(&mut self, id: CallId, wire_id: u64, frames: &mut Frames) -> Withdrawn {
        match frames.take_back(wire_id) {
            TakenBack::Whole(bytes) => {
                self.leaves(id.index);
                self.window += bytes as u64;
                Withdrawn::Whole
            }
            TakenBack::Rest(bytes) => {
                self.window += bytes as u64;
                wire::put_cancel(&mut frames.small, wire_id);
                Withdrawn::Cut
            }
            TakenBack::Gone => Withdrawn::Nothing,
        }
    }

    /// A call is not in flight any more.
    fn leaves(&mut self, index: u32) {
        self.in_flight -= 1;
        self.streaming -= u32::from(self.slots[index as usize].streams);
    }

    fn allocate(&mut self, deadline: Option<Instant>, waker: Option<Waker>) -> CallId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let generation = slot.generation.wrapping_add(1).max(1);
        *slot = Slot { generation, waker, deadline, ..Slot::default() };
        CallId { index, generation }
    }

    fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.stage = Stage::Free;
        (slot.deadline, slot.opened) = (None, Opened::No);
        self.free.push(index);
    }

    /// Ids have an even number of bits, so that one that was flipped never makes the id of another call.
    pub(super) fn wire_id(&self, id: CallId) -> u64 {
        let bits = (u64::from(id.generation) << 32) | (u64::from(id.index) << 1) | self.side;
        bits | (u64::from(bits.count_ones() & 1) << PARITY)
    }

    fn slot(&self, id: CallId) -> Option<&Slot> {
        self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    fn slot_mut(&mut self, id: CallId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    /// The slot of a call on the wire whose terminal frame has not come.
    fn open_slot(&self, wire_id: u64) -> Option<u32> {
        let index = (wire_id as u32 & !(1 << PARITY)) >> 1;
        let id = CallId { index, generation: (wire_id >> 32) as u32 };
        let open = match &self.slot(id)?.stage {
            Stage::Sent(_) | Stage::Abandoned => true,
            Stage::Ended { open, .. } => *open,
            Stage::Free | Stage::Queued(_) => false,
        };
        (open && wire_id == self.wire_id(id)).then_some(id.index)
    }
}

//! Calls of this side with streams: when they have succeeded, and how their end reaches whoever takes their items.

use std::task::Waker;

use super::{CallId, Calls, Frames, Opened, Polled, Stage, Withdrawn, taken_already};
use crate::{
    call::{Answer, Ending, OutgoingRequest, Reception},
    connection::streams::Key,
    metadata::Metadata,
    status::Status,
    wire,
};

impl Calls {
    /// Whether there is but one call with streams, and none without, as far as this table knows.
    pub(in crate::connection) fn is_alone(&self) -> bool {
        self.in_flight + self.streams.served() == 1
    }

    /// The stream of a call that waits or is on the wire.
    pub(in crate::connection) fn stream(&self, id: CallId) -> Option<Key> {
        self.slot(id)?.stream
    }

    /// The stream of a call on the wire, by its id: `Err` when there is no such call, `Ok(None)` when it has none, or
    /// nobody waits for it any more.
    pub(in crate::connection) fn stream_of(&self, wire_id: u64) -> Result<Option<Key>, ()> {
        let index = self.open_slot(wire_id).ok_or(())?;
        Ok(self.slots[index as usize].stream)
    }

    /// Whether nobody waits for this call on the wire any more.
    pub(in crate::connection) fn is_abandoned(&self, wire_id: u64) -> bool {
        let stage = self.open_slot(wire_id).map(|index| &self.slots[index as usize].stage);
        !matches!(stage, Some(Stage::Sent(_)))
    }

    /// Whether a call on the wire expects items: then no value may come for it.
    pub(in crate::connection) fn expects_items(&self, wire_id: u64) -> bool {
        let slot = self.open_slot(wire_id).map(|index| &self.slots[index as usize]);
        slot.is_some_and(|slot| slot.reception != Reception::Value)
    }

    /// The method has accepted the call, as its Response says or its first items do. `false`: that was said before.
    pub(in crate::connection) fn open(&mut self, wire_id: u64, metadata: Metadata) -> bool {
        let Some(index) = self.open_slot(wire_id) else { return true };
        let slot = &mut self.slots[index as usize];
        if !matches!(slot.stage, Stage::Sent(_)) || slot.reception == Reception::Value {
            return true;
        }
        let first = !std::mem::replace(&mut slot.answered, true);
        if matches!(slot.opened, Opened::No) {
            slot.opened = Opened::Fresh(metadata);
            self.streams.woken.extend(slot.waker.take());
        }
        first
    }

    /// A call fails by what came for it, or by what was to be sent: its caller has the outcome, and the peer is told.
    pub(in crate::connection) fn fail_and_cancel(&mut self, wire_id: u64, status: Status, frames: &mut Frames) {
        let Some(index) = self.open_slot(wire_id) else { return };
        if !matches!(self.slots[index as usize].stage, Stage::Sent(_)) {
            return;
        }
        let id = CallId { index, generation: self.slots[index as usize].generation };
        let withdrawn = self.withdraw(id, wire_id, frames);
        if withdrawn == Withdrawn::Nothing {
            wire::put_cancel(&mut frames.small, wire_id);
        }
        let waker = self.settle(index, Answer::of_status(status), withdrawn != Withdrawn::Whole);
        self.streams.woken.extend(waker);
    }

    /// Takes a call with streams.
    pub(super) fn attach_stream(&mut self, id: CallId, request: &OutgoingRequest) {
        let takes = request.reception != Reception::Value;
        let key = self.streams.open(self.wire_id(id), takes, request.sends);
        let slot = &mut self.slots[id.index as usize];
        (slot.stream, slot.streams, slot.reception) = (Some(key), true, request.reception);
    }

    /// A call has ended: its caller gets the outcome, or whoever takes its items, behind those that have come. `open`:
    /// its terminal frame has not come.
    pub(super) fn settle(&mut self, index: u32, answer: Answer, open: bool) -> Option<Waker> {
        let slot = &mut self.slots[index as usize];
        let Some(key) = slot.stream else {
            slot.stage = Stage::Ended { answer, open };
            return slot.waker.take();
        };
        if matches!(slot.opened, Opened::No) {
            if slot.reception == Reception::Value || !matches!(answer.ending, Ending::Ok) {
                slot.stage = Stage::Ended { answer, open };
                slot.stream = None;
                let waker = slot.waker.take();
                // What it has of others is dropped by them; it held no items.
                let _nothing = self.streams.release(key);
                return waker;
            }
            slot.opened = Opened::Fresh(Metadata::new());
        }
        let seen = matches!(slot.opened, Opened::Seen);
        slot.stage = if seen && open {
            Stage::Abandoned
        } else {
            // Never looked at: the stream says how it ended.
            Stage::Ended { answer: taken_already(), open }
        };
        let waker = slot.waker.take();
        if seen {
            slot.stream = None;
            if !open {
                self.release(index);
            }
        }
        self.streams.finish(key, answer);
        waker
    }

    /// The caller gets its stream.
    pub(super) fn see_opened(&mut self, id: CallId, key: Key) -> Polled {
        let slot = &mut self.slots[id.index as usize];
        let old = slot.waker.take();
        let metadata = match std::mem::replace(&mut slot.opened, Opened::Seen) {
            Opened::Fresh(metadata) => metadata,
            Opened::No | Opened::Seen => Metadata::new(),
        };
        match slot.stage {
            Stage::Ended { open: false, .. } => {
                slot.stream = None;
                self.release(id.index);
            }
            Stage::Ended { open: true, .. } => {
                slot.stream = None;
                slot.stage = Stage::Abandoned;
            }
            Stage::Free | Stage::Queued(_) | Stage::Sent(_) | Stage::Abandoned => {}
        }
        Polled::Opened(metadata, key, old)
    }
}

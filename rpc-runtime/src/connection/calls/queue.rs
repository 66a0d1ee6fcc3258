//! How calls get on their way: at once, or in their turns when the peer has room for them.

use std::{task::Waker, time::Duration};

use tokio::time::Instant;

use super::{CallId, Calls, Frames, NOT_BEGUN, Opened, Slot, Stage};
use crate::{
    call::{OutgoingRequest, Reception},
    connection::frames::request_header,
    metadata::Metadata,
    status::Status,
};

/// The shortest time that a request leaves with.
const LEAST_TIMEOUT: Duration = Duration::from_micros(1);

impl Calls {
    /// Whether calls wait for room.
    pub(in crate::connection) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes a call and appends its request if there is room at the peer; else it waits its turn. `taken` is where the
    /// small frames begin in all that is ever written. The waker of a call that is refused stays with the caller, to be
    /// dropped without the lock.
    pub(in crate::connection) fn register(
        &mut self,
        mut request: OutgoingRequest,
        deadline: Option<Instant>,
        waker: &mut Option<Waker>,
        now: Instant,
        frames: &mut Frames,
        taken: u64,
    ) -> Result<CallId, Status> {
        if let Some(status) = &self.refusing {
            return Err(status.clone());
        }
        let id = self.allocate(deadline, waker.take());
        let streams = request.streams();
        if streams {
            self.attach_stream(id, &request);
        }
        let room = self.has_room(request.body.len());
        if room && self.queue.lets_pass(streams, self.is_full_of_streams()) {
            self.send(id, &mut request, now, frames, taken);
            return Ok(id);
        }
        self.held += request.held();
        self.slots[id.index as usize].stage = Stage::Queued(Box::new(request));
        self.queue.push(id, streams, deadline, now);
        if room {
            // Who stands before it may be too large for what is left, and late.
            self.pump(now, frames, taken);
        }
        Ok(id)
    }

    /// Sends the calls that wait, in their turns, as far as there is room. One that has its turn is not passed because
    /// it is large.
    pub(in crate::connection) fn pump(&mut self, now: Instant, frames: &mut Frames, taken: u64) {
        while let Some(id) = self.queue.next(self.is_full_of_streams(), now) {
            let full = self.is_full_of_streams();
            let Some(Slot { stage: Stage::Queued(request), deadline, .. }) = self.slot(id) else {
                self.queue.pop_gone(full, now);
                continue;
            };
            if deadline.is_some_and(|deadline| deadline <= now) {
                // Its time is over, and the clock has not been looked at yet.
                let waker = self.expire_one(id, frames);
                self.streams.woken.extend(waker);
                continue;
            }
            if !self.has_room(request.body.len()) {
                return;
            }
            self.held -= request.held();
            self.queue.pop(full, now);
            let slot = &mut self.slots[id.index as usize];
            if let Stage::Queued(mut request) = std::mem::replace(&mut slot.stage, Stage::Abandoned) {
                self.send(id, &mut request, now, frames, taken);
            }
        }
    }

    /// A call that waited for room has ended.
    pub(super) fn leave_queue(&mut self, held: usize) {
        self.held -= held;
        let slots = &self.slots;
        self.queue.leave(|id| {
            let slot = &slots[id.index as usize];
            slot.generation == id.generation && matches!(slot.stage, Stage::Queued(_))
        });
    }

    fn send(&mut self, id: CallId, request: &mut OutgoingRequest, now: Instant, frames: &mut Frames, taken: u64) {
        let wire_id = self.wire_id(id);
        self.in_flight += 1;
        self.sent += 1;
        self.window -= request.body.len() as u64;
        let slot = &mut self.slots[id.index as usize];
        // What is left is cut to microseconds on the wire, where none would be no time at all.
        let timeout = slot.deadline.map(|deadline| deadline.saturating_duration_since(now).max(LEAST_TIMEOUT));
        let mut header = request_header(&request.service, request.method, timeout, &request.metadata);
        let position = taken + frames.small.len() as u64;
        let whole = frames.push_request(wire_id, &mut header, &mut request.body);
        slot.position = if whole { position } else { NOT_BEGUN };
        slot.stage = Stage::Sent(std::mem::take(&mut request.body));
        if let Some(key) = slot.stream {
            self.streaming += 1;
            self.streams.begin(key);
            if slot.reception == Reception::AtOnce {
                slot.opened = Opened::Fresh(Metadata::new());
                self.streams.woken.extend(slot.waker.take());
            }
        }
    }

    /// Whether the peer takes no further call with streams.
    fn is_full_of_streams(&self) -> bool {
        self.streaming >= self.grant.streams
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.in_flight < self.grant.in_flight && bytes as u64 <= self.window
    }
}

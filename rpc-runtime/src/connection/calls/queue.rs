//! How calls get on their way: at once, or in their order when the peer has room for them.

use std::{task::Waker, time::Duration};

use tokio::time::Instant;

use super::{CallId, Calls, Frames, GONE, NOT_BEGUN, Opened, Slot, Stage};
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
        !self.queue.is_empty() || !self.parked.is_empty()
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
        if streams && (self.streaming >= self.grant.streams || !self.parked.is_empty()) {
            self.wait(id, request);
            self.parked.push_back(id);
        } else if self.queue.is_empty() && self.has_room(request.body.len()) {
            self.send(id, &mut request, now, frames, taken);
        } else {
            self.wait(id, request);
            self.queue.push_back(id);
        }
        Ok(id)
    }

    /// Sends the calls that wait, in order, as far as there is room.
    pub(in crate::connection) fn pump(&mut self, now: Instant, frames: &mut Frames, taken: u64) {
        self.unpark();
        let mut parked = 0;
        while let Some(&id) = self.queue.front() {
            let Some(Slot { stage: Stage::Queued(request), streams, deadline, .. }) = self.slot(id) else {
                self.queue.pop_front();
                self.gone -= 1;
                continue;
            };
            if deadline.is_some_and(|deadline| deadline <= now) {
                // There is room for it in the very moment in which its time is over.
                let waker = self.expire_one(id, frames);
                self.streams.woken.extend(waker);
                continue;
            }
            if *streams && self.streaming >= self.grant.streams {
                // In front: it is older than those.
                self.parked.insert(parked, id);
                parked += 1;
                self.queue.pop_front();
                continue;
            }
            if !self.has_room(request.body.len()) {
                return;
            }
            self.held -= request.held();
            self.queue.pop_front();
            let slot = &mut self.slots[id.index as usize];
            if let Stage::Queued(mut request) = std::mem::replace(&mut slot.stage, Stage::Abandoned) {
                self.send(id, &mut request, now, frames, taken);
            }
        }
    }

    /// A call that waited for room has ended. Takes such calls out of the queues once they are most of them, so that
    /// these do not grow while their heads wait.
    pub(super) fn leave_queue(&mut self, held: usize) {
        self.gone += 1;
        self.held -= held;
        if self.gone > GONE.max((self.queue.len() + self.parked.len()) / 2) {
            let slots = &self.slots;
            let waits = |id: &CallId| {
                let slot = &slots[id.index as usize];
                slot.generation == id.generation && matches!(slot.stage, Stage::Queued(_))
            };
            self.queue.retain(waits);
            self.parked.retain(waits);
            self.gone = 0;
        }
    }

    /// Puts as many calls as the peer may take streams in front of the others, for they have waited longer.
    fn unpark(&mut self) {
        let mut room = self.grant.streams.saturating_sub(self.streaming) as usize;
        let mut next = 0;
        while room > 0 && next < self.parked.len() {
            let waits = self.slot(self.parked[next]).is_some_and(|slot| matches!(slot.stage, Stage::Queued(_)));
            room -= usize::from(waits);
            next += 1;
        }
        for id in self.parked.drain(..next).rev() {
            self.queue.push_front(id);
        }
    }

    fn wait(&mut self, id: CallId, request: OutgoingRequest) {
        self.held += request.held();
        self.slots[id.index as usize].stage = Stage::Queued(Box::new(request));
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

    fn has_room(&self, bytes: usize) -> bool {
        self.in_flight < self.grant.in_flight && bytes as u64 <= self.window
    }
}

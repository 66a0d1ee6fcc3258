//! What this side sends on streams: a task for the items of each of its calls, and what the tasks of handlers use for
//! theirs. They send while the peer has room for it and not too much waits to be written.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    frames::opened_header,
    shared::{Shared, State},
    slot::CallId,
    streams::{Key, Room},
};
use crate::{
    buffer,
    call::{Answer, Items, Pulled, Reply, longer_than},
    metadata::Metadata,
    router::{Finished, Running},
    status::Status,
};

/// A turn ends after this long, so that other tasks of the worker run.
const TURN: Duration = Duration::from_micros(200);

/// Sends the items of a call of this side.
pub(super) struct Pump {
    shared: Arc<Shared>,
    /// The id of the call.
    id: u64,
    key: Key,
    items: Items,
    chunk: Chunk,
}

impl Pump {
    pub(super) fn new(shared: Arc<Shared>, id: u64, key: Key, items: Items) -> Self {
        Self { shared, id, key, items, chunk: Chunk::default() }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let polled = this.take_turn(cx);
        this.chunk.rest();
        polled
    }
}

impl Pump {
    fn take_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let began = Instant::now();
        let Self { shared, id, key, items, chunk } = self;
        loop {
            let room = match shared.room(*key, cx.waker()) {
                Room::Open(room) => room,
                Room::None => return Poll::Pending,
                Room::Gone => return Poll::Ready(()),
            };
            match items.poll(cx, chunk.begin(), room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Pulled::Items(cost)) => {
                    items.taken(cost);
                    let bytes = chunk.take();
                    if let Some(status) = longer_than(shared.max_sent_item(), &bytes) {
                        shared.fail_and_cancel(*id, status);
                        return Poll::Ready(());
                    }
                    shared.send_items(*key, bytes, cost);
                }
                Poll::Ready(Pulled::End(answer)) => {
                    shared.end_items(*key, answer);
                    return Poll::Ready(());
                }
                Poll::Ready(Pulled::Fault(status)) => {
                    shared.fail_and_cancel(*id, status);
                    return Poll::Ready(());
                }
            }
            if began.elapsed() >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

/// Runs a handler that returns items, and sends them.
pub(super) struct Producing {
    shared: Arc<Shared>,
    key: Key,
    running: Running,
    chunk: Chunk,
}

impl Producing {
    pub(super) fn new(shared: Arc<Shared>, key: Key, running: Running) -> Self {
        Self { shared, key, running, chunk: Chunk::default() }
    }
}

impl Future for Producing {
    type Output = Finished;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let this = self.get_mut();
        let polled = this.take_turn(cx);
        this.chunk.rest();
        polled
    }
}

impl Producing {
    fn take_turn(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        let began = Instant::now();
        let Self { shared, key, running, chunk } = self;
        let Some(outlet) = running.outlet.clone() else { return running.poll(cx) };
        loop {
            // Without room the handler goes on all the same: it may still be deciding whether to begin. It gets none
            // before that, for what it says with its opening must not leave with its end.
            let begun = outlet.has_begun();
            outlet.make_room(match if begun { shared.room(*key, cx.waker()) } else { Room::None } {
                Room::Open(room) => room,
                Room::None | Room::Gone => 0,
            });
            let polled = running.poll(cx);
            if outlet.take_opened() {
                let opened = shared.send_opened(*key, running.route.descriptor.full_name, running.take_metadata());
                if let Err(status) = opened {
                    return Poll::Ready(Finished { reply: Reply::Status(status), metadata: Metadata::new() });
                }
            }
            let mut sent = false;
            while let Some(cost) = outlet.take(chunk.begin()) {
                shared.send_items(*key, chunk.take(), cost);
                sent = true;
            }
            if polled.is_ready() || !(sent || outlet.has_begun() != begun) {
                return polled;
            }
            if began.elapsed() >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

/// The buffer of the next items, of about the size that the last ones had.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    last: usize,
}

impl Chunk {
    fn begin(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            // A stream that stands still must not hold the room of a large item that has left.
            self.bytes = buffer::take_for(if buffer::is_kept(self.last) { self.last } else { 0 });
        }
        &mut self.bytes
    }

    /// Until the next turn nothing comes.
    fn rest(&mut self) {
        buffer::give(mem::take(&mut self.bytes));
    }

    fn take(&mut self) -> Vec<u8> {
        self.last = self.bytes.len();
        mem::take(&mut self.bytes)
    }
}

impl Shared {
    /// The id and the streams of a call of this side that has just been made.
    pub(super) fn stream_of(&self, call: CallId) -> Option<(u64, Key)> {
        let state = self.lock();
        Some((state.calls.wire_id(call), state.calls.stream(call)?))
    }

    /// What may be sent on a stream; `waker` will be told when that changes.
    fn room(&self, key: Key, waker: &Waker) -> Room {
        // A waker's clone and drop are foreign code: not under the lock.
        let waker = waker.clone();
        let mut state = self.lock();
        let (room, _old) = state.calls.streams.room(key, waker, self.is_choked());
        drop(state);
        room
    }

    /// Sends items of a stream, unless nobody takes them any more. Where nothing else is at work on the connection they
    /// are written at once: nobody could share the write, and the flusher would wait for this turn's end.
    fn send_items(&self, key: Key, items: Vec<u8>, cost: usize) {
        let mut state = self.lock();
        let taken = if state.output.takes_no_replies() { None } else { state.calls.streams.charge(key, cost) };
        let Some(id) = taken else {
            drop(state);
            drop(items);
            return;
        };
        let alone = state.output.is_quiet() && state.calls.is_alone();
        state.output.frames.push_items(id, items);
        self.after_append_by(state, alone);
    }

    /// The method of a call of the peer has accepted it. Fails, and tells the peer nothing, when the metadata is more
    /// than that accepts.
    fn send_opened(&self, key: Key, method: &str, metadata: Metadata) -> Result<(), Status> {
        let header = opened_header(method, metadata, &self.remote, self.local.max_metadata)?;
        let mut state = self.lock();
        if !state.output.takes_no_replies() {
            if let Some(id) = state.calls.streams.charge(key, 0) {
                state.output.frames.push_opened(id, &header);
            }
        }
        self.after_append(state);
        Ok(())
    }

    /// A call of this side sends no further items.
    fn end_items(&self, key: Key, answer: Answer) {
        let mut state = self.lock();
        if let Some(id) = state.calls.streams.charge(key, 0) {
            state.calls.streams.stop(key);
            let finished = Finished { reply: Reply::from(answer), metadata: Metadata::new() };
            state.output.frames.push_end(id, finished, &self.remote, self.local.max_metadata);
        }
        self.after_append(state);
    }

    /// A call of this side fails by what came for it or by what it was to send, although its terminal frame has not
    /// come: the peer is told.
    pub(super) fn fail_and_cancel(&self, wire_id: u64, status: Status) {
        let status = status.at(&self.peer.address);
        let mut state = self.lock();
        let State { calls, output, .. } = &mut *state;
        calls.fail_and_cancel(wire_id, status, &mut output.frames);
        // What had not begun to leave has left its room to those who wait.
        state.pump(Instant::now());
        self.after_append(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_is_kept_for_a_large_item_and_none_at_all_between_turns() {
        let mut chunk = Chunk::default();
        chunk.begin().resize(1 << 20, 0);
        assert_eq!(chunk.take().len(), 1 << 20);
        assert!(chunk.begin().capacity() < 1 << 20, "made for another item as large");
        chunk.begin().resize(40_000, 0);
        assert_eq!(chunk.take().len(), 40_000);
        assert!(chunk.begin().capacity() >= 40_000, "made too small for the next of many");
        chunk.rest();
        assert_eq!(chunk.bytes.capacity(), 0);
    }
}

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
    shared::Shared,
    slot::CallId,
    streams::{Key, Room},
};
use crate::{
    buffer,
    call::{Answer, Items, Pulled, Reply},
    metadata::Metadata,
    router::{Finished, Running},
    status::Status,
};

/// A turn ends after this long, so that other tasks of the worker run.
const TURN: Duration = Duration::from_micros(200);
/// A buffer above this size is not worth keeping.
const SMALL: usize = 4_096;

/// Sends the items of a call of this side.
pub(super) struct Pump {
    shared: Arc<Shared>,
    call: CallId,
    key: Key,
    items: Items,
    chunk: Chunk,
}

impl Pump {
    pub(super) fn new(shared: Arc<Shared>, call: CallId, key: Key, items: Items) -> Self {
        Self { shared, call, key, items, chunk: Chunk::default() }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let began = Instant::now();
        loop {
            let room = match this.shared.room(this.key, cx.waker()) {
                Room::Open(room) => room,
                Room::None => return Poll::Pending,
                Room::Gone => return Poll::Ready(()),
            };
            match this.items.poll(cx, this.chunk.begin(), room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Pulled::Items(cost)) => {
                    this.items.taken(cost);
                    this.shared.send_items(this.key, this.chunk.take(), cost);
                }
                Poll::Ready(Pulled::End(answer)) => {
                    this.shared.end_items(this.key, answer);
                    return Poll::Ready(());
                }
                Poll::Ready(Pulled::Fault(status)) => {
                    this.shared.give_up(this.call, status);
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
        let Self { shared, key, running, chunk } = self.get_mut();
        let Some(outlet) = running.outlet.clone() else { return running.poll(cx) };
        let began = Instant::now();
        loop {
            // Without room the handler goes on all the same: it may still be deciding whether to begin.
            outlet.make_room(match shared.room(*key, cx.waker()) {
                Room::Open(room) => room,
                Room::None | Room::Gone => 0,
            });
            let polled = running.poll(cx);
            if outlet.take_opened() {
                shared.send_opened(*key, running.take_metadata());
            }
            let mut sent = false;
            while let Some(cost) = outlet.take(chunk.begin()) {
                shared.send_items(*key, chunk.take(), cost);
                sent = true;
            }
            if polled.is_ready() || !sent {
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
            self.bytes = if self.last <= SMALL { buffer::take() } else { Vec::with_capacity(self.last) };
        }
        &mut self.bytes
    }

    fn take(&mut self) -> Vec<u8> {
        self.last = self.bytes.len();
        mem::take(&mut self.bytes)
    }
}

impl Shared {
    /// The streams of a call of this side that has just been made.
    pub(super) fn stream_of(&self, call: CallId) -> Option<Key> {
        self.lock().calls.stream(call)
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

    /// Sends items of a stream, unless nobody takes them any more.
    fn send_items(&self, key: Key, items: Vec<u8>, cost: usize) {
        let mut state = self.lock();
        let taken = if state.output.takes_no_replies() { None } else { state.calls.streams.charge(key, cost) };
        let Some(id) = taken else {
            drop(state);
            drop(items);
            return;
        };
        state.output.frames.push_items(id, items);
        self.after_append(state);
    }

    /// The method of a call of the peer has accepted it.
    fn send_opened(&self, key: Key, metadata: Metadata) {
        let mut state = self.lock();
        if !state.output.takes_no_replies() {
            if let Some(id) = state.calls.streams.charge(key, 0) {
                state.output.frames.push_opened(id, metadata);
            }
        }
        self.after_append(state);
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

    /// A call of this side fails by what it was to send.
    fn give_up(&self, call: CallId, status: Status) {
        let wire_id = self.lock().calls.wire_id(call);
        self.fail_call(wire_id, status);
    }

    /// A call of this side fails although its terminal frame has not come: the peer is told.
    pub(super) fn fail_call(&self, wire_id: u64, status: Status) {
        let status = status.at(&self.peer.address);
        let mut state = self.lock();
        let super::shared::State { calls, output, .. } = &mut *state;
        calls.give_up(wire_id, status, &mut output.frames);
        // What had not begun to leave has left its room to those who wait.
        state.pump(Instant::now());
        self.after_append(state);
    }
}

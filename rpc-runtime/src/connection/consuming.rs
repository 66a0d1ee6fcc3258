//! What comes on streams, as whoever consumes it pulls it, and the hold on the streams of a call of the peer. Taking
//! gives room back to the peer; dropping tells it to send no more.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{
    Connection,
    shared::{Shared, State},
    slot::CallId,
    streams::{Key, Taken},
};
use crate::{
    call::{Answer, Pulled, Source},
    status::{Code, Status},
    wire,
};

/// The items of a call of this side. Dropping it cancels the call.
pub(super) struct CallItems {
    connection: Connection,
    call: CallId,
    key: Key,
}

impl CallItems {
    pub(super) fn new(connection: Connection, call: CallId, key: Key) -> Self {
        Self { connection, call, key }
    }
}

impl Source for CallItems {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        self.connection.shared.poll_items(self.key, cx, out, room)
    }

    fn taken(&mut self, cost: usize) {
        self.connection.shared.items_taken(self.key, cost);
    }
}

impl Drop for CallItems {
    fn drop(&mut self) {
        let shared = &self.connection.shared;
        shared.abandon(self.call);
        shared.release(self.key);
    }
}

/// The items that the caller of a handler sends.
pub(super) struct ServedItems {
    shared: Arc<Shared>,
    key: Key,
}

impl Source for ServedItems {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        self.shared.poll_items(self.key, cx, out, room)
    }

    fn taken(&mut self, cost: usize) {
        self.shared.items_taken(self.key, cost);
    }
}

impl Drop for ServedItems {
    fn drop(&mut self) {
        self.shared.leave_items(self.key);
    }
}

/// The streams of a call of the peer; they are over when this is dropped.
pub(super) struct Attached {
    shared: Arc<Shared>,
    pub(super) key: Key,
}

impl Attached {
    pub(super) fn new(shared: &Arc<Shared>, id: u64, takes: bool, sends: bool) -> Self {
        let key = shared.lock().calls.streams.serve(id, takes, sends);
        Self { shared: Arc::clone(shared), key }
    }

    /// What the caller sends. Once.
    pub(super) fn items(&self) -> ServedItems {
        ServedItems { shared: Arc::clone(&self.shared), key: self.key }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.shared.release(self.key);
    }
}

impl Shared {
    fn poll_items(&self, key: Key, cx: &Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let mut taken = self.take_items(key, room);
        if matches!(taken, Some(Taken::Nothing)) {
            // A waker's clone and drop are foreign code: not under the lock.
            let waker = cx.waker().clone();
            let mut state = self.lock();
            taken = state.calls.streams.take(key, room);
            if matches!(taken, Some(Taken::Nothing)) {
                let _old = state.calls.streams.wait_for_items(key, waker);
                drop(state);
                return Poll::Pending;
            }
            self.tell(&mut state);
            drop(state);
        }
        Poll::Ready(match taken {
            Some(Taken::Items(packed)) => {
                crate::buffer::give(mem::replace(out, packed.bytes));
                Pulled::Items(packed.cost)
            }
            Some(Taken::End(answer)) => Pulled::End(answer),
            Some(Taken::Nothing) | None => {
                let status = Status::of_call(Code::Cancelled, "the call of this stream is over");
                Pulled::End(Answer::of_status(status.at(&self.peer.address)))
            }
        })
    }

    fn take_items(&self, key: Key, room: usize) -> Option<Taken> {
        let mut state = self.lock();
        let taken = state.calls.streams.take(key, room);
        self.tell(&mut state);
        taken
    }

    /// Gives room back for items that were taken.
    fn items_taken(&self, key: Key, cost: usize) {
        let now = Instant::now();
        let may_grow = self.account.accounts().is_below_half();
        let mut state = self.lock();
        let Some((id, increment)) = state.calls.streams.give_back(key, cost, now, may_grow) else { return };
        let State { output, .. } = &mut *state;
        if !output.takes_no_replies() {
            wire::put_credit(&mut output.frames.small, id, increment);
        }
        self.after_append(state);
    }

    /// A handler takes no further items.
    fn leave_items(&self, key: Key) {
        let mut state = self.lock();
        let (told, dropped) = state.calls.streams.leave(key);
        let State { output, .. } = &mut *state;
        if let (Some(id), false) = (told, output.takes_no_replies()) {
            wire::put_cancel(&mut output.frames.small, id);
        }
        self.after_append(state);
        drop(dropped);
    }

    fn release(&self, key: Key) {
        let mut state = self.lock();
        let released = state.calls.streams.release(key);
        self.after_append(state);
        drop(released);
    }
}

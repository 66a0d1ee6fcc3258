//! Handlers that wait in the connection's task: a keyed slab, so that one can be dropped by its key, each slot with
//! a waker that is used again.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::router::{Finished, Running};

/// The set of waiting handlers.
pub(super) struct Inline {
    slots: Vec<Slot>,
    free: Vec<usize>,
    ready: Arc<Ready>,
    /// Keys taken off the ready list.
    turn: Vec<usize>,
}

struct Slot {
    handler: Option<(u64, Running)>,
    woken: Arc<SlotWaker>,
    waker: Waker,
}

/// A slot that was reserved for a handler about to be polled for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(usize);

impl Inline {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), ready: Arc::default(), turn: Vec::new() }
    }

    /// Polls a handler for the first time; it is kept, under the key, if it has to wait.
    pub(super) fn first_poll(&mut self, id: u64, mut handler: Running) -> Result<Key, Finished> {
        let key = self.free.pop().unwrap_or_else(|| {
            let key = self.slots.len();
            let woken = Arc::new(SlotWaker { key, listed: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
            self.slots.push(Slot { handler: None, waker: Waker::from(Arc::clone(&woken)), woken });
            key
        });
        let slot = &mut self.slots[key];
        match handler.poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Ready(finished) => {
                self.free.push(key);
                Err(finished)
            }
            Poll::Pending => {
                slot.handler = Some((id, handler));
                Ok(Key(key))
            }
        }
    }

    /// Begins a turn over the handlers that were woken until now, unless one is unfinished.
    pub(super) fn begin_turn(&mut self) {
        if self.turn.is_empty() {
            std::mem::swap(&mut self.turn, &mut self.ready.lock().keys);
            self.turn.reverse();
        }
    }

    /// The next handler of the turn, with its call's id. To be polled with [`poll`](Self::poll) or taken out.
    pub(super) fn next_woken(&mut self) -> Option<(Key, u64)> {
        while let Some(key) = self.turn.pop() {
            let slot = &self.slots[key];
            // Before the poll, so that a wake during it is not lost.
            slot.woken.listed.swap(false, AcqRel);
            if let Some((id, _)) = &slot.handler {
                return Some((Key(key), *id));
            }
        }
        None
    }

    /// The handler under a key.
    pub(super) fn get(&self, key: Key) -> Option<&Running> {
        self.slots[key.0].handler.as_ref().map(|(_, handler)| handler)
    }

    /// Polls a handler again; it leaves the set when it is done.
    pub(super) fn poll(&mut self, key: Key) -> Option<Finished> {
        let slot = &mut self.slots[key.0];
        let (_, handler) = slot.handler.as_mut()?;
        match handler.poll(&mut Context::from_waker(&slot.waker)) {
            Poll::Pending => None,
            Poll::Ready(finished) => {
                self.take(key);
                Some(finished)
            }
        }
    }

    /// Takes a handler out: to cancel it by dropping it, or to run it in a task.
    pub(super) fn take(&mut self, key: Key) -> Option<Running> {
        let (_, handler) = self.slots[key.0].handler.take()?;
        self.free.push(key.0);
        Some(handler)
    }

    /// Whether a handler was woken; if none, `waker` will be told.
    pub(super) fn is_woken(&self, waker: &Waker) -> bool {
        if !self.turn.is_empty() {
            return true;
        }
        let mut ready = self.ready.lock();
        let woken = !ready.keys.is_empty();
        let old = match &ready.driver {
            Some(driver) if driver.will_wake(waker) => None,
            _ => ready.driver.replace(waker.clone()),
        };
        drop(ready);
        drop(old);
        woken
    }

    /// Frees all slots if no handler waits.
    pub(super) fn shrink(&mut self) {
        if self.slots.len() == self.free.len() && self.turn.is_empty() {
            *self = Self::new();
        }
    }
}

/// The keys of slots that were woken, each once.
#[derive(Default)]
struct Ready(Mutex<List>);

#[derive(Default)]
struct List {
    keys: Vec<usize>,
    driver: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SlotWaker {
    key: usize,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, AcqRel) {
            return;
        }
        let mut ready = self.ready.lock();
        ready.keys.push(self.key);
        let driver = if ready.keys.len() == 1 { ready.driver.clone() } else { None };
        drop(ready);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

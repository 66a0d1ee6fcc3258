//! The slots of handlers that wait in the runner: keyed, so that one can be woken by its key, each with a waker that is
//! used again.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::AcqRel},
    task::{Wake, Waker},
};

use crate::{
    connection::sync::{AtomicBool, Mutex, MutexGuard},
    router::Running,
};

/// All slots of one connection.
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
    pub(super) ready: Arc<Ready>,
    /// Keys taken off the ready list.
    turn: Vec<usize>,
}

struct Slot {
    handler: Option<(u64, Running)>,
    woken: Arc<SlotWaker>,
    waker: Waker,
}

/// A slot that belongs to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(usize);

impl Slots {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), ready: Arc::default(), turn: Vec::new() }
    }

    /// A slot for a handler that is about to be polled, and the waker to poll it with.
    pub(super) fn reserve(&mut self) -> (Key, Waker) {
        let key = self.free.pop().unwrap_or_else(|| {
            let key = self.slots.len();
            let woken = Arc::new(SlotWaker { key, listed: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
            self.slots.push(Slot { handler: None, waker: Waker::from(Arc::clone(&woken)), woken });
            key
        });
        (Key(key), self.slots[key].waker.clone())
    }

    /// The handler waits in its slot.
    pub(super) fn put(&mut self, key: Key, id: u64, handler: Running) {
        let slot = &mut self.slots[key.0];
        slot.handler = Some((id, handler));
    }

    /// The slot is free for another handler.
    pub(super) fn release(&mut self, key: Key) {
        self.free.push(key.0);
    }

    /// Whether a handler waits in its slot, and is not being polled.
    pub(super) fn is_waiting(&self, key: Key) -> bool {
        self.slots[key.0].handler.is_some()
    }

    /// Takes all waiting handlers out.
    pub(super) fn take_all(&mut self) -> Vec<Running> {
        self.slots.iter_mut().filter_map(|slot| slot.handler.take()).map(|(_, handler)| handler).collect()
    }

    /// Begins a turn over the handlers that were woken until now, unless one is unfinished.
    pub(super) fn begin_turn(&mut self) {
        if self.turn.is_empty() {
            std::mem::swap(&mut self.turn, &mut self.ready.lock().keys);
            self.turn.reverse();
        }
    }

    /// Takes the next handler of the turn out, to be polled. Its slot stays its own.
    pub(super) fn next_woken(&mut self) -> Option<(u64, Key, Running)> {
        while let Some(key) = self.turn.pop() {
            let slot = &mut self.slots[key];
            // Before the poll, so that a wake during it is not lost.
            slot.woken.listed.swap(false, AcqRel);
            if let Some((id, handler)) = slot.handler.take() {
                return Some((id, Key(key), handler));
            }
        }
        None
    }

    /// The waker of a slot.
    pub(super) fn waker(&self, key: Key) -> Waker {
        self.slots[key.0].waker.clone()
    }

    /// Frees all slots if none is taken.
    pub(super) fn shrink(&mut self) {
        if self.slots.len() == self.free.len() && self.turn.is_empty() {
            let runner = self.ready.lock().runner.take();
            *self = Self::new();
            self.ready.lock().runner = runner;
        }
    }
}

#[cfg(all(test, not(shuttle)))]
impl Slots {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many slots belong to a call.
    pub(super) fn taken(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// In how many of them a handler waits.
    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| slot.handler.is_some()).count()
    }

    pub(super) fn waker_at(&self, slot: usize) -> Waker {
        self.slots[slot].waker.clone()
    }
}

/// The keys of slots that were woken, each once, and the runner to be told.
#[derive(Default)]
pub(super) struct Ready(Mutex<List>);

#[derive(Default)]
struct List {
    keys: Vec<usize>,
    runner: Option<Waker>,
}

impl Ready {
    /// Whether a handler was woken; if none, `waker` will be told. Gives the waker that it replaces.
    pub(super) fn poll_woken(&self, waker: &Waker) -> (bool, Option<Waker>) {
        let mut list = self.lock();
        let old = match &list.runner {
            Some(runner) if runner.will_wake(waker) => None,
            _ => list.runner.replace(waker.clone()),
        };
        (!list.keys.is_empty(), old)
    }

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
        let mut list = self.ready.lock();
        list.keys.push(self.key);
        let runner = if list.keys.len() == 1 { list.runner.clone() } else { None };
        drop(list);
        if let Some(runner) = runner {
            runner.wake();
        }
    }
}

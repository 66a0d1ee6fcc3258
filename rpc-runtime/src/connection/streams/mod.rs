//! The streams of all calls of a connection, of both ends: for each, what has come and was not taken, and what may be
//! sent. Pure: no I/O, no clock; wakers and what is to be dropped are handed out. Which frame may come in which state
//! is in the table of `tests/streams.rs`, as in PROTOCOL.md.

mod inbound;
mod outbound;

use std::{collections::HashMap, hash::BuildHasherDefault, task::Waker};

use tokio::time::Instant;

pub(super) use inbound::{Bytes, Inbound, Taken};
pub(super) use outbound::{Outbound, Room};

use super::ids::IdHasher;
use crate::{
    call::Answer,
    limits::StreamWindow,
    wire::{ITEM_COST, take_item},
};

/// Whole items, one behind the other, and what they cost.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) cost: usize,
}

/// A stream. The generation tells it from earlier ones in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

/// What a frame does that should not have come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Faulty {
    /// It costs its call.
    Call(&'static str),
    /// It costs the connection.
    Connection(String),
}

const NONE_TAKEN: Faulty = Faulty::Call("items for a call that takes none");

/// All streams of a connection.
#[derive(Debug)]
pub(super) struct Streams {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Those of the peer's calls, by the call's id.
    served: HashMap<u64, Key, BuildHasherDefault<IdHasher>>,
    windows: StreamWindow,
    /// What the peer grants each direction of each stream at its start.
    granted: u32,
    /// The memory of what has come and was not taken.
    held: usize,
    /// Those who wait for the output to have room.
    stalled: Vec<Key>,
    /// Whom to wake, without the lock.
    pub(super) woken: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    /// The id of the call.
    id: u64,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
}

/// A stream that is no more, to be dropped without the lock.
#[derive(Debug)]
pub(super) struct Released(#[expect(dead_code, reason = "it is there to be dropped")] Option<Stream>);

/// The items of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measure {
    pub(super) count: usize,
    pub(super) cost: usize,
    /// What the last of them costs.
    pub(super) last: usize,
    /// The length of the longest.
    pub(super) longest: usize,
}

impl Measure {
    /// Looks at all items of a message; `None` when they are malformed.
    pub(super) fn of(mut packed: &[u8]) -> Option<Self> {
        let mut measure = Self { count: 0, cost: 0, last: 0, longest: 0 };
        while !packed.is_empty() {
            let length = take_item(&mut packed)?.len();
            measure.last = length + ITEM_COST;
            measure.cost += measure.last;
            measure.count += 1;
            measure.longest = measure.longest.max(length);
        }
        Some(measure)
    }
}

impl Streams {
    pub(super) fn new(windows: StreamWindow, granted: u32) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            served: HashMap::default(),
            windows,
            granted,
            held: 0,
            stalled: Vec::new(),
            woken: Vec::new(),
        }
    }

    /// The memory of what has come and was not taken.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many of the peer's calls with streams there are.
    pub(super) fn served(&self) -> u32 {
        self.served.len() as u32
    }

    /// A call of this side with streams, which is not on its way yet.
    pub(super) fn open(&mut self, id: u64, takes: bool, sends: bool) -> Key {
        let stream =
            Stream { id, inbound: takes.then(|| Inbound::new(&self.windows)), outbound: sends.then(Outbound::new) };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.stream = Some(stream);
        Key { index, generation: slot.generation }
    }

    /// A call of the peer with streams.
    pub(super) fn serve(&mut self, id: u64, takes: bool, sends: bool) -> Key {
        let key = self.open(id, takes, sends);
        self.begin(key);
        self.served.insert(id, key);
        key
    }

    /// The request is on its way: its items may follow.
    pub(super) fn begin(&mut self, key: Key) {
        let granted = self.granted;
        if let Some(outbound) = self.outbound(key) {
            let woken = outbound.begin(granted);
            self.woken.extend(woken);
        }
    }

    /// The stream of a call of the peer.
    pub(super) fn of_served(&self, id: u64) -> Option<Key> {
        self.served.get(&id).copied()
    }

    /// An item begins to come. `false`: nobody takes it.
    pub(super) fn may_begin(&self, key: Key) -> Result<bool, Faulty> {
        let Some(stream) = self.stream(key) else { return Ok(false) };
        stream.inbound.as_ref().ok_or(NONE_TAKEN).and_then(Inbound::may_begin)
    }

    /// A Message.
    pub(super) fn put(&mut self, key: Key, bytes: Bytes<'_>, measure: Measure) -> Result<(), Faulty> {
        let Some(stream) = self.stream_mut(key) else { return Ok(()) };
        let Some(inbound) = &mut stream.inbound else { return Err(NONE_TAKEN) };
        let before = inbound.held();
        let woken = inbound.put(bytes, measure.cost, measure.last)?;
        let after = inbound.held();
        self.held = self.held + after - before;
        self.woken.extend(woken);
        Ok(())
    }

    /// An End of the caller.
    pub(super) fn end(&mut self, key: Key, answer: Answer) -> Result<(), Faulty> {
        let Some(stream) = self.stream_mut(key) else { return Ok(()) };
        let Some(inbound) = &mut stream.inbound else {
            return Err(Faulty::Call("an end of items for a call that takes none"));
        };
        if inbound.has_ended() {
            return Err(Faulty::Call("a second end of items"));
        }
        let woken = inbound.end(answer);
        self.woken.extend(woken);
        Ok(())
    }

    /// A Credit. For a direction that sends nothing any more it is late.
    pub(super) fn credit(&mut self, key: Key, increment: u32) -> Result<(), Faulty> {
        let Some(outbound) = self.outbound(key) else { return Ok(()) };
        let woken = outbound.give(increment)?;
        self.woken.extend(woken);
        Ok(())
    }

    /// The receiver takes no further items.
    pub(super) fn stop(&mut self, key: Key) {
        if let Some(outbound) = self.outbound(key) {
            let woken = outbound.stop();
            self.woken.extend(woken);
        }
    }

    /// The call is over. What has come can still be taken, and then how it ended.
    pub(super) fn finish(&mut self, key: Key, answer: Answer) {
        let Some(stream) = self.stream_mut(key) else { return };
        let sender = stream.outbound.as_mut().and_then(Outbound::stop);
        let consumer = stream.inbound.as_mut().and_then(|inbound| inbound.end(answer));
        self.woken.extend(sender);
        self.woken.extend(consumer);
    }

    /// The same for all calls of the peer.
    pub(super) fn finish_served(&mut self, answer: impl Fn() -> Answer) {
        let keys: Vec<Key> = self.served.values().copied().collect();
        keys.into_iter().for_each(|key| self.finish(key, answer()));
    }

    /// The peer sends nothing any more: its items that are not complete end like this.
    pub(super) fn cut_served(&mut self, answer: impl Fn() -> Answer) {
        for key in self.served.values() {
            let slot = &mut self.slots[key.index as usize];
            let inbound = slot.stream.as_mut().and_then(|stream| stream.inbound.as_mut());
            self.woken.extend(inbound.and_then(|inbound| inbound.end(answer())));
        }
    }

    /// Forgets a stream. Gives what to drop without the lock.
    pub(super) fn release(&mut self, key: Key) -> Released {
        let stream = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation);
        let mut stream = stream.and_then(|slot| slot.stream.take());
        if let Some(stream) = &mut stream {
            self.free.push(key.index);
            self.held -= stream.inbound.as_ref().map_or(0, Inbound::held);
            if self.served.get(&stream.id) == Some(&key) {
                self.served.remove(&stream.id);
            }
            self.woken.extend(stream.outbound.as_mut().and_then(Outbound::stop));
            // Whoever still waits for items of it finds that it is gone.
            self.woken.extend(stream.inbound.as_mut().and_then(Inbound::rouse));
        }
        Released(stream)
    }

    /// What has come, or how it ended; `None` when the stream is gone.
    pub(super) fn take(&mut self, key: Key, room: usize) -> Option<Taken> {
        let inbound = self.stream_mut(key)?.inbound.as_mut()?;
        let before = inbound.held();
        let taken = inbound.take(room);
        let after = inbound.held();
        self.held = self.held + after - before;
        Some(taken)
    }

    /// Whoever waits for items is to be told with this waker. Gives the one that it replaces.
    pub(super) fn wait_for_items(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        match self.stream_mut(key).and_then(|stream| stream.inbound.as_mut()) {
            Some(inbound) => inbound.wait(waker),
            None => Some(waker),
        }
    }

    /// The consumer has taken so much. Gives what the peer is to be told.
    pub(super) fn give_back(&mut self, key: Key, cost: usize, now: Instant, may_grow: bool) -> Option<(u64, u32)> {
        let windows = self.windows;
        let stream = self.stream_mut(key)?;
        let increment = stream.inbound.as_mut()?.give_back(cost, now, &windows, may_grow)?;
        Some((stream.id, increment))
    }

    /// Nobody takes items any more. Gives the id if the peer is to be told, and what to drop without the lock.
    pub(super) fn leave(&mut self, key: Key) -> (Option<u64>, impl Sized + use<>) {
        let mut left = None;
        let mut told = None;
        if let Some(stream) = self.stream_mut(key) {
            let (id, held) = (stream.id, stream.inbound.as_ref().map_or(0, Inbound::held));
            if let Some(inbound) = &mut stream.inbound {
                let (coming, dropped) = inbound.leave();
                told = coming.then_some(id);
                left = Some(dropped);
            }
            self.held -= held;
        }
        (told, left)
    }

    /// What a sender may do. It is told with this waker when that changes; the one that it replaces is to be dropped.
    pub(super) fn room(&mut self, key: Key, waker: Waker, choked: bool) -> (Room, Option<Waker>) {
        let Some(outbound) = self.outbound(key) else { return (Room::Gone, Some(waker)) };
        let room = outbound.room();
        let old = outbound.wait(waker);
        if choked && matches!(room, Room::Open(_)) {
            if outbound.stall() {
                self.stalled.push(key);
            }
            return (Room::None, old);
        }
        (room, old)
    }

    /// Something leaves on a stream: gives the id of its call if it may.
    pub(super) fn charge(&mut self, key: Key, cost: usize) -> Option<u64> {
        let stream = self.stream_mut(key)?;
        stream.outbound.as_mut()?.charge(cost).then_some(stream.id)
    }

    /// Whether anything was sent on a stream.
    pub(super) fn has_begun(&self, key: Key) -> bool {
        self.stream(key).and_then(|stream| stream.outbound.as_ref()).is_some_and(Outbound::has_begun)
    }

    /// The output has room again: wakes those who waited for it.
    pub(super) fn rouse(&mut self) {
        for key in std::mem::take(&mut self.stalled) {
            let woken = self.outbound(key).and_then(Outbound::rouse);
            self.woken.extend(woken);
        }
    }

    /// How many streams there are, how many of those are of the peer's calls, and what they hold.
    #[cfg(test)]
    pub(super) fn left(&self) -> (usize, usize, usize) {
        (self.slots.len() - self.free.len(), self.served.len(), self.held)
    }

    /// How many are remembered to wait for the output.
    #[cfg(test)]
    pub(super) fn stalled(&self) -> usize {
        self.stalled.len()
    }

    /// Frees what an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        if self.free.len() == self.slots.len() {
            self.stalled = Vec::new();
            self.woken.shrink_to_fit();
            self.served.shrink_to_fit();
        }
    }

    fn outbound(&mut self, key: Key) -> Option<&mut Outbound> {
        self.stream_mut(key)?.outbound.as_mut()
    }

    fn stream(&self, key: Key) -> Option<&Stream> {
        let slot = self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation);
        slot.and_then(|slot| slot.stream.as_ref())
    }

    fn stream_mut(&mut self, key: Key) -> Option<&mut Stream> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation);
        slot.and_then(|slot| slot.stream.as_mut())
    }
}

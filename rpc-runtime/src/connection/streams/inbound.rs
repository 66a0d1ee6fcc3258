//! One direction of a stream at its receiver: what has come and was not taken, and what the sender may still send.
//! Pure.

use std::{collections::VecDeque, mem, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{Faulty, Packed};
use crate::{
    call::Answer,
    limits::StreamWindow,
    wire::{ITEM_COST, take_item},
};

/// A window that was taken within this is too small for how fast its items are taken: it is doubled. Many times a round
/// trip of any network, so that what waits for the network grows, and what waits for its producer seldom does.
const QUICK: Duration = Duration::from_secs(1);
/// Messages that are shorter are put together.
const SMALL: usize = 4_096;

const BEHIND_END: Faulty = Faulty::Call("items behind the end of their stream");

fn no_credit() -> Faulty {
    Faulty::Connection("an item without credit".to_owned())
}

/// The receiving half.
#[derive(Debug)]
pub(in crate::connection) struct Inbound {
    state: State,
    chunks: VecDeque<Packed>,
    held: usize,
    /// What the sender may still use of its window; below zero after an item that was larger.
    credit: i64,
    window: i64,
    /// What was taken and not given back.
    taken: i64,
    /// What was taken since the window grew or was looked at, and when that was.
    measured: i64,
    since: Option<Instant>,
    waker: Option<Waker>,
}

/// How far the items have come.
#[derive(Debug)]
enum State {
    Coming,
    /// Nothing comes any more; told behind what has come.
    Ended(Answer),
    /// That was told.
    Over,
    /// Nobody takes what comes.
    Unwanted,
}

/// What comes of asking for items.
#[derive(Debug)]
pub(in crate::connection) enum Taken {
    /// Items of this cost.
    Items(Packed),
    End(Answer),
    /// Nothing has come; another waker than the one given may be kept.
    Nothing,
}

impl Inbound {
    pub(super) fn new(windows: &StreamWindow) -> Self {
        let window = i64::from(windows.start);
        Self {
            state: State::Coming,
            chunks: VecDeque::new(),
            held: 0,
            credit: window,
            window,
            taken: 0,
            measured: 0,
            since: None,
            waker: None,
        }
    }

    /// The memory of what was not taken.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether items may still come.
    pub(super) fn is_coming(&self) -> bool {
        matches!(self.state, State::Coming)
    }

    /// An item begins to come. `false`: nobody takes it.
    pub(super) fn may_begin(&self) -> Result<bool, Faulty> {
        match self.state {
            State::Ended(_) | State::Over => Err(BEHIND_END),
            State::Coming | State::Unwanted if self.credit <= 0 => Err(no_credit()),
            State::Coming => Ok(true),
            State::Unwanted => Ok(false),
        }
    }

    /// Whether its end was told.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::Over)
    }

    /// Wakes who waits for items.
    pub(super) fn rouse(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Items have come, of which the last costs `last`.
    pub(super) fn put(&mut self, bytes: Bytes<'_>, cost: usize, last: usize) -> Result<Option<Waker>, Faulty> {
        match self.state {
            State::Coming | State::Unwanted => {}
            State::Ended(_) | State::Over => return Err(BEHIND_END),
        }
        if cost == 0 {
            return Ok(None);
        }
        // The window only shrinks, so that the last item began with the least.
        if self.credit - ((cost - last) as i64) <= 0 {
            return Err(no_credit());
        }
        self.credit -= cost as i64;
        if matches!(self.state, State::Unwanted) {
            return Ok(None);
        }
        match (bytes, self.chunks.back_mut()) {
            (Bytes::Borrowed(bytes), Some(chunk)) if chunk.bytes.len() + bytes.len() <= SMALL => {
                self.held -= chunk.bytes.capacity();
                chunk.bytes.extend_from_slice(bytes);
                chunk.cost += cost;
                self.held += chunk.bytes.capacity();
            }
            (bytes, _) => {
                let bytes = bytes.into_vec();
                self.held += bytes.capacity();
                self.chunks.push_back(Packed { bytes, cost });
            }
        }
        Ok(self.waker.take())
    }

    /// Nothing comes any more, for this reason. The first one holds.
    pub(super) fn end(&mut self, answer: Answer) -> Option<Waker> {
        if self.is_coming() {
            self.state = State::Ended(answer);
        }
        self.waker.take()
    }

    /// What has come, up to about `room`; else how it ended.
    pub(super) fn take(&mut self, room: usize) -> Taken {
        if let Some(chunk) = self.chunks.pop_front() {
            self.held -= chunk.bytes.capacity();
            return Taken::Items(if chunk.cost <= room { chunk } else { self.split(chunk, room) });
        }
        match mem::replace(&mut self.state, State::Over) {
            State::Ended(answer) => Taken::End(answer),
            other => {
                self.state = other;
                Taken::Nothing
            }
        }
    }

    /// Who asked in vain is to be told with this waker. Gives the one that it replaces.
    pub(super) fn wait(&mut self, waker: Waker) -> Option<Waker> {
        self.waker.replace(waker)
    }

    /// The consumer has taken items of this cost. Gives how much the sender may be told of, seldom: when about half of
    /// the window was taken.
    pub(super) fn give_back(
        &mut self,
        cost: usize,
        now: Instant,
        windows: &StreamWindow,
        may_grow: bool,
    ) -> Option<u32> {
        if !self.is_coming() {
            return None;
        }
        self.taken += cost as i64;
        self.measured += cost as i64;
        if self.taken * 2 < self.window {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        if now - since > QUICK {
            (self.since, self.measured) = (Some(now), 0);
        } else if self.measured >= self.window && may_grow {
            let grown = (2 * self.window).min(i64::from(windows.largest)).max(self.window);
            self.taken += grown - self.window;
            self.window = grown;
            (self.since, self.measured) = (Some(now), 0);
        }
        let increment = mem::take(&mut self.taken);
        self.credit += increment;
        Some(u32::try_from(increment).unwrap_or(u32::MAX))
    }

    /// Nobody takes items any more. `true`: some may still come, of which the sender is to be told. Gives what to drop.
    pub(super) fn leave(&mut self) -> (bool, impl Sized + use<>) {
        let coming = self.is_coming();
        let state = mem::replace(&mut self.state, State::Unwanted);
        self.held = 0;
        (coming, (mem::take(&mut self.chunks), self.waker.take(), state))
    }

    /// As many items of a chunk as there is room for, at least one; the others stay.
    fn split(&mut self, mut chunk: Packed, room: usize) -> Packed {
        let (mut rest, mut cost) = (&chunk.bytes[..], 0);
        while cost < room {
            let Some(item) = take_item(&mut rest) else { break };
            cost += item.len() + ITEM_COST;
        }
        let at = chunk.bytes.len() - rest.len();
        if !rest.is_empty() {
            let behind = Packed { bytes: rest.to_vec(), cost: chunk.cost - cost };
            self.held += behind.bytes.capacity();
            self.chunks.push_front(behind);
        }
        chunk.bytes.truncate(at);
        Packed { bytes: chunk.bytes, cost }
    }
}

/// The bytes of a message: of the input, when they are few enough to be copied under a lock, or owned.
#[derive(Debug)]
pub(in crate::connection) enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
}

impl<'a> Bytes<'a> {
    /// Copies what is too long for it to be done under a lock.
    pub(in crate::connection) fn of(bytes: &'a [u8]) -> Self {
        if bytes.len() <= SMALL {
            return Self::Borrowed(bytes);
        }
        let mut copy = crate::buffer::take_for(bytes.len());
        copy.extend_from_slice(bytes);
        Self::Owned(copy)
    }

    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Borrowed(bytes) => {
                let mut copy = crate::buffer::take();
                copy.extend_from_slice(bytes);
                copy
            }
            Self::Owned(bytes) => bytes,
        }
    }
}

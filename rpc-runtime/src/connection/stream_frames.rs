//! The frames of streams, from the driver to the table of streams: items of calls of either end, the ends of those that
//! callers send, credit, and word that no more are taken.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{
    assembly::Assembly,
    shared::Shared,
    streams::{Bytes, Faulty, Key, Measure},
};
use crate::{
    call::{Answer, Ending},
    metadata::Metadata,
    status::{Code, Status},
    wire::{self, Frame, Kind, ResponseHeader},
};

/// The longest that the length of an item can be.
const PREFIX: u64 = 10;

/// What has come of streams and is not handed over yet.
pub(super) struct StreamFrames {
    shared: Arc<Shared>,
    /// Items in parts, by the call's id.
    parts: BTreeMap<u64, Parts>,
    held: usize,
}

/// An item of which parts are still to come.
struct Parts {
    /// An id may be used again before anybody notices that its call is over: what was begun for that one is not the new
    /// one's.
    of: Key,
    /// Nothing where nobody takes it.
    item: Option<Assembly>,
}

impl Parts {
    fn held(&self) -> usize {
        self.item.as_ref().map_or(0, Assembly::held)
    }
}

/// What a frame does that should not have come.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is counted.
    Stray,
    /// It costs its call.
    Call(Status),
    /// It costs the connection.
    Connection(String),
}

impl From<Faulty> for Trouble {
    fn from(faulty: Faulty) -> Self {
        match faulty {
            Faulty::Call(text) => internal(text),
            Faulty::Connection(text) => Self::Connection(text),
        }
    }
}

impl StreamFrames {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, parts: BTreeMap::new(), held: 0 }
    }

    /// The memory of items of which parts are still to come.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Forgets what has come of items; the connection is over.
    pub(super) fn discard(&mut self) {
        self.parts.clear();
        self.held = 0;
    }

    /// When the item that was silent longest got its last part. Those of calls that are over are forgotten.
    pub(super) fn oldest_part(&mut self) -> Option<Instant> {
        if self.parts.is_empty() {
            return None;
        }
        let (shared, mut held) = (&self.shared, 0);
        let state = shared.lock();
        self.parts.retain(|id, parts| {
            let stream = match shared.opens(*id) {
                true => state.calls.stream_of(*id).ok().flatten(),
                false => state.calls.streams.of_served(*id),
            };
            let there = stream == Some(parts.of);
            held += if there { parts.held() } else { 0 };
            there
        });
        drop(state);
        self.held = held;
        self.parts.values().filter_map(|parts| parts.item.as_ref()).map(Assembly::touched).min()
    }

    /// Items of a call.
    pub(super) fn on_message(&mut self, frame: &Frame<'_>, now: Instant) -> Result<(), Trouble> {
        let Some(key) = self.find(frame.id)? else {
            self.forget(frame.id);
            return Ok(());
        };
        match self.parts.get(&frame.id).map(|parts| parts.of == key) {
            Some(true) => return self.on_part(key, frame, now),
            Some(false) => self.forget(frame.id),
            None => {}
        }
        let header = wire::decode_total(frame.header);
        let total = header.map_err(|error| internal(&format!("the header of a message is refused: {error}")))?;
        match total {
            Some(total) if frame.more => self.on_first_part(key, total, frame, now),
            None if !frame.more => self.put(frame.id, key, Bytes::of(frame.body), Measure::of(frame.body)),
            _ => Err(internal("total must stand in the first of several parts of an item and only there")),
        }
    }

    /// A frame has cost its call. The parts that follow it are thrown away, and are no further faults.
    pub(super) fn skip_parts(&mut self, frame: &Frame<'_>) {
        self.forget(frame.id);
        if frame.kind == Kind::Message && frame.more {
            if let Ok(Some(of)) = self.find(frame.id) {
                self.parts.insert(frame.id, Parts { of, item: None });
            }
        }
    }

    /// The end of the items that the caller sends.
    pub(super) fn on_end(&mut self, frame: &Frame<'_>) -> Result<(), Trouble> {
        self.forget(frame.id);
        let Some(key) = self.find(frame.id)? else { return Ok(()) };
        let header = ResponseHeader::decode(frame.header, self.shared.local.max_metadata);
        let header = header.map_err(|error| internal(&format!("the header of an end is refused: {error}")))?;
        let answer = match header.ending {
            wire::Ending::Ok => Answer { ending: Ending::Ok, metadata: header.metadata.into_owned(), body: Vec::new() },
            wire::Ending::Status { code, message, .. } => {
                let status = Status::of_call(code, message).at(&self.shared.peer.address);
                Answer::of_status(status.with_details(frame.body.to_vec()))
            }
            wire::Ending::ServiceError | wire::Ending::Opened => {
                return Err(internal("a caller ended its items with what only a service says"));
            }
        };
        let mut state = self.shared.lock();
        let ended = state.calls.streams.end(key, answer);
        self.shared.after_append(state);
        Ok(ended?)
    }

    /// More room for items of a call.
    pub(super) fn on_credit(&self, id: u64, increment: u32) -> Result<(), Trouble> {
        let mut state = self.shared.lock();
        let key = match self.shared.opens(id) {
            true => state.calls.stream_of(id).ok().flatten(),
            false => state.calls.streams.of_served(id),
        };
        let given = key.map_or(Ok(()), |key| state.calls.streams.credit(key, increment));
        self.shared.after_append(state);
        Ok(given?)
    }

    /// The peer takes no further items of a call of this side.
    pub(super) fn on_stop(&self, id: u64) {
        let mut state = self.shared.lock();
        if let Ok(Some(key)) = state.calls.stream_of(id) {
            state.calls.streams.stop(key);
        }
        self.shared.after_append(state);
    }

    /// The call of this id is over, or given up: what has come of an item of it is no use.
    pub(super) fn forget(&mut self, id: u64) {
        if let Some(parts) = self.parts.remove(&id) {
            self.held -= parts.held();
        }
    }

    /// The stream that a frame is for; `None` when it comes too late.
    fn find(&self, id: u64) -> Result<Option<Key>, Trouble> {
        let mut state = self.shared.lock();
        if !self.shared.opens(id) {
            return Ok(state.calls.streams.of_served(id));
        }
        match state.calls.stream_of(id) {
            Ok(Some(key)) => Ok(Some(key)),
            Ok(None) if state.calls.is_abandoned(id) => Ok(None),
            Ok(None) => Err(internal("items came for a call that has none")),
            Err(()) => {
                state.calls.count_stray();
                if state.calls.take_stray() { Err(Trouble::Stray) } else { Ok(None) }
            }
        }
    }

    fn on_first_part(&mut self, key: Key, total: u64, frame: &Frame<'_>, now: Instant) -> Result<(), Trouble> {
        let limit = self.shared.local.max_message;
        if total > u64::from(limit) + PREFIX {
            return Err(too_large(total, limit));
        }
        let wanted = self.shared.lock().calls.streams.may_begin(key)?;
        let parts = Parts { of: key, item: wanted.then(|| Assembly::new(total as usize, frame.body, now)) };
        self.held += parts.held();
        self.parts.insert(frame.id, parts);
        Ok(())
    }

    fn on_part(&mut self, key: Key, frame: &Frame<'_>, now: Instant) -> Result<(), Trouble> {
        let Some(Parts { item: Some(assembly), .. }) = self.parts.get_mut(&frame.id) else {
            if !frame.more {
                self.forget(frame.id);
            }
            return Ok(());
        };
        let before = assembly.held();
        let added = if frame.header.is_empty() {
            assembly.add(frame.body, frame.more, now)
        } else {
            Err("a further part of an item has a header".to_owned())
        };
        self.held = self.held + assembly.held() - before;
        match added {
            Ok(None) => Ok(()),
            Ok(Some(item)) => {
                self.forget(frame.id);
                let measure = Measure::of(&item).filter(|measure| measure.count == 1);
                self.put(frame.id, key, Bytes::Owned(item), measure)
            }
            Err(text) => Err(internal(&text)),
        }
    }

    /// Hands over whole items; without a measure they are malformed.
    fn put(&self, id: u64, key: Key, bytes: Bytes<'_>, measure: Option<Measure>) -> Result<(), Trouble> {
        let measure = measure.ok_or_else(|| internal("the items of a message are malformed"))?;
        let limit = self.shared.local.max_message;
        if measure.longest > limit as usize {
            return Err(too_large(measure.longest as u64, limit));
        }
        let mut state = self.shared.lock();
        if self.shared.opens(id) && measure.count > 0 {
            state.calls.open(id, Metadata::new());
        }
        let put = state.calls.streams.put(key, bytes, measure);
        self.shared.after_append(state);
        Ok(put?)
    }
}

fn internal(text: &str) -> Trouble {
    Trouble::Call(Status::of_call(Code::Internal, text))
}

fn too_large(size: u64, limit: u32) -> Trouble {
    let text = format!("an item has {size} bytes, more than max_message, {limit}");
    Trouble::Call(Status::of_call(Code::ResourceExhausted, text))
}

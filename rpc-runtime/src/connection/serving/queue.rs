//! The requests that were not started, and which of them is next: those with streams take no place among the running,
//! the others have one in their turns. Pure: time is passed in.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::connection::turns::{self, Turns};

/// A request that waits: its id and its arrival.
pub(super) type Entry = turns::Entry<u64>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Those of methods with streams: how many there may be is a limit of its own.
    streams: VecDeque<Entry>,
    others: Turns<u64>,
}

impl Queue {
    pub(super) fn push_stream(&mut self, entry: Entry) {
        self.streams.push_back(entry);
    }

    pub(super) fn push(&mut self, entry: Entry, deadline: Option<Instant>, now: Instant) {
        self.others.push(entry, deadline, now);
    }

    /// The next that needs no place, or for which there is one.
    pub(super) fn pop(&mut self, has_place: bool, now: Instant) -> Option<Entry> {
        self.streams.pop_front().or_else(|| if has_place { self.others.pop(now) } else { None })
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len() + self.others.len()
    }

    pub(super) fn retain(&mut self, waits: impl Fn(&Entry) -> bool) {
        self.streams.retain(&waits);
        self.others.retain(waits);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(now: Instant) -> Queue {
        let mut queue = Queue::default();
        queue.push((0, 0), None, now);
        queue.push_stream((1, 1));
        queue
    }

    #[test]
    fn streams_need_no_place_and_all_others_do() {
        let now = Instant::now();
        let mut queue = queue(now);
        assert_eq!([queue.pop(false, now), queue.pop(false, now)], [Some((1, 1)), None]);
        assert_eq!(queue.pop(true, now), Some((0, 0)));
    }

    #[test]
    fn what_does_not_wait_any_more_is_forgotten_wherever_it_stands() {
        let now = Instant::now();
        for gone in [0, 1] {
            let mut queue = queue(now);
            queue.retain(|(id, _)| *id != gone);
            assert_eq!((queue.len(), queue.pop(true, now)), (1, Some((1 - gone, 1 - gone))));
        }
    }
}

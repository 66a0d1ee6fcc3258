//! The requests that were not started, and which of them is next: of those that wait for a place among the running, the
//! oldest that has half of its time ahead of it. By arrival alone, a server with more to do than it can would begin
//! every request when its time is almost over, and finish none. Pure: time is passed in.

use std::collections::VecDeque;

use tokio::time::Instant;

/// A request that waits: its id and its arrival.
pub(super) type Entry = (u64, u64);

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Those of methods with streams, which take no such place: how many there may be is a limit of its own.
    streams: VecDeque<Entry>,
    /// By arrival, each with the moment when half of its time is over.
    arrived: VecDeque<(Entry, Option<Instant>)>,
    /// Half of their time was over when their turn came. They have it when nobody else waits, the last one first.
    late: VecDeque<Entry>,
}

impl Queue {
    pub(super) fn push_stream(&mut self, entry: Entry) {
        self.streams.push_back(entry);
    }

    pub(super) fn push(&mut self, entry: Entry, deadline: Option<Instant>, now: Instant) {
        let half = deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2);
        self.arrived.push_back((entry, half));
    }

    /// The next that needs no place, or for which there is one.
    pub(super) fn pop(&mut self, has_place: bool, now: Instant) -> Option<Entry> {
        self.streams.pop_front().or_else(|| if has_place { self.pop_for_place(now) } else { None })
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len() + self.arrived.len() + self.late.len()
    }

    pub(super) fn retain(&mut self, waits: impl Fn(&Entry) -> bool) {
        self.streams.retain(&waits);
        self.arrived.retain(|(entry, _)| waits(entry));
        self.late.retain(waits);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn pop_for_place(&mut self, now: Instant) -> Option<Entry> {
        while let Some((entry, half)) = self.arrived.pop_front() {
            if half.is_none_or(|half| now < half) {
                return Some(entry);
            }
            self.late.push_back(entry);
        }
        self.late.pop_back()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    fn queue(of: &[u64], began: Instant) -> Queue {
        let mut queue = Queue::default();
        for id in of {
            let now = began + Duration::from_secs(*id);
            queue.push((*id, *id), Some(now + TIME), now);
        }
        queue
    }

    fn all(mut queue: Queue, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop(true, now)).map(|(id, _)| id).collect()
    }

    #[test]
    fn those_with_half_of_their_time_go_by_arrival_and_the_others_after_them_the_last_one_first() {
        let began = Instant::now();
        let after = |seconds| all(queue(&[0, 1, 2, 3], began), began + Duration::from_secs(seconds));
        assert_eq!(after(4), [0, 1, 2, 3]);
        assert_eq!(after(5), [1, 2, 3, 0]);
        assert_eq!(after(6), [2, 3, 1, 0]);
        assert_eq!(after(60), [3, 2, 1, 0]);
    }

    #[test]
    fn without_a_deadline_arrival_is_all() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        (0..3).for_each(|id| queue.push((id, id), None, now));
        assert_eq!(all(queue, now + 1_000 * TIME), [0, 1, 2]);
    }

    #[test]
    fn streams_need_no_place_and_all_others_do() {
        let began = Instant::now();
        let mut queue = queue(&[0], began);
        queue.push_stream((1, 1));
        assert_eq!([queue.pop(false, began), queue.pop(false, began)], [Some((1, 1)), None]);
        assert_eq!(queue.pop(true, began), Some((0, 0)));
    }

    #[test]
    fn what_does_not_wait_any_more_is_forgotten_wherever_it_stands() {
        let began = Instant::now();
        let mut queue = queue(&[0, 1, 2, 3], began);
        assert_eq!(queue.pop(true, began + Duration::from_secs(6)), Some((2, 2)));
        queue.retain(|(id, _)| *id != 1);
        assert_eq!((queue.len(), all(queue, began)), (2, vec![3, 0]));
    }
}

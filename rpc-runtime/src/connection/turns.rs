//! Whose turn it is among those that wait, requests for a handler or calls for room at the peer: the oldest that has
//! half of its time ahead of it. By arrival alone, under more than can be done, each would have its turn when its time
//! is almost over, and none would be done. Pure: time is passed in.

use std::{cmp::Reverse, collections::VecDeque};

use tokio::time::Instant;

/// Who waits, and its number by arrival.
pub(super) type Entry<I> = (I, u64);

#[derive(Debug)]
pub(super) struct Turns<I> {
    /// By arrival, each with the moment when half of its time is over.
    arrived: VecDeque<(Entry<I>, Option<Instant>)>,
    /// Half of their time was over when their turn came. They have it when nobody else waits, the last one first.
    late: Vec<Entry<I>>,
}

/// Where the next of some that wait stands among the next of others: the least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    InTime(u64),
    Late(Reverse<u64>),
}

impl<I: Copy> Turns<I> {
    pub(super) fn push(&mut self, entry: Entry<I>, deadline: Option<Instant>, now: Instant) {
        let half = deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2);
        self.arrived.push_back((entry, half));
    }

    /// Who is next, and stays.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Turn, I)> {
        while let Some(((id, arrival), half)) = self.arrived.front().copied() {
            if half.is_none_or(|half| now < half) {
                return Some((Turn::InTime(arrival), id));
            }
            self.arrived.pop_front();
            self.late.push((id, arrival));
        }
        self.late.last().map(|(id, arrival)| (Turn::Late(Reverse(*arrival)), *id))
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Entry<I>> {
        match self.next(now)?.0 {
            Turn::InTime(_) => self.arrived.pop_front().map(|(entry, _)| entry),
            Turn::Late(_) => self.late.pop(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.arrived.len() + self.late.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn retain(&mut self, waits: impl Fn(&Entry<I>) -> bool) {
        self.arrived.retain(|(entry, _)| waits(entry));
        self.late.retain(waits);
    }

    /// All, by arrival.
    pub(super) fn into_ids(self) -> impl Iterator<Item = I> {
        let arrived = self.arrived.into_iter().map(|(entry, _)| entry);
        self.late.into_iter().chain(arrived).map(|(id, _)| id)
    }
}

impl<I> Default for Turns<I> {
    fn default() -> Self {
        Self { arrived: VecDeque::new(), late: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    /// One comes each second, with ten of them.
    fn turns(of: &[u64], began: Instant) -> Turns<u64> {
        let mut turns = Turns::default();
        for id in of {
            let now = began + Duration::from_secs(*id);
            turns.push((*id, *id), Some(now + TIME), now);
        }
        turns
    }

    fn all(mut turns: Turns<u64>, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| turns.pop(now)).map(|(id, _)| id).collect()
    }

    #[test]
    fn those_with_half_of_their_time_go_by_arrival_and_the_others_after_them_the_last_one_first() {
        let began = Instant::now();
        let after = |seconds| all(turns(&[0, 1, 2, 3], began), began + Duration::from_secs(seconds));
        assert_eq!(after(4), [0, 1, 2, 3]);
        assert_eq!(after(5), [1, 2, 3, 0]);
        assert_eq!(after(6), [2, 3, 1, 0]);
        assert_eq!(after(60), [3, 2, 1, 0]);
    }

    #[test]
    fn without_a_deadline_arrival_is_all() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        (0..3).for_each(|id| turns.push((id, id), None, now));
        assert_eq!(all(turns, now + 1_000 * TIME), [0, 1, 2]);
    }

    #[test]
    fn who_is_next_stays_until_it_is_taken_or_somebody_comes_with_more_time() {
        let began = Instant::now();
        let (mut turns, late) = (turns(&[0, 1], began), began + TIME);
        assert_eq!(turns.next(began), Some((Turn::InTime(0), 0)));
        assert_eq!([turns.next(late), turns.next(late)], [Some((Turn::Late(Reverse(1)), 1)); 2]);
        turns.push((2, 2), None, late);
        assert_eq!(turns.next(late), Some((Turn::InTime(2), 2)));
        assert_eq!(turns.len(), 3);
    }

    #[test]
    fn what_does_not_wait_any_more_is_forgotten_wherever_it_stands() {
        let began = Instant::now();
        let mut turns = turns(&[0, 1, 2, 3, 4], began);
        assert_eq!(turns.pop(began + Duration::from_secs(6)), Some((2, 2)));
        turns.retain(|(id, _)| *id != 1 && *id != 4);
        assert_eq!((turns.len(), all(turns, began)), (2, vec![3, 0]));
    }

    #[test]
    fn all_that_wait_are_given_by_arrival() {
        let began = Instant::now();
        let mut turns = turns(&[0, 1, 2, 3], began);
        turns.next(began + Duration::from_secs(6));
        assert_eq!(turns.into_ids().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}

//! The calls that wait for room at the peer, and whose turn it is. Those with streams have turns of their own, which
//! stand still while the peer takes no further stream, so that they are in nobody's way. Pure: time is passed in.

use tokio::time::Instant;

use super::CallId;
use crate::connection::turns::Turns;

/// So many calls that have ended may stand here, however few wait.
pub(super) const GONE: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Waiting {
    plain: Turns<CallId>,
    streams: Turns<CallId>,
    arrivals: u64,
    /// How many of both have ended.
    gone: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, id: CallId, streams: bool, deadline: Option<Instant>, now: Instant) {
        let turns = if streams { &mut self.streams } else { &mut self.plain };
        turns.push((id, self.arrivals), deadline, now);
        self.arrivals += 1;
    }

    /// Whether nobody has its turn before a call that comes now. `full`: the peer takes no further stream.
    pub(super) fn lets_pass(&self, streams: bool, full: bool) -> bool {
        self.plain.is_empty() && if full { !streams } else { self.streams.is_empty() }
    }

    /// Who is next, and stays; it may have ended.
    pub(super) fn next(&mut self, full: bool, now: Instant) -> Option<CallId> {
        let (_, id) = self.turns(full, now).next(now)?;
        Some(id)
    }

    /// Takes out who is next.
    pub(super) fn pop(&mut self, full: bool, now: Instant) {
        self.turns(full, now).pop(now);
    }

    /// Takes out who is next, which has ended.
    pub(super) fn pop_gone(&mut self, full: bool, now: Instant) {
        self.pop(full, now);
        self.gone -= 1;
    }

    /// One of them has ended. Such are taken out once they are most of all, so that this does not grow while nobody has
    /// a turn.
    pub(super) fn leave(&mut self, waits: impl Fn(CallId) -> bool) {
        self.gone += 1;
        if self.gone > GONE.max(self.all() / 2) {
            self.plain.retain(|(id, _)| waits(*id));
            self.streams.retain(|(id, _)| waits(*id));
            self.gone = 0;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all() == 0
    }

    /// Those that wait.
    pub(super) fn len(&self) -> usize {
        self.all() - self.gone
    }

    /// Those that wait, and some that have ended meanwhile.
    pub(super) fn all(&self) -> usize {
        self.plain.len() + self.streams.len()
    }

    pub(super) fn into_ids(self) -> impl Iterator<Item = CallId> {
        self.plain.into_ids().chain(self.streams.into_ids())
    }

    /// Those of which one is next.
    fn turns(&mut self, full: bool, now: Instant) -> &mut Turns<CallId> {
        let streams = if full { None } else { self.streams.next(now) };
        let streams_first = match (streams, self.plain.next(now)) {
            (Some((stream, _)), Some((plain, _))) => stream < plain,
            (stream, _) => stream.is_some(),
        };
        if streams_first { &mut self.streams } else { &mut self.plain }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    #[derive(Debug, Clone)]
    struct Step {
        pass: u64,
        streams: bool,
        /// Half of the time that the call has.
        half: Option<u64>,
        full: bool,
        go: usize,
    }

    fn step() -> impl Strategy<Value = Step> {
        let step = (0..4_u64, any::<bool>(), option::weighted(0.9, 0..12_u64), any::<bool>(), 0..3_usize);
        step.prop_map(|(pass, streams, half, full, go)| Step { pass, streams, half, full, go })
    }

    proptest! {
        #[test]
        fn of_those_that_may_go_the_first_with_half_of_its_time_is_next_and_else_the_last(steps in vec(step(), 1..80)) {
            let (mut waiting, mut model, mut now) = (Waiting::default(), Vec::new(), Instant::now());
            for (index, Step { pass, streams, half, full, go }) in (0..).zip(steps) {
                now += Duration::from_millis(pass);
                let id = CallId { index, generation: 0 };
                waiting.push(id, streams, half.map(|half| now + Duration::from_millis(2 * half)), now);
                model.push((id, streams, half.map(|half| now + Duration::from_millis(half))));
                for _ in 0..go {
                    let mut may_go = model.iter().filter(|(_, streams, _)| !(full && *streams));
                    let first = may_go.clone().find(|(.., half)| half.is_none_or(|half| now < half));
                    let next = first.or(may_go.next_back()).map(|(id, ..)| *id);
                    prop_assert_eq!(waiting.next(full, now), next);
                    waiting.pop(full, now);
                    model.retain(|(id, ..)| Some(*id) != next);
                }
                prop_assert_eq!(waiting.len(), model.len());
            }
        }
    }

    #[test]
    fn a_call_passes_those_that_wait_for_streams_unless_it_has_some() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(CallId { index: 0, generation: 1 }, true, None, now);
        let passes = |streams, full| waiting.lets_pass(streams, full);
        assert_eq!([passes(false, true), passes(false, false), passes(true, true)], [true, false, false]);
    }
}

//! Items of which a layer changes the bytes, each in its turn.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use super::{Body, Ending, Items, Pulled, Source, panicked};
use crate::{
    status::Status,
    wire::{ITEM_COST, MAX_PART, close_item, take_item},
};

/// Changed items cost what they are long now; the source is told what they cost before.
pub(super) struct Mapped<F> {
    items: Items,
    change: F,
    /// Items that were pulled, of which those before `at` are changed.
    pulled: Vec<u8>,
    at: usize,
    /// A changed item that did not fit behind others in a frame.
    next: Packed,
    /// What was given out and is not taken yet.
    given: Cost,
    /// What the last item's length took.
    width: usize,
}

#[derive(Default)]
struct Packed {
    bytes: Vec<u8>,
    cost: Cost,
}

/// What items cost, as they came and as they are now.
#[derive(Default, Clone, Copy)]
struct Cost {
    before: usize,
    now: usize,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.before += other.before;
        self.now += other.now;
    }
}

impl<F: FnMut(Body) -> Body + Send + 'static> Mapped<F> {
    pub(super) fn items(items: Items, change: F) -> Items {
        let (next, given) = (Packed::default(), Cost::default());
        Items::new(Self { items, change, pulled: Vec::new(), at: 0, next, given, width: 1 })
    }

    /// Changes items that were pulled, up to the end of a frame, or of `room`; gives what they cost now.
    fn fill(&mut self, out: &mut Vec<u8>, room: usize) -> Result<usize, Status> {
        let Packed { bytes, mut cost } = mem::take(&mut self.next);
        if !bytes.is_empty() {
            *out = bytes;
        }
        while self.at < self.pulled.len() && (out.is_empty() || (cost.now < room && out.len() < MAX_PART)) {
            let (start, of_item) = (out.len(), self.push_next(out)?);
            if start > 0 && out.len() > MAX_PART {
                self.next = Packed { bytes: out.split_off(start), cost: of_item };
                break;
            }
            cost.add(of_item);
        }
        self.given.add(cost);
        Ok(cost.now)
    }

    fn push_next(&mut self, out: &mut Vec<u8>) -> Result<Cost, Status> {
        let mut rest = &self.pulled[self.at..];
        let item = take_item(&mut rest).ok_or_else(|| Status::internal("the items of a stream are malformed"))?;
        let before = item.len() + ITEM_COST;
        self.at = self.pulled.len() - rest.len();
        let item = change(&mut self.change, item.to_vec())?;
        let start = out.len();
        out.extend_from_slice(&[0; 10][..self.width]);
        out.extend_from_slice(&item);
        self.width = close_item(out, start, self.width);
        Ok(Cost { before, now: item.len() + ITEM_COST })
    }
}

impl<F: FnMut(Body) -> Body + Send + 'static> Source for Mapped<F> {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        loop {
            match self.fill(out, room) {
                Ok(0) => {}
                Ok(cost) => return Poll::Ready(Pulled::Items(cost)),
                Err(status) => return Poll::Ready(Pulled::Fault(status)),
            }
            self.pulled.clear();
            self.at = 0;
            match ready!(self.items.poll(cx, &mut self.pulled, room)) {
                Pulled::Items(_) => {}
                Pulled::End(mut answer) => {
                    if matches!(answer.ending, Ending::ServiceError) {
                        answer.body = match change(&mut self.change, answer.body) {
                            Ok(body) => body,
                            Err(status) => return Poll::Ready(Pulled::Fault(status)),
                        };
                    }
                    return Poll::Ready(Pulled::End(answer));
                }
                Pulled::Fault(status) => return Poll::Ready(Pulled::Fault(status)),
            }
        }
    }

    fn taken(&mut self, cost: usize) {
        // In proportion, and all of it when all was taken.
        let Cost { before, now } = self.given;
        let share = if cost < now { (before as u128 * cost as u128 / now as u128) as usize } else { before };
        self.given = Cost { before: before - share, now: now.saturating_sub(cost) };
        if share > 0 {
            self.items.taken(share);
        }
    }
}

/// What changes an item is a layer's code; whoever polls may be the connection.
fn change(change: &mut impl FnMut(Body) -> Body, item: Vec<u8>) -> Result<Vec<u8>, Status> {
    catch_unwind(AssertUnwindSafe(|| change(Body::from(item)).into_bytes())).map_err(|panic| panicked("a layer", panic))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::Waker,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::call::Answer;

    /// Chunks of items, and the cost that was told to be taken of them.
    struct Chunks(VecDeque<Vec<usize>>, Arc<AtomicUsize>);

    impl Source for Chunks {
        fn poll_items(&mut self, _: &mut Context<'_>, out: &mut Vec<u8>, _: usize) -> Poll<Pulled> {
            assert!(out.is_empty());
            let Some(lengths) = self.0.pop_front() else {
                return Poll::Ready(Pulled::End(Answer::of_status(Status::internal("no more"))));
            };
            for length in &lengths {
                let start = out.len();
                out.resize(start + 1 + length, 7);
                close_item(out, start, 1);
            }
            Poll::Ready(Pulled::Items(lengths.iter().map(|length| length + ITEM_COST).sum()))
        }

        fn taken(&mut self, cost: usize) {
            self.1.fetch_add(cost, SeqCst);
        }
    }

    proptest! {
        #[test]
        fn changed_items_keep_to_frames_and_room_and_give_back_what_the_unchanged_ones_cost(
            chunks in proptest::collection::vec(proptest::collection::vec(0_usize..9_000, 1..20), 0..6),
            times in 0_usize..20,
            room in 0_usize..100_000,
            told in 1_usize..50_000,
        ) {
            let all: Vec<usize> = chunks.iter().flatten().copied().collect();
            let taken = Arc::new(AtomicUsize::new(0));
            let source = Items::new(Chunks(chunks.into(), Arc::clone(&taken)));
            let mut mapped = Mapped::items(source, move |body: Body| body.bytes().repeat(times).into());
            let (mut seen, mut cx) = (Vec::new(), Context::from_waker(Waker::noop()));
            loop {
                let mut out = Vec::new();
                let mut cost = match mapped.poll(&mut cx, &mut out, room) {
                    Poll::Ready(Pulled::Items(cost)) => cost,
                    other => {
                        let ended = matches!(other, Poll::Ready(Pulled::End(_)));
                        prop_assert!(ended);
                        break;
                    }
                };
                let (mut rest, mut lengths) = (&out[..], Vec::new());
                while let Some(item) = take_item(&mut rest) {
                    lengths.push(item.len());
                }
                prop_assert!(rest.is_empty());
                prop_assert!(lengths.len() == 1 || out.len() <= MAX_PART);
                prop_assert_eq!(cost, lengths.iter().map(|length| length + ITEM_COST).sum::<usize>());
                let last = lengths.last().map_or(0, |length| length + ITEM_COST);
                prop_assert!(lengths.len() == 1 || cost - last < room);
                seen.extend(lengths);
                while cost > 0 {
                    let part = cost.min(told);
                    mapped.taken(part);
                    cost -= part;
                }
                let given: usize = all[..seen.len()].iter().map(|length| length + ITEM_COST).sum();
                prop_assert_eq!(taken.load(SeqCst), given);
            }
            prop_assert_eq!(seen, all.iter().map(|length| length * times).collect::<Vec<_>>());
        }
    }
}

//! Where a producer puts its items, encoded, until whoever pulls them takes them out: between the two polls of one
//! task, so that nothing is woken and nothing waits here.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::time::Instant;

use super::{
    Answer, Items, Pulled, Reply,
    items::{longer_than, too_long},
};
use crate::{
    codec::CodecKind,
    wire::{ITEM_COST, MAX_PART, close_item},
};

/// So many items at most are taken from a stream without a look at the clock: one at first, then twice as many each
/// time.
const BATCH: usize = 1_024;
/// A stream that takes longer for its items than this gives others a turn.
const TURN: Duration = Duration::from_micros(50);

/// The producer's end; the one who pulls has another clone.
#[derive(Clone)]
pub struct Outlet(Arc<Mutex<Put>>);

struct Put {
    /// Whole items, one behind the other.
    items: Packed,
    /// One that did not fit behind them in a frame.
    next: Packed,
    /// No further item is begun once so much cost is used up.
    room: usize,
    /// The largest item, in bytes.
    max_item: usize,
    opened: bool,
    begun: bool,
}

/// Items, and what they cost.
#[derive(Default)]
struct Packed {
    bytes: Vec<u8>,
    cost: usize,
}

impl Outlet {
    /// For items of at most so many bytes.
    pub(crate) fn new(max_item: usize) -> Self {
        let put =
            Put { items: Packed::default(), next: Packed::default(), room: 0, max_item, opened: false, begun: false };
        Self(Arc::new(Mutex::new(put)))
    }

    /// Items may have no more bytes than so many, either.
    pub(crate) fn accept_up_to(&self, max_item: usize) {
        let mut put = self.lock();
        put.max_item = put.max_item.min(max_item);
    }

    /// Before a poll of the producer: items may cost so much.
    pub(crate) fn make_room(&self, room: usize) {
        self.lock().room = room;
    }

    /// After it: takes out what may be sent in one frame, or an item that is longer, and tells its cost. Until there is
    /// nothing, the producer is not polled again.
    pub(crate) fn take(&self, out: &mut Vec<u8>) -> Option<usize> {
        let mut put = self.lock();
        let Put { items, next, .. } = &mut *put;
        if items.bytes.is_empty() {
            mem::swap(items, next);
        }
        if items.bytes.is_empty() {
            return None;
        }
        mem::swap(&mut items.bytes, out);
        items.bytes.clear();
        Some(mem::take(&mut items.cost))
    }

    /// Whether items are being produced: the method has accepted the call.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// Whether the method has said that it accepts the call. Told once.
    pub(crate) fn take_opened(&self) -> bool {
        mem::take(&mut self.lock().opened)
    }

    /// The method has accepted the call: what follows are its items.
    pub fn open(&self) {
        self.lock().opened = true;
    }

    /// Encodes all items of a stream, as there is room for them; gives how it ended.
    pub fn send_all<'a, S, F>(&self, codec: CodecKind, stream: Pin<&'a mut S>, encode: F) -> SendAll<'a, S, F>
    where
        S: Stream,
        F: EncodeItem<S::Item>,
    {
        SendAll { outlet: self.clone(), codec, stream, encode }
    }

    /// Hands on items that are encoded already; gives how they ended.
    pub(crate) async fn forward(&self, mut items: Items) -> Answer {
        let max_item = self.lock().max_item;
        let mut bytes = Vec::new();
        loop {
            let pulled = poll_fn(|cx| {
                let room = ready!(self.begin_forward());
                Poll::Ready(ready!(items.poll(cx, &mut bytes, room)))
            });
            match pulled.await {
                Pulled::Items(cost) => {
                    items.taken(cost);
                    if let Some(status) = longer_than(max_item, &bytes) {
                        return Answer::of_status(status);
                    }
                    self.lock().items = Packed { bytes: mem::take(&mut bytes), cost };
                }
                Pulled::End(answer) => return answer,
                Pulled::Fault(status) => return Answer::of_status(status),
            }
        }
    }

    /// How much there is room for, once what was put here was taken.
    fn begin_forward(&self) -> Poll<usize> {
        let mut put = self.lock();
        put.begun = true;
        if put.room == 0 || !put.items.bytes.is_empty() { Poll::Pending } else { Poll::Ready(put.room) }
    }

    fn lock(&self) -> MutexGuard<'_, Put> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends an item; or gives what ends the stream in its stead.
pub trait EncodeItem<T>: FnMut(CodecKind, T, &mut Vec<u8>) -> Result<(), Reply> + Unpin {}

impl<T, F: FnMut(CodecKind, T, &mut Vec<u8>) -> Result<(), Reply> + Unpin> EncodeItem<T> for F {}

/// Encodes all items of a stream.
#[must_use]
pub struct SendAll<'a, S, F> {
    outlet: Outlet,
    codec: CodecKind,
    stream: Pin<&'a mut S>,
    encode: F,
}

impl<S: Stream, F: EncodeItem<S::Item>> Future for SendAll<'_, S, F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let Self { outlet, codec, stream, encode } = self.get_mut();
        let mut packing = Packing::begin(outlet);
        while packing.has_room() {
            match stream.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    if let Err(reply) = packing.push(|out| encode(*codec, item, out)) {
                        return Poll::Ready(reply);
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Reply::Finished),
                Poll::Pending => return Poll::Pending,
            }
        }
        // Whoever pulls takes this, and polls again once there is room.
        Poll::Pending
    }
}

/// The content of an outlet, without its lock: what encodes an item is code of users. Whole items go back, also when
/// that panics.
struct Packing<'a> {
    outlet: &'a Outlet,
    bytes: Vec<u8>,
    /// Where the whole items end.
    whole: usize,
    cost: usize,
    next: Packed,
    room: usize,
    /// How many items may come before the next look at the clock, and how many came between the last two.
    left: usize,
    batch: usize,
    began: Instant,
    max_item: usize,
    /// What the last item's length took.
    width: usize,
}

impl<'a> Packing<'a> {
    fn begin(outlet: &'a Outlet) -> Self {
        let mut put = outlet.lock();
        let (Packed { bytes, cost }, next) = (mem::take(&mut put.items), mem::take(&mut put.next));
        put.begun = true;
        let (room, max_item) = (put.room, put.max_item);
        drop(put);
        Self {
            outlet,
            whole: bytes.len(),
            bytes,
            cost,
            next,
            room,
            left: 1,
            batch: 1,
            began: Instant::now(),
            max_item,
            width: 1,
        }
    }

    #[inline]
    fn has_room(&mut self) -> bool {
        let room = self.cost < self.room && self.whole < MAX_PART && self.next.bytes.is_empty();
        room && (self.left > 0 || self.goes_on())
    }

    /// Whether the stream is quick enough for further items.
    #[cold]
    fn goes_on(&mut self) -> bool {
        let quick = self.began.elapsed() < TURN;
        if quick {
            self.batch = (2 * self.batch).min(BATCH);
            self.left = self.batch;
        }
        quick
    }

    #[inline]
    fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), Reply>) -> Result<(), Reply> {
        let start = self.whole;
        // Left free for the length, which is not known yet.
        match self.width {
            1 => self.bytes.push(0),
            width => self.bytes.resize(start + width, 0),
        }
        encode(&mut self.bytes)?;
        let size = self.bytes.len() - start - self.width;
        if size > self.max_item {
            return Err(Reply::Unsendable(too_long(size, self.max_item)));
        }
        self.width = close_item(&mut self.bytes, start, self.width);
        self.left -= 1;
        let cost = size + ITEM_COST;
        if start > 0 && self.bytes.len() > MAX_PART {
            self.next = Packed { bytes: self.bytes.split_off(start), cost };
        } else {
            self.cost += cost;
        }
        self.whole = self.bytes.len();
        Ok(())
    }
}

impl Drop for Packing<'_> {
    fn drop(&mut self) {
        let (mut bytes, cost) = (mem::take(&mut self.bytes), self.cost);
        bytes.truncate(self.whole);
        let mut put = self.outlet.lock();
        (put.items, put.next) = (Packed { bytes, cost }, mem::take(&mut self.next));
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, task::Waker};

    use super::*;

    /// Numbers that take so long each.
    struct Numbers(u8, Duration);

    impl Stream for Numbers {
        type Item = u8;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
            std::thread::sleep(self.1);
            self.0 += 1;
            Poll::Ready((self.0 < 100).then_some(self.0))
        }
    }

    fn put(_: CodecKind, number: u8, out: &mut Vec<u8>) -> Result<(), Reply> {
        out.push(number);
        Ok(())
    }

    #[test]
    fn what_a_slow_stream_has_given_leaves_before_it_is_asked_for_more() {
        let outlet = Outlet::new(10);
        outlet.make_room(usize::MAX);
        let stream = pin!(Numbers(0, Duration::from_millis(1)));
        let mut sending = outlet.send_all(CodecKind::Json, stream, put);
        let mut cx = Context::from_waker(Waker::noop());
        for number in 1..4 {
            assert!(Pin::new(&mut sending).poll(&mut cx).is_pending());
            let mut out = Vec::new();
            assert_eq!((outlet.take(&mut out), out), (Some(1 + ITEM_COST), vec![1, number]));
        }
    }

    #[test]
    fn a_stream_is_not_asked_for_items_that_there_is_no_room_for() {
        let outlet = Outlet::new(10);
        let stream = pin!(Numbers(0, Duration::ZERO));
        let mut sending = outlet.send_all(CodecKind::Json, stream, put);
        let mut cx = Context::from_waker(Waker::noop());
        let mut out = Vec::new();
        assert!(Pin::new(&mut sending).poll(&mut cx).is_pending());
        assert_eq!(outlet.take(&mut out), None);
        outlet.make_room(1 + ITEM_COST);
        assert!(Pin::new(&mut sending).poll(&mut cx).is_pending());
        assert_eq!((outlet.take(&mut out), out), (Some(1 + ITEM_COST), vec![1, 1]));
        assert_eq!(outlet.take(&mut Vec::new()), None);
    }
}

//! What every subject but the floor sends, and how what arrives is checked: items are made when the subject polls for
//! them, by the same streams for all subjects, so that what differs between them is their own.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bench::subject::{BLOCK, Failure};
use bench::window::Tally;
use futures_core::Stream;
use tokio::sync::oneshot;

/// An item in a subject's own terms.
pub trait Item {
    /// The item at this place of its stream; a size means something to blocks only.
    fn at(index: u64, size: u32) -> Self;
}

impl Item for u64 {
    fn at(index: u64, _: u32) -> Self {
        index
    }
}

impl Item for Vec<u8> {
    fn at(index: u64, size: u32) -> Self {
        vec![index as u8; size as usize]
    }
}

/// A stream of so many items.
pub struct Items<T> {
    next: u64,
    count: u64,
    size: u32,
    item: PhantomData<fn() -> T>,
}

impl<T> Items<T> {
    /// Of the first ones.
    pub fn new(count: u64, size: u32) -> Self {
        Self { next: 0, count, size, item: PhantomData }
    }
}

impl<T: Item> Stream for Items<T> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        let index = self.next;
        Poll::Ready((index < self.count).then(|| {
            self.next += 1;
            T::at(index, self.size)
        }))
    }
}

/// A stream of numbers that the other side is to add up, which ends with the window.
pub fn numbers_while_open<T: Item>(tally: Tally) -> (WhileOpen<T>, Sent) {
    let (tx, rx) = oneshot::channel();
    (WhileOpen { next: 0, open: Some((tally, tx)), item: PhantomData }, Sent(rx))
}

/// See [`numbers_while_open`].
pub struct WhileOpen<T> {
    next: u64,
    open: Option<(Tally, oneshot::Sender<(Tally, u64)>)>,
    item: PhantomData<fn() -> T>,
}

impl<T: Item> Stream for WhileOpen<T> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        let index = self.next;
        let Some((tally, _)) = &mut self.open else { return Poll::Ready(None) };
        if tally.item() {
            self.next += 1;
            return Poll::Ready(Some(T::at(index, 0)));
        }
        if let Some((tally, tx)) = self.open.take() {
            // Nobody waits for it if the call has failed.
            let _ = tx.send((tally, index));
        }
        Poll::Ready(None)
    }
}

/// What will have been sent of a stream that the other side is to add up.
pub struct Sent(oneshot::Receiver<(Tally, u64)>);

impl Sent {
    /// The tally, if the sum is right. To be asked once the other side has said it, and so the stream has ended.
    pub async fn check(self, sum: u64) -> Result<Tally, Failure> {
        let (tally, count) = self.0.await.map_err(|_| "the stream was dropped before its end")?;
        check_sum(sum, count)?;
        Ok(tally)
    }
}

/// Fails unless it is the sum of the numbers below the count.
pub fn check_sum(sum: u64, count: u64) -> Result<(), Failure> {
    let twice = u128::from(count) * u128::from(count.saturating_sub(1));
    if u128::from(sum) == twice / 2 { Ok(()) } else { Err("the server cannot add".into()) }
}

/// Fails unless it is the next number.
#[inline]
pub fn check_number(number: u64, expected: u64) -> Result<(), Failure> {
    if number == expected { Ok(()) } else { Err("the server cannot count".into()) }
}

/// Fails unless it is a block of the right length that begins and ends as it should.
#[inline]
pub fn check_block(block: &[u8], index: u64) -> Result<(), Failure> {
    match block {
        [first, .., last] if block.len() == BLOCK as usize && [*first, *last] == [index as u8; 2] => Ok(()),
        _ => Err("a block is not what was sent".into()),
    }
}

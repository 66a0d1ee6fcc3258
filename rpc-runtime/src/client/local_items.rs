//! The items of a call in the same process: they end with their call, and with the channel, as those of a connection
//! do.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::sync::oneshot;

use super::Channel;
use crate::{
    call::{Answer, Ending, Items, OutgoingRequest, Pulled, Source, longer_than},
    status::{Code, Status},
    wire::MAX_PART,
};

/// What ends a call early.
pub(super) type Ends = Pin<Box<dyn Future<Output = Status> + Send>>;

/// Items that end with their call, which drops the handler.
pub(super) struct Bounded {
    items: Option<Items>,
    ends: Ends,
    /// As over a connection, whoever takes the items keeps it.
    _channel: Channel,
    /// Of messages, in bytes.
    limit: u32,
}

impl Bounded {
    pub(super) fn items(items: Items, ends: Ends, channel: &Channel, limit: u32) -> Items {
        Items::new(Self { items: Some(items), ends, _channel: channel.clone(), limit })
    }
}

impl Source for Bounded {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let Some(items) = &mut self.items else { return Poll::Pending };
        if let Poll::Ready(status) = self.ends.as_mut().poll(cx) {
            self.items = None;
            return Poll::Ready(Pulled::End(Answer::of_status(status)));
        }
        Poll::Ready(match ready!(items.poll(cx, out, room)) {
            Pulled::End(answer) => Pulled::End(end(self.limit, answer)),
            pulled => pulled,
        })
    }

    fn taken(&mut self, cost: usize) {
        if let Some(items) = &mut self.items {
            items.taken(cost);
        }
    }
}

/// How items end, as the other end of a connection would see it.
fn end(limit: u32, answer: Answer) -> Answer {
    let Answer { ending, metadata, body } = answer;
    match ending {
        Ending::ServiceError if body.len() > MAX_PART.min(limit as usize) => {
            let limit = MAX_PART.min(limit as usize);
            let text = format!("the error of a stream has {} bytes, it may have {limit}", body.len());
            Answer::of_status(Status::of_call(Code::ResourceExhausted, text))
        }
        Ending::Status(status) => Answer { ending: Ending::Status(status.received()), metadata, body },
        ending => Answer { ending, metadata, body },
    }
}

/// Watches what the caller sends; gives why that can not go on, once it can not. Its items are over when that is
/// dropped, as the call is, whoever still has them.
pub(super) fn watched(
    mut request: OutgoingRequest,
    limit: u32,
) -> (OutgoingRequest, impl Future<Output = Status> + Send) {
    let mut failed = None;
    request.items = request.items.map(|items| {
        let (fail, receiver) = oneshot::channel();
        let lent = Arc::new(Lent(Mutex::new(Loan { items: Some(items), over: false, waker: None })));
        failed = Some((receiver, Lender(Arc::clone(&lent))));
        Items::new(Sent { lent, fail: Some(fail), limit: limit as usize })
    });
    let failed = async move {
        let (failed, _lender) = failed.unzip();
        let status = match failed {
            Some(failed) => failed.await.ok(),
            None => None,
        };
        match status {
            Some(status) => status,
            None => pending().await,
        }
    };
    (request, failed)
}

/// What the caller sends, as long as the call goes on.
struct Lent(Mutex<Loan>);

struct Loan {
    /// Not there while they are polled, which is not done under the lock.
    items: Option<Items>,
    over: bool,
    /// Who waits for an item.
    waker: Option<Waker>,
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, Loan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives them back after a poll, unless the call is over.
    fn give_back(&self, items: Items, waker: Option<Waker>) -> bool {
        let mut loan = self.lock();
        let over = loan.over;
        // What is replaced is dropped without the lock.
        let _old = if over {
            (Some(items), waker)
        } else {
            (loan.items.replace(items), std::mem::replace(&mut loan.waker, waker))
        };
        drop(loan);
        !over
    }
}

/// The call that the items belong to.
struct Lender(Arc<Lent>);

impl Drop for Lender {
    fn drop(&mut self) {
        let mut loan = self.0.lock();
        loan.over = true;
        let (items, waker) = (loan.items.take(), loan.waker.take());
        drop(loan);
        drop(items);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What the caller sends. Where it can not go on its call fails, and the handler is dropped.
struct Sent {
    lent: Arc<Lent>,
    fail: Option<oneshot::Sender<Status>>,
    limit: usize,
}

impl Source for Sent {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let Some(mut items) = self.lent.lock().items.take() else { return Poll::Ready(call_is_over()) };
        let polled = items.poll(cx, out, room);
        let waker = polled.is_pending().then(|| cx.waker().clone());
        if !self.lent.give_back(items, waker) {
            return Poll::Ready(call_is_over());
        }
        let fault = match ready!(polled) {
            Pulled::Fault(status) => status,
            Pulled::Items(cost) => match longer_than(self.limit, out) {
                Some(status) => status,
                None => return Poll::Ready(Pulled::Items(cost)),
            },
            pulled => return Poll::Ready(pulled),
        };
        match self.fail.take().map(|fail| fail.send(fault)) {
            Some(Err(fault)) => Poll::Ready(Pulled::Fault(fault)),
            Some(Ok(())) | None => Poll::Pending,
        }
    }

    fn taken(&mut self, cost: usize) {
        let Some(mut items) = self.lent.lock().items.take() else { return };
        items.taken(cost);
        self.lent.give_back(items, None);
    }
}

fn call_is_over() -> Pulled {
    let status = Status::of_call(Code::Cancelled, "the call of this stream is over");
    Pulled::End(Answer::of_status(status.at(super::in_process::ADDRESS)))
}

impl Drop for Sent {
    fn drop(&mut self) {
        let items = self.lent.lock().items.take();
        drop(items);
    }
}

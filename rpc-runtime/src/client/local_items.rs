//! The items of a call in the same process: they end with their call, and with the channel, as those of a connection
//! do.

use std::{
    future::pending,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use super::Channel;
use crate::{
    call::{Answer, Ending, Items, OutgoingRequest, Pulled, Source, longer_than},
    status::{Code, Status},
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
        Ending::ServiceError if body.len() > limit as usize => {
            let text = format!("the error of a stream has {} bytes, more than max_message, {limit}", body.len());
            Answer::of_status(Status::of_call(Code::ResourceExhausted, text))
        }
        Ending::Status(status) => Answer { ending: Ending::Status(status.received()), metadata, body },
        ending => Answer { ending, metadata, body },
    }
}

/// Watches what the caller sends; gives why that can not go on, once it can not.
pub(super) fn watched(
    mut request: OutgoingRequest,
    limit: u32,
) -> (OutgoingRequest, impl Future<Output = Status> + Send) {
    let mut failed = None;
    request.items = request.items.map(|items| {
        let (fail, receiver) = oneshot::channel();
        failed = Some(receiver);
        Items::new(Sent { items, fail: Some(fail), limit: limit as usize })
    });
    let failed = async move {
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

/// What the caller sends. Where it can not go on its call fails, and the handler is dropped.
struct Sent {
    items: Items,
    fail: Option<oneshot::Sender<Status>>,
    limit: usize,
}

impl Source for Sent {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let fault = match ready!(self.items.poll(cx, out, room)) {
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
        self.items.taken(cost);
    }
}

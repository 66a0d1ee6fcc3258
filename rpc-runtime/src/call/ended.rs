//! Items of which a layer wants to know how they end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use super::{Answer, Ending, Items, Pulled, Response, Source, panicked};
use crate::status::{Code, Status};

type Tell = Box<dyn FnOnce(&Result<Response, Status>) + Send>;

/// Whom to tell how items ended: once, also when they are dropped before.
pub(super) struct OnEnd(Option<Tell>);

impl OnEnd {
    pub(super) fn new(tell: impl FnOnce(&Result<Response, Status>) + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }

    fn tell(&mut self, outcome: &Result<Response, Status>) -> Result<(), Status> {
        let Some(tell) = self.0.take() else { return Ok(()) };
        catch_unwind(AssertUnwindSafe(|| tell(outcome))).map_err(|panic| panicked("a layer", panic))
    }
}

impl Drop for OnEnd {
    fn drop(&mut self) {
        if self.0.is_some() {
            let dropped = Err(Status::of_call(Code::Cancelled, "the items were dropped before their end"));
            if let Err(status) = self.tell(&dropped) {
                tracing::error!("{status}");
            }
        }
    }
}

/// Items that somebody watches.
pub(super) struct Watched {
    items: Items,
    on_end: OnEnd,
}

impl Watched {
    pub(super) fn items(items: Items, on_end: OnEnd) -> Items {
        Items::new(Self { items, on_end })
    }
}

impl Source for Watched {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        Poll::Ready(match ready!(self.items.poll(cx, out, room)) {
            Pulled::Items(cost) => Pulled::Items(cost),
            Pulled::End(answer) => match tell_of(&mut self.on_end, answer) {
                Ok(answer) => Pulled::End(answer),
                Err(status) => Pulled::Fault(status),
            },
            Pulled::Fault(status) => Pulled::Fault(match self.on_end.tell(&Err(status.clone())) {
                Ok(()) => status,
                Err(panicked) => panicked,
            }),
        })
    }

    fn taken(&mut self, cost: usize) {
        self.items.taken(cost);
    }
}

fn tell_of(on_end: &mut OnEnd, answer: Answer) -> Result<Answer, Status> {
    if let Ending::Status(status) = &answer.ending {
        on_end.tell(&Err(status.clone()))?;
        return Ok(answer);
    }
    let outcome = answer.into();
    on_end.tell(&outcome)?;
    Ok(outcome.into())
}

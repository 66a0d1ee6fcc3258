//! The items of a handler in this process: polled as they are pulled, by whoever consumes them.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::{Finished, Running};
use crate::{
    call::{Answer, Items, Outlet, Pulled, Response, Source},
    status::Status,
};

/// Runs a handler to its end; one that streams, to the beginning of its items.
pub(crate) async fn respond(mut running: Running) -> Result<Response, Status> {
    let end = poll_fn(|cx| match running.poll(cx) {
        Poll::Ready(finished) => Poll::Ready(Some(finished)),
        Poll::Pending if running.outlet.as_ref().is_some_and(Outlet::has_begun) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    if let Some(finished) = end.await {
        return finished.into();
    }
    let metadata = running.take_metadata();
    Ok(Response::opened(Items::new(HandlerItems { running, end: None })).with_metadata(metadata))
}

/// A handler that has begun its items.
struct HandlerItems {
    running: Running,
    end: Option<Finished>,
}

impl Source for HandlerItems {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let Self { running, end } = self;
        let Some(outlet) = running.outlet.clone() else { return Poll::Pending };
        if let Some(cost) = outlet.take(out) {
            return Poll::Ready(Pulled::Items(cost));
        }
        if end.is_none() {
            outlet.make_room(room);
            if let Poll::Ready(finished) = running.poll(cx) {
                *end = Some(finished);
            }
        }
        if let Some(cost) = outlet.take(out) {
            return Poll::Ready(Pulled::Items(cost));
        }
        match end.take() {
            None => Poll::Pending,
            Some(finished) => {
                let outcome: Result<Response, Status> = finished.into();
                Poll::Ready(Pulled::End(Answer::from(outcome)))
            }
        }
    }

    fn taken(&mut self, _cost: usize) {}
}

//! The items that a caller sends: its stream, encoded as they are pulled. A panic of the stream is caught here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{SendItem, send_item::put};
use crate::{
    call::{self, Items, Outlet, Pulled, Reply, Source, panicked},
    codec::{CodecKind, Encode},
    status::Status,
};

/// What panics here.
const STREAM: &str = "the stream of the call's items";

/// A stream of a caller, and what of it was encoded.
pub(crate) struct Produced {
    stream: Option<Pin<Box<dyn Future<Output = Reply> + Send>>>,
    outlet: Outlet,
    end: Option<Pulled>,
}

impl Produced {
    /// Items of a stream, of at most `max_item` bytes.
    pub(crate) fn items<T, I, S>(codec: CodecKind, max_item: usize, stream: S, encode: Encode<T>) -> Items
    where
        T: 'static,
        I: SendItem<T> + 'static,
        S: Stream<Item = I> + Send + 'static,
    {
        let outlet = Outlet::new(max_item);
        let filled = outlet.clone();
        let put = move |codec, item: I, out: &mut Vec<u8>| put(encode, codec, item, out);
        // Calls that the stream makes are made where this one is.
        let stream = call::Context::current().scope(async move { filled.send_all(codec, pin!(stream), put).await });
        Items::new(Self { stream: Some(Box::pin(stream)), outlet, end: None })
    }

    /// Polls the stream up to its next wait.
    fn produce(&mut self, cx: &mut Context<'_>) -> Poll<Pulled> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        let end = match catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Reply::Unsendable(status))) => Pulled::Fault(status),
            Ok(Poll::Ready(reply)) => Pulled::End(reply.into()),
            Err(panic) => Pulled::Fault(panicked(STREAM, panic)),
        };
        Poll::Ready(self.drop_stream().map_or(end, Pulled::Fault))
    }

    fn drop_stream(&mut self) -> Option<Status> {
        let stream = self.stream.take()?;
        catch_unwind(AssertUnwindSafe(|| drop(stream))).err().map(|panic| panicked(STREAM, panic))
    }
}

impl Source for Produced {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        if let Some(cost) = self.outlet.take(out) {
            return Poll::Ready(Pulled::Items(cost));
        }
        if self.end.is_none() {
            self.outlet.make_room(room);
            if let Poll::Ready(end) = self.produce(cx) {
                self.end = Some(end);
            }
        }
        match (self.outlet.take(out), self.end.take()) {
            (Some(cost), end) => {
                self.end = end;
                Poll::Ready(Pulled::Items(cost))
            }
            (None, Some(end)) => Poll::Ready(end),
            (None, None) => Poll::Pending,
        }
    }

    fn taken(&mut self, _cost: usize) {}

    fn accept_up_to(&mut self, max_item: usize) {
        self.outlet.accept_up_to(max_item);
    }
}

impl Drop for Produced {
    fn drop(&mut self) {
        if let Some(status) = self.drop_stream() {
            tracing::error!("{status}");
        }
    }
}

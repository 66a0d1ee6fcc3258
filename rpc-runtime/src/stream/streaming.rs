//! A stream of items as whoever consumes it sees it: decoded one by one, with the reason of its end.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::SendItem;
use crate::{
    buffer,
    call::{Answer, DecodeFailure, Ending, Items, Pulled, ServiceName, undecodable},
    codec::{CodecKind, Decode},
    metadata::Metadata,
    status::{Code, Status},
    wire::{ITEM_COST, take_item},
};

/// The source is told of items that were taken when they cost so much, in bytes, or when there are none left.
const TOLD: usize = 16 * 1_024;

/// A stream of `T` within a call: the output of a client's method that returns a stream, and the argument of a handler
/// whose caller sends one.
///
/// It is a [`Stream`] of results. After the last item it ends with `None`; if it did not come to its end, with one
/// `Err` that says why, and then with `None`: the service's own error (`E` is then [`CallError`](crate::CallError)), or
/// a [`Status`]: `CANCELLED`, `DEADLINE_EXCEEDED`, `UNAVAILABLE` for a connection that was lost.
///
/// **Dropping it tells the other end**, which drops its stream within a round trip: a client's drop cancels the call, a
/// handler's only says that it takes no further items. What a handler moves to a task of its own is over with its call:
/// the task sees `CANCELLED`, and items that it had not taken may be lost. What was not taken holds the other end up,
/// and nothing else: a stream that is not read holds at most its window, by default 64 KiB at first and 1 MiB once it
/// was read quickly, and one item more; one that is read slowly may hold a frame of items, 64 KiB, above that.
/// [`Limits::stream_window`] sets it.
///
/// [`Limits::stream_window`]: crate::Limits::stream_window
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// // What a handler gets can be made of any stream, such as in a test of the handler.
/// let (sender, receiver) = rpc_runtime::stream::channel(1);
/// sender.send(7).await.expect("there is room");
/// drop(sender);
/// let mut numbers: Streaming<i32> = Streaming::from_stream(receiver);
/// assert_eq!(numbers.next().await.transpose()?, Some(7));
/// assert!(numbers.next().await.is_none());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a stream cancels it"]
pub struct Streaming<T, E = Status> {
    state: State<T, E>,
    metadata: Metadata,
}

enum State<T, E> {
    Encoded(Encoded<T, E>),
    Local(Pin<Box<dyn Stream<Item = Result<T, E>> + Send>>),
    Over,
}

/// What is named when a stream fails.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) service: ServiceName,
    pub(crate) method: &'static str,
    pub(crate) address: String,
}

struct Encoded<T, E> {
    items: Items,
    codec: CodecKind,
    decode: Decode<T>,
    failure: DecodeFailure<E>,
    place: Place,
    /// Items that were pulled, of which those before `at` are taken.
    chunk: Vec<u8>,
    at: usize,
    /// What those cost of which the source was not told.
    cost: usize,
}

impl<T, E> Streaming<T, E> {
    pub(crate) fn encoded(
        items: Items,
        codec: CodecKind,
        place: Place,
        decode: Decode<T>,
        failure: DecodeFailure<E>,
    ) -> Self {
        let chunk = buffer::take();
        let state = State::Encoded(Encoded { items, codec, decode, failure, place, chunk, at: 0, cost: 0 });
        Self { state, metadata: Metadata::new() }
    }

    /// The metadata that came with the end of the stream; empty before.
    pub fn end_metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl<T: 'static> Streaming<T> {
    /// A stream of this process, whose items are not encoded: for the test of a handler. Items are `T`, or
    /// `Result<T, Status>` of which the first `Err` is the end.
    pub fn from_stream<I: SendItem<T>>(stream: impl Stream<Item = I> + Send + 'static) -> Self {
        let mut stream = Box::pin(stream);
        let local =
            PollFn(move |cx: &mut Context<'_>| stream.as_mut().poll_next(cx).map(|item| item.map(SendItem::into_item)));
        Self { state: State::Local(Box::pin(local)), metadata: Metadata::new() }
    }
}

impl<T, E: From<Status>> Streaming<T, E> {
    /// The next item; `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, E>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        let end = match &mut self.state {
            State::Encoded(encoded) => match ready!(encoded.poll_item(cx)) {
                Ok(item) => return Poll::Ready(Some(Ok(item))),
                Err(answer) => answer,
            },
            State::Local(stream) => {
                let item = ready!(stream.as_mut().poll_next(cx));
                if !matches!(item, Some(Ok(_))) {
                    self.state = State::Over;
                }
                return Poll::Ready(item);
            }
            State::Over => return Poll::Ready(None),
        };
        Poll::Ready(self.end(end))
    }

    /// The last word on why the stream ended.
    fn end(&mut self, Answer { ending, metadata, body }: Answer) -> Option<Result<T, E>> {
        let State::Encoded(encoded) = std::mem::replace(&mut self.state, State::Over) else { return None };
        let Encoded { codec, failure, place, .. } = &encoded;
        self.metadata = metadata;
        match ending {
            Ending::Ok | Ending::Opened(_) => None,
            Ending::ServiceError => {
                Some(Err(failure(*codec, &body).unwrap_or_else(|status| E::from(place.name(status)))))
            }
            Ending::Status(status) => Some(Err(E::from(place.name(status)))),
        }
    }
}

impl<T, E> Encoded<T, E> {
    /// The next item, or how the stream ended.
    #[inline]
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Answer>> {
        while self.at == self.chunk.len() {
            if let Some(answer) = ready!(self.poll_chunk(cx)) {
                return Poll::Ready(Err(answer));
            }
        }
        let mut rest = &self.chunk[self.at..];
        let Some(item) = take_item(&mut rest) else {
            let text = "the items of a stream are malformed";
            return Poll::Ready(Err(Answer::of_status(Status::of_call(Code::Internal, text))));
        };
        let decoded = (self.decode)(self.codec, item);
        self.cost += item.len() + ITEM_COST;
        self.at = self.chunk.len() - rest.len();
        if self.cost >= TOLD {
            self.items.taken(std::mem::take(&mut self.cost));
            if self.at == self.chunk.len() && !buffer::is_kept(self.chunk.len()) {
                // The next large item may come before it is asked for.
                (self.chunk, self.at) = (Vec::new(), 0);
            }
        }
        Poll::Ready(decoded.map_err(|error| Answer::of_status(undecodable("an item", self.codec, &error))))
    }

    /// Further items, or how the stream ended.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        self.chunk.clear();
        self.at = 0;
        if self.cost > 0 {
            self.items.taken(std::mem::take(&mut self.cost));
        }
        Poll::Ready(match ready!(self.items.poll(cx, &mut self.chunk, usize::MAX)) {
            Pulled::Items(_) => None,
            Pulled::End(answer) => Some(answer),
            Pulled::Fault(status) => Some(Answer::of_status(status)),
        })
    }
}

impl<T, E> Drop for Encoded<T, E> {
    fn drop(&mut self) {
        buffer::give(std::mem::take(&mut self.chunk));
    }
}

impl Place {
    fn name(&self, status: Status) -> Status {
        status.in_method(self.service.as_str(), self.method).at(&self.address)
    }
}

impl<T, E: From<Status>> Stream for Streaming<T, E> {
    type Item = Result<T, E>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(cx)
    }
}

impl<T, E> Unpin for Streaming<T, E> {}

impl<T, E> fmt::Debug for Streaming<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Encoded(_) | State::Local(_) => "Streaming",
            State::Over => "Streaming, over",
        })
    }
}

/// A stream of a closure.
struct PollFn<F>(F);

impl<F> Unpin for PollFn<F> {}

impl<T, F: FnMut(&mut Context<'_>) -> Poll<Option<T>>> Stream for PollFn<F> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        (self.get_mut().0)(cx)
    }
}

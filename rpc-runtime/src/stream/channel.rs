//! A bounded channel whose receiving half is a stream: for those who push items, over tokio's own.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::mpsc;

/// A channel for at most `capacity` items that wait, of which the [`Receiver`] is a stream: to be returned by a
/// handler, or given to a client's method.
///
/// The stream ends when the last [`Sender`] is dropped. Where that must not be taken for a complete stream, let the
/// items be `Result`s and send an `Err`.
///
/// A client's method takes items once its call is awaited or [started](crate::Call::start), not before: who would push
/// first, and then await a call that answers at the end, starts it.
///
/// # Panics
///
/// When `capacity` is 0.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, mut receiver) = rpc_runtime::stream::channel(8);
/// sender.send(1).await.expect("the receiver is there");
/// drop(sender);
/// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
/// # }
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Sender(sender), Receiver(receiver))
}

/// The pushing half of a [`channel`]. Cheap to clone.
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Sender<T> {
    /// Sends an item once there is room for it. Fails, and gives it back, when nobody takes items any more: the call is
    /// over, or the other end has dropped its stream. Dropping the future sends nothing.
    pub async fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.0.send(item).await.map_err(|error| SendError(error.0))
    }

    /// Sends an item if there is room for it at once; else gives it back.
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(item).map_err(|error| match error {
            mpsc::error::TrySendError::Full(item) => TrySendError::Full(item),
            mpsc::error::TrySendError::Closed(item) => TrySendError::Closed(item),
        })
    }

    /// Whether nobody takes items any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until nobody takes items any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The receiving half of a [`channel`]: a stream.
pub struct Receiver<T>(mpsc::Receiver<T>);

impl<T> Receiver<T> {
    /// The next item; `None` at the end. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().0.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// An item that could not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream takes no further item")
    }
}

impl<T: fmt::Debug> std::error::Error for SendError<T> {}

/// An item that could not be sent at once.
///
/// ```
/// use rpc_runtime::stream::{TrySendError, channel};
///
/// let (sender, receiver) = channel(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// drop(receiver);
/// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room for it at present.
    Full(T),
    /// Nobody takes items any more.
    Closed(T),
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the stream has no room for another item",
            Self::Closed(_) => "the stream takes no further item",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for TrySendError<T> {}

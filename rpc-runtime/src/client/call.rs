//! A call: options until it is sent, then a future of its outcome. Dropping it cancels it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{
    engine::Engine,
    outcome::{Receive, finish},
};
use crate::{
    call::{DecodeFailure, Timeout},
    metadata::Metadata,
    status::Status,
};

/// A call that a client method returns: `E` is [`Status`], or [`CallError`](crate::CallError) for methods that return
/// a `Result`.
///
/// It owns its encoded arguments, and nothing is sent before it is awaited, polled or [started](Self::start).
/// **Dropping it cancels it**: either nothing was sent and nothing will be, or the server is told and drops the
/// handler. Its deadline begins when it is first polled or started, lies 30 s ahead unless set otherwise, and is
/// never later than that of the call it is made in.
///
/// # Panics
///
/// Polled outside a tokio runtime, when the channel has yet to be dialled, has layers, or its service is in this
/// process.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Arith {
/// #     async fn sum(&self, a: i64, b: i64) -> i64;
/// # }
/// # struct Calculator;
/// # impl Arith for Calculator {
/// #     async fn sum(&self, a: i64, b: i64) -> i64 {
/// #         a + b
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// # let server = Server::builder().service(ArithServer::new(Calculator)).bind("mem://call").await?;
/// # tokio::spawn(server.serve());
/// use std::time::Duration;
/// let arith = ArithClient::new(Channel::connect("mem://call").await?);
/// // On its way at once; options stand behind the call.
/// let started = arith.sum(20, 22).start();
/// let second = arith.sum(1, 1).timeout(Duration::from_millis(500)).metadata("tenant", "7");
/// assert_eq!((second.await?, started.await?), (2, 42));
///
/// let (sum, metadata) = arith.sum(1, 2).with_response_metadata().await;
/// assert_eq!((sum?, metadata.get("cost")), (3, None));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before the call is awaited or started"]
pub struct Call<T, E = Status> {
    engine: Engine,
    receive: Receive<T>,
    failure: DecodeFailure<E>,
}

impl<T, E> Call<T, E> {
    pub(super) fn new(engine: Engine, receive: Receive<T>, failure: DecodeFailure<E>) -> Self {
        Self { engine, receive, failure }
    }

    /// Ends the call with `DEADLINE_EXCEEDED` when it takes longer than this, dialling and queueing included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.engine.set_timeout(Timeout::After(timeout));
        self
    }

    /// Lets the call take as long as it takes, or as the call that it is made in has left.
    pub fn no_timeout(mut self) -> Self {
        self.engine.set_timeout(Timeout::None);
        self
    }

    /// Adds an entry to the request's metadata. More than fits the limits, by default 64 entries and 16 KiB, fails the
    /// call with `RESOURCE_EXHAUSTED`, *not executed*.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.engine.add_metadata(key.into(), value.into());
        self
    }

    /// Gives the metadata of the response beside the outcome.
    pub fn with_response_metadata(self) -> WithResponseMetadata<T, E> {
        WithResponseMetadata { engine: self.engine, receive: self.receive, failure: self.failure }
    }

    /// Puts the call on its way now; its outcome can be awaited later, or never looked at.
    ///
    /// While the channel has yet to be dialled, when it has layers, or when its service is in this process, a task
    /// drives it: a layer that panics there costs the call `INTERNAL`. Dropping what is returned cancels the call.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, when a task would be needed.
    pub fn start(mut self) -> Running<T, E> {
        self.engine.start();
        Running { engine: self.engine, receive: self.receive, failure: self.failure }
    }
}

impl<T, E: From<Status>> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let ended = ready!(this.engine.poll(cx));
        Poll::Ready(finish(ended, &mut this.receive, this.failure).0)
    }
}

impl<T, E> fmt::Debug for Call<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.engine).finish()
    }
}

/// A call that is on its way; a future of its outcome. Dropping it cancels the call.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Arith {
/// #     async fn sum(&self, a: i64, b: i64) -> i64;
/// # }
/// # struct Calculator;
/// # impl Arith for Calculator {
/// #     async fn sum(&self, a: i64, b: i64) -> i64 {
/// #         a + b
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// # let arith = ArithClient::from_service(Calculator);
/// let running = arith.sum(1, 2).start();
/// // Other work, while it is answered.
/// assert_eq!(running.await?, 3);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a running call cancels it"]
pub struct Running<T, E = Status> {
    engine: Engine,
    receive: Receive<T>,
    failure: DecodeFailure<E>,
}

impl<T, E> Running<T, E> {
    /// Gives the metadata of the response beside the outcome.
    pub fn with_response_metadata(self) -> WithResponseMetadata<T, E> {
        WithResponseMetadata { engine: self.engine, receive: self.receive, failure: self.failure }
    }
}

impl<T, E: From<Status>> Future for Running<T, E> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let ended = ready!(this.engine.poll(cx));
        Poll::Ready(finish(ended, &mut this.receive, this.failure).0)
    }
}

impl<T, E> fmt::Debug for Running<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.engine).finish()
    }
}

/// A call whose outcome comes with the metadata of the response. Dropping it cancels the call.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Arith {
/// #     async fn sum(&self, a: i64, b: i64) -> i64;
/// # }
/// # struct Calculator;
/// # impl Arith for Calculator {
/// #     async fn sum(&self, a: i64, b: i64) -> i64 {
/// #         a + b
/// #     }
/// # }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// # let arith = ArithClient::from_service(Calculator);
/// let (sum, metadata) = arith.sum(1, 2).with_response_metadata().await;
/// assert_eq!((sum?, metadata.get("cost")), (3, None));
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before the call is awaited"]
pub struct WithResponseMetadata<T, E = Status> {
    engine: Engine,
    receive: Receive<T>,
    failure: DecodeFailure<E>,
}

impl<T, E: From<Status>> Future for WithResponseMetadata<T, E> {
    type Output = (Result<T, E>, Metadata);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let ended = ready!(this.engine.poll(cx));
        Poll::Ready(finish(ended, &mut this.receive, this.failure))
    }
}

impl<T, E> fmt::Debug for WithResponseMetadata<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WithResponseMetadata").field(&self.engine).finish()
    }
}

//! A layer made of an async closure.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    call::{CallService, Request, Response, ResponseFuture},
    status::Status,
};

/// Makes a layer of an async closure, which gets each call and what comes after it.
///
/// It may change the call and its outcome, answer by itself, or run the rest several times. Dropping the call drops
/// the closure's future, and so do, at a server, the call's deadline and its cancelling: then it sees no outcome.
///
/// Of a method that returns a stream the outcome is there when the method has accepted the call, at a client whose
/// method can not refuse even when the call is on its way. The items follow it: [`Response::map_items`] sees each of
/// them, and [`Response::on_end`] how they end.
///
/// ```
/// use rpc_runtime::{middleware, prelude::*};
///
/// #[rpc_service]
/// trait Greeter {
///     async fn greet(&self, name: &str) -> String;
/// }
///
/// struct English;
///
/// impl Greeter for English {
///     async fn greet(&self, name: &str) -> String {
///         format!("hello, {name}")
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// let twice = middleware::from_fn(|call, next| async move {
///     match next.run(call.clone()).await {
///         Err(status) if !status.may_have_run() => next.run(call).await,
///         outcome => outcome,
///     }
/// });
/// let greeter = GreeterClient::new(Channel::builder().layer(twice).in_process(GreeterServer::new(English)));
/// assert_eq!(greeter.greet("world").await?, "hello, world");
/// # Ok(())
/// # }
/// ```
pub fn from_fn<F, R>(function: F) -> FromFn<F>
where
    F: Fn(Request, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Status>> + Send + 'static,
{
    FromFn { function: Arc::new(function), inner: CallService::default() }
}

/// A layer, and its service, made by [`from_fn`].
pub struct FromFn<F> {
    function: Arc<F>,
    inner: CallService,
}

impl<F> Clone for FromFn<F> {
    fn clone(&self) -> Self {
        Self { function: Arc::clone(&self.function), inner: self.inner.clone() }
    }
}

impl<F> Layer<CallService> for FromFn<F> {
    type Service = Self;

    fn layer(&self, inner: CallService) -> Self {
        Self { function: Arc::clone(&self.function), inner }
    }
}

impl<F, R> Service<Request> for FromFn<F>
where
    F: Fn(Request, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Status>> + Send + 'static,
{
    type Response = Response;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Request) -> ResponseFuture {
        let fresh = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, fresh.clone());
        Box::pin((self.function)(call, Next { ready: Mutex::new(Some(ready)), fresh }))
    }
}

/// What comes after a closure of [`from_fn`]: the layers further in, and the call's destination.
#[derive(Debug)]
pub struct Next {
    /// The service that was found ready; the first run takes it.
    ready: Mutex<Option<CallService>>,
    fresh: CallService,
}

impl Next {
    /// Sends a call on and waits for its outcome. It may be run several times, one after the other or at once; dropping
    /// the future cancels what it sent. Whether the call *may have run* is judged over all of them: once it has ended
    /// as *not executed*, a run in a task that outlives it ends with `CANCELLED` and sends nothing.
    pub async fn run(&self, call: Request) -> Result<Response, Status> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut service = ready.unwrap_or_else(|| self.fresh.clone());
        poll_fn(|cx| service.poll_ready(cx)).await?;
        service.call(call).await
    }
}

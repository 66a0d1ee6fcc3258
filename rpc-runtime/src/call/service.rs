//! The one service that layers are put around, and the way of a call through them. What is at its end, a channel or a
//! handler, is the request's own affair.

use std::{
    error::Error,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use super::{Request, Response, Side};
use crate::status::{Code, Status};

/// The way of a call from here to its destination.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response, Status>> + Send>>;

/// Any error of a layer. A [`Status`] in it, or among its causes, is what the call ends with. Another one of a call
/// that got no further is `RESOURCE_EXHAUSTED`, *not executed*, as of a layer that limits; else it is `UNKNOWN`.
type BoxError = Box<dyn Error + Send + Sync>;

/// What a layer is put around: whatever stands between it and the call's destination, as a tower `Service` of one
/// type. Each call goes through a clone of its own.
///
/// ```
/// use std::{
///     sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}},
///     task::{Context, Poll},
/// };
///
/// use rpc_runtime::{Channel, middleware::{CallService, Request}};
/// use tower_layer::layer_fn;
/// use tower_service::Service;
///
/// /// A layer as tower has them, without a closure: it counts the calls.
/// #[derive(Clone)]
/// struct Counted {
///     calls: Arc<AtomicUsize>,
///     inner: CallService,
/// }
///
/// impl Service<Request> for Counted {
///     type Response = <CallService as Service<Request>>::Response;
///     type Error = <CallService as Service<Request>>::Error;
///     type Future = <CallService as Service<Request>>::Future;
///
///     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
///         self.inner.poll_ready(cx)
///     }
///
///     fn call(&mut self, call: Request) -> Self::Future {
///         self.calls.fetch_add(1, Relaxed);
///         self.inner.call(call)
///     }
/// }
///
/// let calls = Arc::new(AtomicUsize::new(0));
/// let layer = layer_fn(move |inner| Counted { calls: Arc::clone(&calls), inner });
/// let channel = Channel::builder().layer(layer);
/// # drop(channel);
/// ```
#[derive(Clone, Default)]
pub struct CallService(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Destination,
    Layered(Box<dyn Layered>),
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        match self {
            Self::Destination => Self::Destination,
            Self::Layered(service) => Self::Layered(service.clone_box()),
        }
    }
}

impl fmt::Debug for CallService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallService").finish_non_exhaustive()
    }
}

/// A service that a layer may make of a [`CallService`]: implemented for every tower `Service` of calls that can be
/// cloned and sent. Its error becomes a [`Status`].
pub trait LayeredService:
    Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> LayeredService for S where
    S: Service<Request, Response = Response, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static
{
}

impl CallService {
    /// The layers around the destination, the first one outermost.
    pub(crate) fn layered(layers: &Layers) -> Option<Self> {
        let around = |inner, layer: &AddLayer| layer(inner);
        (!layers.0.is_empty()).then(|| layers.0.iter().rev().fold(Self::default(), around))
    }

    /// Leads a call through the layers. When no attempt of it can have run, its failure is *not executed*.
    pub(crate) async fn lead(mut self, request: Request) -> Result<Response, Status> {
        let destination = Arc::clone(&request.destination);
        let outcome = match poll_fn(|cx| self.poll_ready(cx)).await {
            Ok(()) => self.call(request).await,
            Err(status) => Err(status),
        };
        outcome.map_err(|status| destination.attempts().judge(status))
    }
}

impl Service<Request> for CallService {
    type Response = Response;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match &mut self.0 {
            Inner::Destination => Poll::Ready(Ok(())),
            Inner::Layered(service) => service.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        match &mut self.0 {
            Inner::Layered(service) => service.call(request),
            Inner::Destination => Arc::clone(&request.destination).reach(request),
        }
    }
}

/// Where a call goes: to a server, or to a handler. One for each call.
pub(crate) trait Destination: Send + Sync {
    /// Makes one attempt, and [counts](Attempts::count) it.
    fn reach(self: Arc<Self>, request: Request) -> ResponseFuture;

    /// The attempts of this call so far.
    fn attempts(&self) -> &Attempts;

    fn side(&self) -> Side;

    fn peer(&self) -> &str;

    fn server_address(&self) -> &str;
}

/// In place of a number of attempts: the call has ended as *not executed*, and this stays true.
const NONE_ANY_MORE: usize = 1 << (usize::BITS - 1);

/// The attempts of a call, which is one unless a layer makes more of it.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    may_have_run: AtomicUsize,
    under_way: AtomicUsize,
}

impl Attempts {
    /// What a call's failure says of whether it may have run: the truth of all its attempts, also of those that a task
    /// of a layer would make later.
    pub(crate) fn judge(&self, status: Status) -> Status {
        match self.may_have_run.compare_exchange(0, NONE_ANY_MORE, Relaxed, Relaxed) {
            Ok(_) => status.not_executed(),
            Err(attempts) if attempts >= NONE_ANY_MORE => status.not_executed(),
            Err(_) => status.executed_unknown(),
        }
    }

    /// Whether an attempt is being made at this moment.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }

    /// Counts an attempt: from its first poll it may have run, unless its outcome says otherwise.
    pub(crate) async fn count(
        &self,
        attempt: impl Future<Output = Result<Response, Status>>,
    ) -> Result<Response, Status> {
        let counted = Attempt::begin(self)?;
        let outcome = attempt.await;
        if outcome.as_ref().is_err_and(|status| !status.may_have_run()) {
            counted.has_not_run();
        }
        outcome
    }

    /// An attempt that was opened has not run after all, as its items say where they end.
    pub(crate) fn take_back(&self) {
        self.may_have_run.fetch_sub(1, Relaxed);
    }

    fn may_have_run(&self) -> bool {
        (1..NONE_ANY_MORE).contains(&self.may_have_run.load(Relaxed))
    }
}

/// One attempt. Dropped without an outcome it may have run.
struct Attempt<'a>(&'a Attempts);

impl<'a> Attempt<'a> {
    fn begin(attempts: &'a Attempts) -> Result<Self, Status> {
        attempts.under_way.fetch_add(1, Relaxed);
        let attempt = Self(attempts);
        if attempts.may_have_run.fetch_add(1, Relaxed) >= NONE_ANY_MORE {
            attempt.has_not_run();
            let text = "the call had ended, as not executed, before this attempt";
            return Err(Status::of_call(Code::Cancelled, text).not_executed());
        }
        Ok(attempt)
    }

    fn has_not_run(self) {
        self.0.may_have_run.fetch_sub(1, Relaxed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// Layers in the order in which they were added.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<AddLayer>);

type AddLayer = Arc<dyn Fn(CallService) -> CallService + Send + Sync>;

impl Layers {
    /// Adds one within those that are there.
    pub(crate) fn add<L>(&mut self, layer: L)
    where
        L: Layer<CallService, Service: LayeredService> + Send + Sync + 'static,
    {
        self.0.push(Arc::new(move |inner| CallService(Inner::Layered(Box::new(Erased(layer.layer(inner)))))));
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}

/// A layer's service without its type.
trait Layered: Send + Sync {
    fn clone_box(&self) -> Box<dyn Layered>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>>;
    fn call(&mut self, request: Request) -> ResponseFuture;
}

struct Erased<S>(S);

impl<S: LayeredService> Layered for Erased<S> {
    fn clone_box(&self) -> Box<dyn Layered> {
        Box::new(Self(self.0.clone()))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx).map_err(|error| into_status(error.into(), &Attempts::default()))
    }

    fn call(&mut self, request: Request) -> ResponseFuture {
        let destination = Arc::clone(&request.destination);
        let called = self.0.call(request);
        Box::pin(async move { called.await.map_err(|error| into_status(error.into(), destination.attempts())) })
    }
}

fn into_status(error: BoxError, attempts: &Attempts) -> Status {
    let error = match error.downcast::<Status>() {
        Ok(status) => return *status,
        Err(error) => error,
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<Status>() {
            return status.clone();
        }
        cause = error.source();
    }
    let code = if attempts.may_have_run() { Code::Unknown } else { Code::ResourceExhausted };
    Status::of_call(code, format!("a layer failed the call: {error}")).with_boxed_source(error)
}

//! One handler at work: made, polled and dropped in its context, with every panic caught on the way.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{self, Poll},
};

use super::{Arguments, HandlerFuture, Route, layered};
use crate::{
    call::{Ambient, Items, Outlet, Reply, Scene, panicked},
    codec::CodecKind,
    metadata::Metadata,
    status::Status,
};

/// A handler between its start and its reply. Dropping it cancels the handler.
pub(crate) struct Running {
    pub(crate) route: Arc<Route>,
    ambient: Ambient,
    future: Option<HandlerFuture>,
    /// Where the items are that it has produced.
    pub(crate) outlet: Option<Outlet>,
}

/// What a handler is made from.
pub(crate) struct Start<'a> {
    pub(crate) codec: CodecKind,
    pub(crate) body: &'a [u8],
    pub(crate) scene: Scene,
    /// What the caller sends, if the method takes a stream.
    pub(crate) items: Option<Items>,
    /// The largest item that its caller accepts, in bytes.
    pub(crate) max_item: usize,
}

/// What a handler leaves behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) reply: Reply,
    pub(crate) metadata: Metadata,
}

impl Finished {
    /// As it travels. The cause that a status keeps is of users: it is dropped here, and not under a lock later.
    pub(crate) fn without_cause(mut self) -> Self {
        if let Reply::Status(status) | Reply::Unsendable(status) = &mut self.reply {
            status.forget_source();
        }
        self
    }
}

impl Running {
    /// Makes the future, which does not run yet: that of the handler, of which the arguments are decoded, or that of
    /// the layers around it.
    pub(crate) fn start(route: &Arc<Route>, start: Start<'_>) -> Result<Self, Finished> {
        let Some(layers) = &route.layers else { return Self::start_handler(route, start) };
        let outlet = route.outlet(start.max_item);
        let (request, scene) = layered::request(route, start);
        let filled = outlet.clone();
        Self::make(route, scene, outlet, || Ok(layered::lead(layers.clone(), request, filled)))
    }

    /// The same without layers.
    pub(super) fn start_handler(route: &Arc<Route>, start: Start<'_>) -> Result<Self, Finished> {
        let Start { codec, body, scene, items, max_item } = start;
        let (method, service, peer) = (route.descriptor, &route.service, Arc::clone(&scene.peer));
        let (outlet, peer) = (route.outlet(max_item), &*peer);
        let filled = outlet.clone();
        Self::make(route, scene, outlet, || {
            (route.handler)(&mut Arguments { method, service, peer, codec, body, items, outlet: filled })
        })
    }

    fn make(
        route: &Arc<Route>,
        scene: Scene,
        outlet: Option<Outlet>,
        make: impl FnOnce() -> Result<HandlerFuture, Status>,
    ) -> Result<Self, Finished> {
        let mut ambient = Ambient::Fresh(scene);
        let made = ambient.within(|| catch_unwind(AssertUnwindSafe(make)));
        let refused = match made {
            Ok(Ok(future)) => return Ok(Self { route: Arc::clone(route), ambient, future: Some(future), outlet }),
            Ok(Err(status)) => status,
            Err(panic) => handler_panicked(route, panic),
        };
        Err(Finished { reply: Reply::Status(refused), metadata: ambient.finish() })
    }

    /// What it wants to send beside the response, so far.
    pub(crate) fn take_metadata(&mut self) -> Metadata {
        self.ambient.take_metadata()
    }

    /// Runs the handler up to its next wait.
    pub(crate) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Finished> {
        let future = self.future.as_mut().expect("a running handler is not polled after its end");
        // An exhausted budget of the surrounding task would leave handlers pending that have nothing to wait for.
        let polled = self.ambient.within(|| {
            catch_unwind(AssertUnwindSafe(|| {
                std::pin::Pin::new(&mut tokio::task::coop::unconstrained(future)).poll(cx)
            }))
        });
        let reply = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(reply)) => reply,
            Err(panic) => Reply::Status(handler_panicked(&self.route, panic)),
        };
        let reply = match self.drop_future() {
            Ok(()) => reply,
            Err(panic) => Reply::Status(handler_panicked(&self.route, panic)),
        };
        Poll::Ready(Finished { reply, metadata: self.ambient.finish() })
    }

    fn drop_future(&mut self) -> Result<(), Box<dyn Any + Send>> {
        let Some(future) = self.future.take() else { return Ok(()) };
        self.ambient.within(|| catch_unwind(AssertUnwindSafe(|| drop(future))))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(panic) = self.drop_future() {
            tracing::error!("{}", handler_panicked(&self.route, panic));
        }
        self.ambient.finish();
    }
}

fn handler_panicked(route: &Route, panic: Box<dyn Any + Send>) -> Status {
    panicked(&format!("the handler of {}", route.descriptor.full_name), panic)
}

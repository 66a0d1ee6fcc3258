//! One handler at work: made, polled and dropped in its context, with every panic caught on the way.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{self, Poll},
};

use super::{Arguments, HandlerFuture, Reply, Route, layered};
use crate::{
    call::{Ambient, Scene},
    codec::CodecKind,
    metadata::Metadata,
    status::{Code, Status},
};

/// A handler between its start and its reply. Dropping it cancels the handler.
pub(crate) struct Running {
    pub(crate) route: Arc<Route>,
    ambient: Ambient,
    future: Option<HandlerFuture>,
}

/// What a handler leaves behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) reply: Reply,
    pub(crate) metadata: Metadata,
}

impl Running {
    /// Makes the future, which does not run yet: that of the handler, of which the arguments are decoded, or that of
    /// the layers around it.
    pub(crate) fn start(route: &Arc<Route>, codec: CodecKind, body: &[u8], scene: Scene) -> Result<Self, Finished> {
        let Some(layers) = &route.layers else { return Self::start_handler(route, codec, body, scene) };
        let request = layered::request(route, codec, body, &scene);
        Self::make(route, scene, || Ok(layered::lead(layers.clone(), request)))
    }

    /// The same without layers.
    pub(super) fn start_handler(
        route: &Arc<Route>,
        codec: CodecKind,
        body: &[u8],
        scene: Scene,
    ) -> Result<Self, Finished> {
        Self::make(route, scene, || (route.handler)(&Arguments { method: route.descriptor, codec, body }))
    }

    fn make(
        route: &Arc<Route>,
        scene: Scene,
        make: impl FnOnce() -> Result<HandlerFuture, Status>,
    ) -> Result<Self, Finished> {
        let mut ambient = Ambient::Fresh(scene);
        let made = ambient.within(|| catch_unwind(AssertUnwindSafe(make)));
        let refused = match made {
            Ok(Ok(future)) => return Ok(Self { route: Arc::clone(route), ambient, future: Some(future) }),
            Ok(Err(status)) => status,
            Err(panic) => panicked(route, panic),
        };
        Err(Finished { reply: Reply::Status(refused), metadata: ambient.finish() })
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
            Err(panic) => Reply::Status(panicked(&self.route, panic)),
        };
        let reply = match self.drop_future() {
            Ok(()) => reply,
            Err(panic) => Reply::Status(panicked(&self.route, panic)),
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
            tracing::error!("{}", panicked(&self.route, panic));
        }
        self.ambient.finish();
    }
}

fn panicked(route: &Route, panic: Box<dyn Any + Send>) -> Status {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    let status =
        Status::of_call(Code::Internal, format!("the handler of {} panicked: {text}", route.descriptor.full_name));
    // The payload's own Drop is user code too, and may panic.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    status
}

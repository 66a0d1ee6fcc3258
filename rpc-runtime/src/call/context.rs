//! What a handler can ask about the call it serves, found through the thread and not through an argument.
//! It is set around every poll and the drop of a handler by whoever runs it; nothing here runs anything.

use std::{
    any::Any,
    cell::RefCell,
    fmt, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, Poll},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::Extensions;
use crate::{descriptor::MethodDescriptor, metadata::Metadata};

thread_local! {
    static CURRENT: RefCell<Ambient> = const { RefCell::new(Ambient::Empty) };
}

/// The call that is being served: who calls, with which metadata, until when.
///
/// [`Context::current`] is there in every poll and in the drop of a handler, and in futures wrapped by
/// [`scope`](Self::scope). Elsewhere it is empty. Calls made where a context is current inherit its deadline
/// and its `traceparent` and `tracestate`; calls to the caller are made with
/// [`Channel::caller`](crate::Channel::caller). Cheap to clone.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// #[rpc_service]
/// trait Tenants {
///     async fn name(&self) -> Result<String, Status>;
/// }
///
/// struct Here;
///
/// impl Tenants for Here {
///     async fn name(&self) -> Result<String, Status> {
///         let context = Context::current();
///         let tenant = context.metadata().get("tenant").ok_or_else(|| Status::invalid_argument("no tenant"))?;
///         context.set_response_metadata("cost", "1");
///         // A task of its own does not see the context unless it is given it.
///         let remaining = tokio::spawn(context.scope(async { Context::current().remaining() })).await;
///         assert!(remaining.is_ok_and(|remaining| remaining.is_some()));
///         Ok(format!("tenant {tenant}"))
///     }
/// }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Status> {
/// # let server = Server::builder().service(TenantsServer::new(Here)).bind("mem://context").await?;
/// # tokio::spawn(server.serve());
/// # let tenants = TenantsClient::new(Channel::connect("mem://context").await?);
/// let (name, metadata) = tenants.name().metadata("tenant", "7").with_response_metadata().await;
/// assert_eq!((name?.as_str(), metadata.get("cost")), ("tenant 7", Some("1")));
/// assert!(Context::current().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Known>>);

impl Context {
    /// The context of the handler that is being polled here, or an empty one.
    pub fn current() -> Self {
        CURRENT
            .try_with(|current| current.borrow_mut().share())
            .ok()
            .flatten()
            .map_or_else(Self::default, |known| Self(Some(known)))
    }

    /// Whether there is no call.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The caller's address, as a URI.
    pub fn peer(&self) -> Option<&str> {
        self.0.as_ref().map(|scene| scene.peer.address.as_str())
    }

    /// What the caller sent with the handshake of its connection.
    pub fn connection_metadata(&self) -> &Metadata {
        self.0.as_ref().map_or(&NO_METADATA, |scene| &scene.peer.metadata)
    }

    /// The method that is being served.
    pub fn method(&self) -> Option<&'static MethodDescriptor> {
        self.0.as_ref().map(|scene| scene.method)
    }

    /// The metadata of the request.
    pub fn metadata(&self) -> &Metadata {
        self.0.as_ref().map_or(&NO_METADATA, |scene| &scene.metadata)
    }

    /// The value of this type that a layer left with [`Request::insert`](crate::middleware::Request::insert), such as
    /// who the caller is.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.as_ref().and_then(|scene| scene.extensions.get())
    }

    /// When the call ends, if it has a deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().and_then(|scene| scene.deadline)
    }

    /// The time that is left; zero once the deadline has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Sends an entry of metadata with the response, in place of those that the key has; does nothing once the
    /// response was made. More than the caller accepts fails the call with `RESOURCE_EXHAUSTED`.
    ///
    /// In a method that returns a stream, what is set before an `async fn` has returned it travels with the response;
    /// what is set later comes with the [end](crate::Streaming::end_metadata), unless it is more than the caller
    /// accepts.
    pub fn set_response_metadata(&self, key: impl Into<String>, value: impl Into<String>) {
        if let Some(scene) = &self.0 {
            // These may be code of users, which does not run under a lock.
            let (key, value) = (key.into(), value.into());
            let mut metadata = scene.response_metadata.lock().unwrap_or_else(PoisonError::into_inner);
            metadata.insert(key, value);
        }
    }

    /// Whether the call is over: its handler returned, or was dropped because the caller cancelled, the deadline
    /// passed or the connection was lost. Always `false` for an empty or [`detached`](Self::detached) context.
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|scene| scene.over.reached.load(Ordering::Acquire))
    }

    /// Waits until the call is over (see [`is_cancelled`](Self::is_cancelled)); for ever in an empty or detached
    /// context. The handler itself is dropped at that moment; this is for the tasks that it spawned.
    pub async fn cancelled(&self) {
        let Some(scene) = &self.0 else { return std::future::pending().await };
        let mut notified = std::pin::pin!(scene.over.notify.notified());
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }

    /// Runs `future` in this context, in whatever task it is polled.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let ambient = self.0.clone().map_or(Ambient::Empty, |known| Ambient::Shared(Shared(known)));
        Scoped { ambient, future: Some(Box::pin(future)) }
    }

    /// The same call without its deadline and its end: for work in the background that must outlive it.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.0.as_ref().map(|known| {
            let Scene { method, peer, metadata, extensions, .. } = &known.scene;
            let (peer, metadata, extensions) = (Arc::clone(peer), metadata.clone(), extensions.clone());
            Scene { method, peer, deadline: None, metadata, extensions }.known()
        }))
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("method", &self.method().map(|method| method.full_name))
            .field("peer", &self.peer())
            .field("remaining", &self.remaining())
            .field("metadata", self.metadata())
            .finish()
    }
}

static NO_METADATA: Metadata = Metadata::new();

/// The other end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) metadata: Metadata,
    /// The address of this end, as far as it has one.
    pub(crate) local: Arc<str>,
    /// Where calls to this peer go, once that is there. A connection knows its peer, so the peer does not keep it.
    way_back: OnceLock<Weak<dyn Any + Send + Sync>>,
}

impl Peer {
    pub(crate) fn new(address: String, metadata: Metadata, local: Arc<str>) -> Self {
        Self { address, metadata, local, way_back: OnceLock::new() }
    }

    /// Calls to this peer go by this. The first one holds.
    pub(crate) fn is_reached_by(&self, way: Weak<dyn Any + Send + Sync>) {
        let _ = self.way_back.set(way);
    }

    /// Where calls to this peer go, while that is there.
    pub(crate) fn way_back(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.way_back.get()?.upgrade()
    }
}

/// What is known of a call that is being served.
pub(crate) struct Scene {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) peer: Arc<Peer>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: Metadata,
    pub(crate) extensions: Extensions,
}

/// A scene that somebody asked for.
struct Known {
    scene: Scene,
    response_metadata: Mutex<Metadata>,
    over: Over,
}

#[derive(Default)]
struct Over {
    reached: AtomicBool,
    notify: Notify,
}

impl Scene {
    pub(crate) fn new(
        method: &'static MethodDescriptor,
        peer: Arc<Peer>,
        deadline: Option<Instant>,
        metadata: Metadata,
    ) -> Self {
        Self { method, peer, deadline, metadata, extensions: Extensions::default() }
    }

    fn known(self) -> Arc<Known> {
        Arc::new(Known { scene: self, response_metadata: Mutex::default(), over: Over::default() })
    }
}

impl std::ops::Deref for Known {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

/// A call's context as its handler's owner keeps it: on the heap only once somebody asked for it.
#[derive(Default)]
pub(crate) enum Ambient {
    #[default]
    Empty,
    Fresh(Scene),
    Shared(Shared),
}

/// The shared form; only this file looks into it.
pub(crate) struct Shared(Arc<Known>);

impl Ambient {
    /// Runs `work` with this as the current context, also when it panics.
    pub(crate) fn within<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Swapped<'a>(&'a mut Ambient);
        impl Drop for Swapped<'_> {
            fn drop(&mut self) {
                swap(self.0);
            }
        }
        fn swap(ambient: &mut Ambient) {
            // A thread that ends has no current context any more; handlers dropped there see an empty one.
            let _ = CURRENT.try_with(|current| mem::swap(&mut *current.borrow_mut(), ambient));
        }
        swap(self);
        let _swapped = Swapped(self);
        work()
    }

    /// The call is over: tells those who wait for it, and hands out the metadata of the response.
    pub(crate) fn finish(&mut self) -> Metadata {
        let Self::Shared(Shared(scene)) = mem::take(self) else { return Metadata::new() };
        scene.over.reached.store(true, Ordering::Release);
        scene.over.notify.notify_waiters();
        mem::take(&mut *scene.response_metadata.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands out the metadata of the response so far; the call goes on.
    pub(crate) fn take_metadata(&mut self) -> Metadata {
        let Self::Shared(Shared(known)) = self else { return Metadata::new() };
        mem::take(&mut *known.response_metadata.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds to the metadata of the current call's response.
    pub(crate) fn respond_with(metadata: &Metadata) {
        if metadata.is_empty() {
            return;
        }
        if let Some(known) = Context::current().0 {
            let mut response_metadata = known.response_metadata.lock().unwrap_or_else(PoisonError::into_inner);
            metadata.iter().for_each(|(key, value)| response_metadata.append(key, value));
        }
    }

    /// Who made the call that is served here.
    pub(crate) fn peer() -> Option<Arc<Peer>> {
        let peer = CURRENT.try_with(|current| match &*current.borrow() {
            Self::Empty => None,
            Self::Fresh(scene) => Some(Arc::clone(&scene.peer)),
            Self::Shared(Shared(known)) => Some(Arc::clone(&known.peer)),
        });
        peer.ok().flatten()
    }

    /// The deadline and the trace headers that calls made here inherit.
    pub(crate) fn inherited(metadata: &mut Metadata) -> Option<Instant> {
        CURRENT
            .try_with(|current| {
                let current = current.borrow();
                let scene = match &*current {
                    Self::Empty => return None,
                    Self::Fresh(scene) => scene,
                    Self::Shared(Shared(known)) => known,
                };
                for key in ["traceparent", "tracestate"] {
                    if let Some(value) = scene.metadata.get(key) {
                        metadata.insert(key, value);
                    }
                }
                scene.deadline
            })
            .ok()
            .flatten()
    }

    fn share(&mut self) -> Option<Arc<Known>> {
        let known = match mem::take(self) {
            Self::Empty => return None,
            Self::Fresh(scene) => scene.known(),
            Self::Shared(Shared(known)) => known,
        };
        *self = Self::Shared(Shared(Arc::clone(&known)));
        Some(known)
    }
}

/// A future that is polled and dropped in a context.
struct Scoped<F> {
    ambient: Ambient,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let future = this.future.as_mut().expect("the future is there until this is dropped");
        this.ambient.within(|| future.as_mut().poll(cx))
    }
}

impl<F> Drop for Scoped<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        self.ambient.within(|| drop(future));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::{Execution, MethodKind};

    static METHOD: MethodDescriptor = MethodDescriptor {
        service: "S",
        name: "m",
        rust_name: "m",
        full_name: "S.m",
        kind: MethodKind::Unary,
        arguments: &[],
        output: "",
        items_in: None,
        items_out: None,
        docs: "",
        execution: Execution::Auto,
        deprecated: false,
    };

    fn ambient(deadline: Option<Instant>) -> Ambient {
        Ambient::Fresh(Scene::new(&METHOD, Arc::new(Peer::default()), deadline, Metadata::new()))
    }

    #[test]
    fn is_empty_outside_a_handler_and_again_after_a_panic_inside() {
        let mut ambient = ambient(None);
        assert!(Context::current().is_empty());
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ambient.within(|| {
                assert!(!Context::current().is_empty());
                panic!("on purpose");
            });
        }));
        assert!(caught.is_err());
        assert!(Context::current().is_empty());
    }

    #[tokio::test]
    async fn a_scoped_future_sees_it_in_another_task_and_a_detached_one_has_no_deadline() {
        let mut ambient = ambient(Some(Instant::now() + Duration::from_secs(60)));
        let context = ambient.within(Context::current);
        let seen = context.scope(async { Context::current().remaining() });
        assert!(seen.await.is_some());
        assert!(Context::current().is_empty());
        assert_eq!(context.detached().deadline(), None);
        assert_eq!(context.detached().method().map(|method| method.full_name), Some("S.m"));
    }

    #[tokio::test]
    async fn the_end_of_the_call_is_seen_by_those_who_wait_for_it() {
        let mut ambient = ambient(None);
        let context = ambient.within(Context::current);
        let waiting = context.cancelled();
        assert!(!context.is_cancelled());
        context.set_response_metadata("k", "v");
        assert_eq!(ambient.finish().get("k"), Some("v"));
        waiting.await;
        assert!(context.is_cancelled());
    }
}

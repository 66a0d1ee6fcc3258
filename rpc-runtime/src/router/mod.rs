//! From a service's and a method's name to its handler, and the running of a handler: used by servers, by
//! channels that offer services, and in-process. It knows no connection.

mod arguments;
mod layered;
mod produced;
mod reply;
mod running;
mod trust;

use std::{collections::BTreeMap, sync::Arc};

pub use arguments::Arguments;
pub(crate) use produced::respond;
pub use reply::{
    ErrorOf, HandlerFuture, Kind, MethodError, OtherKind, Outcome, Returned, Returns, put_outcome, put_value,
    reply_outcome, reply_value,
};
pub(crate) use running::{Finished, Running, Start};
pub(crate) use trust::Trust;

use tokio::time::Instant;

use crate::{
    call::{CallService, Layers, Outlet, ServiceName},
    descriptor::{Execution, MethodDescriptor, MethodKind, ServiceDescriptor},
    status::{Code, Status},
};

/// An implementation of a service, ready to be registered. The macro writes it for `FooServer`.
///
/// It is not written by hand: whoever wants to choose among services while the program runs takes one trait's
/// implementations, behind `dyn` if need be, and a `FooServer` of each.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> String;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> String {
/// #         format!("hello, {name}")
/// #     }
/// # }
/// use rpc_runtime::Service;
///
/// let service = GreeterServer::new(English).named("english");
/// assert_eq!((service.name(), service.descriptor().name), ("english", "Greeter"));
/// ```
pub trait Service: Send + Sync + 'static {
    /// The name it is registered under, by default the trait's.
    fn name(&self) -> &str;

    /// What the macro says of the trait.
    fn descriptor(&self) -> &'static ServiceDescriptor;

    /// One handler for each method.
    fn methods(&self) -> Vec<Method>;
}

/// Makes the future of one call, or refuses its arguments.
type Handler = dyn Fn(&mut Arguments<'_>) -> Result<HandlerFuture, Status> + Send + Sync;

/// A method and its handler.
pub struct Method {
    descriptor: &'static MethodDescriptor,
    handler: Box<Handler>,
}

impl Method {
    /// A row of the table: decodes, calls, and encodes.
    pub fn new<S: ?Sized + Send + Sync + 'static>(
        descriptor: &'static MethodDescriptor,
        service: &Arc<S>,
        row: fn(&Arc<S>, &mut Arguments<'_>) -> Result<HandlerFuture, Status>,
    ) -> Self {
        let service = Arc::clone(service);
        Self { descriptor, handler: Box::new(move |arguments| row(&service, arguments)) }
    }
}

/// The handlers of all registered services, by service and method.
pub(crate) struct Router {
    services: BTreeMap<String, BTreeMap<&'static str, Arc<Route>>>,
    /// Trust is a matter of milliseconds since then.
    made: Instant,
}

/// A registered method.
pub(crate) struct Route {
    pub(crate) descriptor: &'static MethodDescriptor,
    /// `Service.Method`, with the name that the service was registered under.
    service: ServiceName,
    handler: Box<Handler>,
    /// What a call passes through on its way to the handler.
    layers: Option<CallService>,
    pub(crate) trust: Trust,
}

impl Default for Router {
    fn default() -> Self {
        Self { services: BTreeMap::new(), made: Instant::now() }
    }
}

impl Router {
    /// The time as [`Trust`] counts it.
    pub(crate) fn now_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.made).as_millis() as u64
    }

    /// Adds a service. Two under one name, or two methods of one name, are an error.
    pub(crate) fn register(&mut self, service: &dyn Service) -> Result<(), Status> {
        let name = service.name();
        if name.is_empty() || name.contains('.') || name.len() > MAX_NAME {
            return Err(Status::of_call(
                Code::InvalidArgument,
                format!("the service name {name:?} must have 1 to {MAX_NAME} bytes and no dot"),
            ));
        }
        if self.services.contains_key(name) {
            return Err(Status::of_call(
                Code::AlreadyExists,
                format!("the service {name} is registered twice; give one of them a name of its own with named(..)"),
            ));
        }
        let shared = ServiceName::Named(Arc::from(name));
        let mut methods = BTreeMap::new();
        for Method { descriptor, handler } in service.methods() {
            let (service, layers, trust) = (shared.clone(), None, Trust::default());
            let route = Route { descriptor, service, handler, layers, trust };
            if methods.insert(descriptor.name, Arc::new(route)).is_some() {
                let text = format!("the service {name} has two methods named {}", descriptor.name);
                return Err(Status::of_call(Code::AlreadyExists, text));
            }
        }
        self.services.insert(name.to_owned(), methods);
        Ok(())
    }

    /// Puts layers around all handlers. Once, when all services are registered.
    pub(crate) fn layered(mut self, layers: &Layers) -> Self {
        let Some(service) = CallService::layered(layers) else { return self };
        for route in self.services.values_mut().flat_map(BTreeMap::values_mut) {
            if let Some(route) = Arc::get_mut(route) {
                route.layers = Some(service.clone());
            }
        }
        self
    }

    /// The handler of a method, or why there is none (`UNIMPLEMENTED`, *not executed*).
    pub(crate) fn find(&self, service: &str, method: &str) -> Result<&Arc<Route>, Status> {
        let unimplemented = |text: String| Status::of_call(Code::Unimplemented, text).not_executed();
        let methods =
            self.services.get(service).ok_or_else(|| unimplemented(format!("there is no service {service:?} here")))?;
        methods.get(method).ok_or_else(|| unimplemented(format!("the service {service} has no method {method:?}")))
    }
}

/// The longest name of a service or method, in bytes.
const MAX_NAME: usize = 256;

impl Route {
    /// Whether this request names this route: spares the look-up when a method is called many times in a row.
    pub(crate) fn is(&self, service: &str, method: &str) -> bool {
        self.descriptor.name == method && self.service.as_str() == service
    }

    /// Whether the caller sends items.
    pub(crate) fn takes_items(&self) -> bool {
        matches!(self.descriptor.kind, MethodKind::ClientStreaming | MethodKind::Bidirectional)
    }

    /// Whether the method returns items.
    pub(crate) fn returns_items(&self) -> bool {
        matches!(self.descriptor.kind, MethodKind::ServerStreaming | MethodKind::Bidirectional)
    }

    /// Where a handler puts its items.
    fn outlet(&self, max_item: usize) -> Option<Outlet> {
        self.returns_items().then(|| Outlet::new(max_item))
    }

    /// Whether items travel in either direction.
    pub(crate) fn streams(&self) -> bool {
        self.descriptor.kind != MethodKind::Unary
    }

    /// Whether the handler is to be polled in the connection's runner.
    pub(crate) fn runs_inline(&self, now_ms: u64) -> bool {
        // What polls a stream goes on as long as there are items.
        !self.streams()
            && match self.descriptor.execution {
                Execution::Auto => self.trust.is_earned(now_ms),
                Execution::Inline => true,
                Execution::Task => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Empty(&'static str);

    impl Service for Empty {
        fn name(&self) -> &str {
            self.0
        }
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &ServiceDescriptor { name: "Empty", docs: "", methods: &[] }
        }
        fn methods(&self) -> Vec<Method> {
            Vec::new()
        }
    }

    #[test]
    fn a_duplicate_registration_is_an_error_and_not_a_panic() {
        let mut router = Router::default();
        router.register(&Empty("Empty")).unwrap();
        let error = router.register(&Empty("Empty")).unwrap_err();
        assert_eq!(error.code(), Code::AlreadyExists);
        router.register(&Empty("other")).unwrap();
    }

    #[test]
    fn an_unknown_service_and_an_unknown_method_are_told_apart() {
        let mut router = Router::default();
        router.register(&Empty("Empty")).unwrap();
        let error = |service, method| router.find(service, method).err().unwrap();
        assert!(error("Nobody", "m").message().contains("no service \"Nobody\""));
        assert!(error("Empty", "m").message().contains("no method \"m\""));
        assert!(!error("Empty", "m").may_have_run());
    }

    #[test]
    fn a_name_that_can_not_travel_is_refused() {
        let mut router = Router::default();
        assert_eq!(router.register(&Empty("a.b")).unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(router.register(&Empty("")).unwrap_err().code(), Code::InvalidArgument);
    }
}

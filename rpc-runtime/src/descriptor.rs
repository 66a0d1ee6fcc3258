//! What the macro says of a service, as constant data: names, arguments, types as written, docs.

/// A service: its name on the wire and its methods in the order of the trait.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// /// Greets people.
/// #[rpc_service]
/// trait Greeter {
///     /// Says hello.
///     async fn greet(&self, name: &str) -> String;
/// }
///
/// let service = GreeterClient::DESCRIPTOR;
/// let greet = service.methods[0];
/// assert_eq!((service.name, greet.full_name, greet.docs), ("Greeter", "Greeter.greet", "Says hello."));
/// assert_eq!((greet.arguments[0].type_name, greet.output), ("&str", "String"));
/// ```
#[derive(Debug)]
pub struct ServiceDescriptor {
    /// The name on the wire, before the dot of `Service.Method`.
    pub name: &'static str,
    /// The trait's documentation.
    pub docs: &'static str,
    /// The methods that are compiled in.
    pub methods: &'static [&'static MethodDescriptor],
}

/// A method of a service.
#[derive(Debug)]
pub struct MethodDescriptor {
    /// The service's name on the wire.
    pub service: &'static str,
    /// The method's name on the wire.
    pub name: &'static str,
    /// The method's name in the trait.
    pub rust_name: &'static str,
    /// `Service.Method`.
    pub full_name: &'static str,
    /// Which of its sides are streams.
    pub kind: MethodKind,
    /// The arguments in order, without `self` and without the one that is a stream: what the body of a request has.
    pub arguments: &'static [ArgumentDescriptor],
    /// The return type as written; empty when there is none.
    pub output: &'static str,
    /// The type, as written, of the items that the caller sends; `None` when it sends none.
    pub items_in: Option<&'static str>,
    /// The type, as written, of the items that the method returns, a `Result` if they may fail; `None` when it returns
    /// none.
    pub items_out: Option<&'static str>,
    /// The method's documentation.
    pub docs: &'static str,
    /// Where a server runs the handler.
    pub execution: Execution,
    /// Whether the method is marked `#[deprecated]`.
    pub deprecated: bool,
}

/// An argument of a method.
#[derive(Debug)]
pub struct ArgumentDescriptor {
    /// Its name in the trait.
    pub name: &'static str,
    /// Its type as written.
    pub type_name: &'static str,
}

/// Which sides of a method are streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodKind {
    /// One request, one response.
    Unary,
    /// One request, a stream of items.
    ServerStreaming,
    /// A stream of items, one response.
    ClientStreaming,
    /// Streams both ways.
    Bidirectional,
}

/// Where a server runs a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Execution {
    /// In tasks at first; in the connection's runner, which polls one handler after the other, once it has shown itself
    /// quick; and back.
    #[default]
    Auto,
    /// Always in the connection's runner: for handlers that never take long between two awaits.
    Inline,
    /// Always in a task of its own: for handlers that compute or block.
    Task,
}

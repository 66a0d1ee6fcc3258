//! What a service is, once its trait was read: our own types, which keep the user's tokens and so their spans.

use proc_macro2::Ident;
use syn::{Attribute, Expr, GenericParam, ItemTrait, Lifetime, LitStr, Path, TraitItem, TraitItemFn, Type};

/// A trait under `#[rpc_service]`.
pub(crate) struct Service {
    /// The trait without its items.
    pub(crate) source: ItemTrait,
    pub(crate) items: Vec<Item>,
    pub(crate) style: Style,
    /// The path of `rpc_runtime`.
    pub(crate) runtime: Path,
    pub(crate) wire_name: String,
    /// Whether `S: Trait` can be written; not so for a generic trait, which is an error.
    pub(crate) can_be_bound: bool,
}

impl Service {
    /// The methods without a mistake in their signature.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.items.iter().filter_map(|item| match item {
            Item::Method(entry) => entry.method.as_ref(),
            Item::Other(_) => None,
        })
    }
}

/// Who makes futures of the trait's `async fn`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// We do: `-> impl Future + Send`.
    Native,
    /// `#[async_trait]` does, after us.
    AsyncTrait,
}

/// An item of the trait, in the trait's order.
pub(crate) enum Item {
    Method(Box<Entry>),
    Other(Box<TraitItem>),
}

/// A function of the trait, to be written out again, and what was understood of it.
pub(crate) struct Entry {
    /// Without our own attributes.
    pub(crate) source: TraitItemFn,
    /// `None` when a mistake was reported in it.
    pub(crate) method: Option<Method>,
}

/// A method that can be called.
pub(crate) struct Method {
    /// Its name in the trait.
    pub(crate) name: Ident,
    /// Its name in the client.
    pub(crate) client_name: Ident,
    /// Its name on the wire, at the token that it comes from.
    pub(crate) wire_name: LitStr,
    /// The values of its `#[doc]` attributes.
    pub(crate) docs: Vec<Expr>,
    /// The attributes that the client's method has too: docs, cfg, deprecated.
    pub(crate) carried: Vec<Attribute>,
    /// The `#[cfg]`s among them.
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) deprecated: bool,
    /// The lifetimes it declares.
    pub(crate) lifetimes: Vec<GenericParam>,
    /// The `'a` of `&'a self`.
    pub(crate) receiver: Option<Lifetime>,
    /// What stands after `&self`, in order; at most one is a stream.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
    pub(crate) execution: Execution,
}

impl Method {
    pub(crate) fn kind(&self) -> MethodKind {
        match (self.streaming(), &self.output) {
            (None, Output::Unit | Output::Value(_)) => MethodKind::Unary,
            (None, Output::Stream(_)) => MethodKind::ServerStreaming,
            (Some(_), Output::Unit | Output::Value(_)) => MethodKind::ClientStreaming,
            (Some(_), Output::Stream(_)) => MethodKind::Bidirectional,
        }
    }

    /// The arguments that travel as the body of the request.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Streaming(_) => None,
        })
    }

    /// The argument that is a stream.
    pub(crate) fn streaming(&self) -> Option<&Streaming> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Argument(_) => None,
            Parameter::Streaming(streaming) => Some(&**streaming),
        })
    }
}

/// Which sides of a method are streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodKind {
    Unary,
    ServerStreaming,
    ClientStreaming,
    Bidirectional,
}

/// Where a server runs a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Execution {
    #[default]
    Auto,
    Inline,
    Task,
}

/// What a method takes after `&self`.
pub(crate) enum Parameter {
    Argument(Box<Argument>),
    Streaming(Box<Streaming>),
}

/// An argument that is a stream: `Streaming<T>`.
pub(crate) struct Streaming {
    pub(crate) name: Ident,
    pub(crate) item: Type,
    /// Whether an item's bytes travel in one piece.
    pub(crate) bulk: bool,
}

/// An argument that travels as one value.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    /// Its type as written.
    pub(crate) written: Type,
    /// What a server decodes for it.
    pub(crate) owned: Type,
    pub(crate) lend: Lend,
    /// Whether its bytes travel in one piece instead of element by element.
    pub(crate) bulk: bool,
}

/// How the handler gets a decoded argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lend {
    /// It is moved: `x`.
    Move,
    /// `&x`
    Borrow,
    /// `x.as_ref()`, for `Option<&T>`
    AsRef,
    /// `x.as_deref()`, for `Option<&str>` and its like
    AsDeref,
}

/// What a method returns.
pub(crate) enum Output {
    /// Nothing is written.
    Unit,
    Value(Box<Value>),
    Stream(Box<Stream>),
}

/// A type that a method returns, or that an item of its stream has.
pub(crate) struct Value {
    pub(crate) ty: Type,
    pub(crate) shape: Shape,
}

/// How a value is encoded, and whether it may be an error.
pub(crate) enum Shape {
    /// A plain value.
    Plain,
    /// Bytes that travel in one piece.
    Bulk,
    /// A type named `Result`; the runtime's `Outcome` says what is in it.
    Outcome,
    /// The same, with bytes that travel in one piece as its value.
    BulkOutcome(Box<BulkOutcome>),
    /// A type whose name has `Result` in it: the compiler knows whether it is one.
    Unclear,
}

/// A `Result` of bytes.
pub(crate) struct BulkOutcome {
    /// The type of the bytes.
    pub(crate) bytes: Type,
    /// The `Result` with `()` in their place.
    pub(crate) empty: Type,
}

/// A stream that a method returns.
pub(crate) struct Stream {
    /// The return type.
    pub(crate) written: Type,
    pub(crate) item: Value,
    pub(crate) opening: Opening,
}

/// How a stream begins.
pub(crate) enum Opening {
    /// With the call: `fn` returns it.
    AtOnce,
    /// Once an `async fn` has returned it.
    Awaited,
    /// The same, in a `Result`. This is its type, with `()` in place of the stream.
    Fallible(Box<Type>),
}

//! What a service is, once its trait was read: our own types, which keep the user's tokens and so their spans.

use proc_macro2::Ident;
use syn::{
    Attribute, Expr, GenericParam, ItemTrait, Lifetime, LitStr, Path, TraitItem, TraitItemFn, Type, WherePredicate,
};

use crate::scope::Scope;

/// A trait under `#[rpc_service]`.
pub(crate) struct Service {
    /// The trait without its items.
    pub(crate) source: ItemTrait,
    pub(crate) items: Vec<Item>,
    pub(crate) style: Style,
    /// The path of `rpc_runtime`.
    pub(crate) runtime: Path,
    pub(crate) wire_name: String,
    /// Its type parameters and associated types.
    pub(crate) scope: Scope,
    /// Whether `S: Trait` can be written; not so for a trait with lifetimes, which is an error.
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
    /// Its where clause.
    pub(crate) predicates: Vec<WherePredicate>,
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

    /// What it returns, an item of it, and what says whether its stream begins.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        let (value, opening) = match &self.output {
            Output::Unit => (None, None),
            Output::Value(value) => (Some(&**value), None),
            Output::Stream(stream) => (Some(&stream.item), stream.opening.value()),
        };
        opening.into_iter().chain(value)
    }

    /// Whether an argument borrows from the body that it is decoded from.
    pub(crate) fn borrows(&self) -> bool {
        self.arguments().any(|argument| argument.borrows)
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
    /// Whether it borrows from the body that it is decoded from.
    pub(crate) borrows: bool,
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
    /// `Cow::Owned(x)`, for `Cow<'_, [u8]>`
    Cow,
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
    /// `Result<T, E>`
    Outcome(Box<Outcome>),
    /// A type whose name has `Result` in it, under which the compiler finds what it is.
    Alias {
        /// Whether its name is just that, so that it has to be one.
        certain: bool,
        /// Whether its value is bytes that travel in one piece.
        bulk: bool,
    },
}

/// The parts of `Result<T, E>`.
pub(crate) struct Outcome {
    pub(crate) ok: Type,
    pub(crate) error: Type,
    /// Whether the value is bytes that travel in one piece.
    pub(crate) bulk: bool,
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
    /// The same, in a `Result`. This is what it is with `()` in place of the stream.
    Fallible(Box<Value>),
}

impl Opening {
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::AtOnce | Self::Awaited => None,
            Self::Fallible(value) => Some(value),
        }
    }
}

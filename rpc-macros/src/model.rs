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
    pub(crate) kind: MethodKind,
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
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Output,
    pub(crate) execution: Execution,
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

/// An argument after `&self`.
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
    /// A plain value.
    Value(Type),
    /// Bytes that travel in one piece.
    Bulk(Type),
    /// A type named `Result`; the runtime's `Outcome` says what is in it.
    Outcome(Type),
    /// The same, with bytes that travel in one piece as its value.
    BulkOutcome(Type),
    /// A type whose name has `Result` in it: the compiler knows whether it is one.
    Unclear(Type),
}

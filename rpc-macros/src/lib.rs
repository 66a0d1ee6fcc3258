//! The `#[rpc_service]` attribute: a plain trait in, the trait with a typed client and server out.
//!
//! Three steps: `parse` reads the syntax into the `model` and collects every mistake with its span,
//! `expand` writes the model out. Nothing here knows how a call works: that is in `rpc-runtime`.

mod errors;
mod expand;
mod model;
mod options;
mod parse;
mod rename;
mod text;

use proc_macro::TokenStream;

/// Makes a service of a trait: a typed client and a server for it.
///
/// For `trait Arith` it generates `ArithClient`, whose methods start calls, and `ArithServer`, which offers an
/// implementation of the trait to callers. The trait itself gains the supertraits `Send + Sync + 'static`, and each
/// `async fn` becomes a `fn` that returns `impl Future + Send`; implement it with plain `async fn`s.
///
/// ```ignore
/// #[rpc_service]
/// pub trait Arith {
///     /// Adds the two numbers.
///     async fn sum(&self, a: i64, b: i64) -> Result<i64, Overflow>;
///     async fn scale(&self, by: f64, values: &[f64]) -> Vec<f64>;
/// }
/// ```
///
/// # Methods
///
/// A method is an `async fn` with `&self` and at most 16 arguments, owned or borrowed. Borrowed ones (`&str`, `&[T]`,
/// `&T`, `Option<&T>`) are encoded where the client's method is called, decoded as owned values on the server and lent
/// to the handler. A method that returns a `Result` reports its error as `CallError<E>` (as `Status` where the error is
/// one); every other method fails with `Status` only. An alias of `Result` works when it has `Result` in its name, such
/// as `ArithResult<i64>`; any other is refused. A `Vec<u8>`, `&[u8]` or `Bytes` travels in bulk; these, `Option` and
/// `#[async_trait]` are recognised by the last segment of their path.
///
/// # Options of the trait
///
/// - `name = "..."`: the service's name on the wire, by default the trait's
/// - `rename_all = "..."`: the case of the methods' names on the wire: `lowercase`, `UPPERCASE`, `PascalCase`,
///   `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case` or `SCREAMING-KEBAB-CASE`
/// - `crate = "..."`: the path of `rpc_runtime`, where it is re-exported
///
/// # Options of a method, in `#[rpc(..)]`
///
/// - `name = "..."`: its name on the wire
/// - `client = "..."`: the name of the client's method
/// - `inline`: always run in the connection's runner, one handler after the other
/// - `task`: always run in a task of its own
///
/// `#[async_trait]` written below `#[rpc_service]` is honoured, so that the trait can be used as `dyn`.
#[proc_macro_attribute]
pub fn rpc_service(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options.into(), item.into()).into()
}

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
mod scope;
mod text;

use proc_macro::TokenStream;

/// Makes a service of a trait: a typed client and a server for it.
///
/// For `trait Arith` it generates `ArithClient`, whose methods start calls, and `ArithServer`, which offers an
/// implementation of the trait to callers. The trait itself gains the supertraits `Send + Sync + 'static`, and each
/// `async fn` becomes a `fn` that returns `impl Future + Send`; implement it with plain `async fn`s.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # pub struct Overflow;
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
/// A method is an `async fn` (or returns a stream, see below) with `&self` and at most 16 arguments, owned or borrowed.
/// Borrowed ones (`&str`, `&[T]`, `&T`, `Option<&T>`) are encoded where the client's method is called, decoded as owned
/// values on the server and lent to the handler. A type with a lifetime, such as `Line<'_>`, borrows from the message that
/// the handler holds; what does not lie in it as it is, such as a JSON string with an escape, is refused unless the type
/// has a `Cow` there. A method that returns a `Result` reports its error as `CallError<E>`,
/// or as `Status` where the error is one; every other method fails with `Status` only. An alias of `Result` works when
/// it has `Result` in its name, such as `ArithResult<i64>`; any other is refused. A `Vec<u8>`, `&[u8]` or `Bytes`
/// travels in bulk; these, `Option` and `#[async_trait]` are recognised by the last segment of their path.
///
/// # Streams
///
/// A method that returns `impl Stream<Item = T>` gives its client a `Streaming<T>`, a stream of results; it may borrow
/// from `&self` and from its arguments. Items may be `Result<T, E>`: the first `Err` ends the stream, and is the last
/// item that the client gets. Such a method is either a plain `fn`, and the client's call gives the stream as soon as
/// the request is on its way; or an `async fn`, also one that returns `Result<impl Stream<Item = T>, E>`, and the call
/// waits for what it returns: an error there is the call's.
///
/// An argument `Streaming<T>` is a stream that the client sends: its method takes any stream of `T` that is `Send` and
/// `'static` in its place. A method has one such argument at most, beside up to 16 plain ones. It may answer before the
/// stream has ended, which stops whoever sends; and it may return a stream of its own, which goes the other way at the
/// same time.
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use rpc_runtime::prelude::*;
///
/// #[rpc_service]
/// pub trait Numbers {
///     fn below(&self, limit: u64) -> impl Stream<Item = u64>;
///     async fn names(&self, list: &str) -> Result<impl Stream<Item = String>, Status>;
///     async fn total(&self, factor: u64, values: Streaming<u64>) -> u64;
///     fn doubled(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>>;
/// }
///
/// struct Here {
///     names: Vec<String>,
/// }
///
/// impl Numbers for Here {
///     fn below(&self, limit: u64) -> impl Stream<Item = u64> {
///         stream::iter(0..limit)
///     }
///
///     async fn names(&self, list: &str) -> Result<impl Stream<Item = String>, Status> {
///         if list != "guests" {
///             return Err(Status::not_found(format!("there is no list {list}")));
///         }
///         Ok(stream::iter(&self.names).map(Clone::clone))
///     }
///
///     async fn total(&self, factor: u64, mut values: Streaming<u64>) -> u64 {
///         let mut total = 0;
///         while let Some(Ok(value)) = values.next().await {
///             total += value * factor;
///         }
///         total
///     }
///
///     fn doubled(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>> {
///         values.map(|value| Ok(value? * 2))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// let numbers = NumbersClient::from_service(Here { names: vec!["ada".to_owned()] });
///
/// let mut below = numbers.below(2).await?;
/// while let Some(number) = below.next().await {
///     println!("{}", number?);
/// }
/// let names: Vec<_> = numbers.names("guests").await?.collect().await;
/// assert_eq!(names[0].as_deref().ok(), Some("ada"));
/// assert!(numbers.names("hosts").await.is_err());
///
/// assert_eq!(numbers.total(10, stream::iter([1, 2])).await?, 30);
/// let mut doubled = numbers.doubled(stream::iter([1, 2])).await?;
/// assert_eq!(doubled.next().await.transpose()?, Some(2));
/// # Ok(())
/// # }
/// ```
///
/// Streams have a task of their own, and no `#[rpc(inline)]`. `Vec<u8>` and `Bytes` travel in bulk as items too.
/// `Streaming`, `Stream` and `BoxStream` are recognised by the last segment of their path. A stream in a box works as
/// well, and is what `#[async_trait]` asks for: `BoxStream<'_, T>` or `Pin<Box<dyn Stream<Item = T> + Send + '_>>`.
///
/// # Parameters and associated types
///
/// A trait may have type parameters, constants and `where` clauses, and its methods may have `where` clauses too. The
/// client and the server have the same parameters (the server behind its own, which is the implementation), and the client
/// has one more for each associated type, for it has no `Self`: in the trait's order, those with a default last. Bounds
/// stand where types travel: a client's method asks what it sends to be `Serialize` and what it receives to be
/// `DeserializeOwned`; a server that registers the service asks the opposite, and `Send`, and `Sync` of what is lent. A
/// default method asks the arguments that it holds to be `Send`. Two instances with other types are told apart by the name
/// that `named` gives them.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// #[rpc_service]
/// pub trait Store<K, V> {
///     type Version;
///     async fn get(&self, key: &K) -> Option<V>;
///     async fn put(&self, key: K, value: V) -> Self::Version;
/// }
///
/// # async fn calls(channel: Channel) -> Result<(), Status> {
/// let users = StoreClient::<String, u32, u64>::named(channel, "users");
/// let version: u64 = users.put("ada".to_owned(), 36).await?;
/// # drop(version);
/// # Ok(())
/// # }
/// ```
///
/// Generic methods, lifetimes of the trait and associated types with parameters are refused: both ends have to know a
/// method's types. Supertraits, constants and associated types are left as they are, and the methods of a supertrait are no
/// part of the service.
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
/// - `inline`: always run in the connection's runner, one handler after the other; not for streams
/// - `task`: always run in a task of its own
///
/// ```
/// use rpc_runtime::prelude::*;
///
/// #[rpc_service(name = "Shop", rename_all = "camelCase")]
/// pub trait Store {
///     async fn get_all(&self) -> Vec<String>;
///     /// The client has a constructor of this name, so its method is to have another.
///     #[rpc(client = "create")]
///     async fn new(&self, key: String);
///     /// It never waits, so it needs no task.
///     #[rpc(name = "length", inline)]
///     async fn len(&self) -> usize;
/// }
///
/// let names: Vec<_> = StoreClient::DESCRIPTOR.methods.iter().map(|method| method.full_name).collect();
/// assert_eq!(names, ["Shop.getAll", "Shop.new", "Shop.length"]);
/// ```
///
/// # Default methods, and `dyn`
///
/// A method with a body is called like any other, and an implementation may leave it.
///
/// `#[async_trait]` written below `#[rpc_service]` is honoured, so that the trait can be used as `dyn`:
///
/// ```
/// use std::sync::Arc;
///
/// use rpc_runtime::prelude::*;
///
/// #[rpc_service]
/// #[async_trait::async_trait]
/// pub trait Store {
///     async fn get(&self, key: &str) -> Option<String>;
///     async fn has(&self, key: &str) -> bool {
///         self.get(key).await.is_some()
///     }
/// }
///
/// struct Empty;
///
/// #[async_trait::async_trait]
/// impl Store for Empty {
///     async fn get(&self, _: &str) -> Option<String> {
///         None
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// let chosen: Arc<dyn Store> = Arc::new(Empty);
/// let store = StoreClient::new(Channel::in_process(StoreServer::from_arc(chosen)));
/// assert!(!store.has("a").await?);
/// # Ok(())
/// # }
/// ```
#[proc_macro_attribute]
pub fn rpc_service(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(options.into(), item.into()).into()
}

//! A bearer token (RFC 6750) in the metadata `authorization`: sent by a channel, asked for by a server.

use tower_layer::Layer;

use super::from_fn;
use crate::{
    call::{CallService, LayeredService, Request},
    status::{Code, Status},
};

const AUTHORIZATION: &str = "authorization";

/// For a channel: sends this token with each call that has none of its own.
///
/// ```
/// # use rpc_runtime::{Channel, middleware};
/// let channel = Channel::builder().layer(middleware::bearer("7f3a"));
/// # drop(channel);
/// ```
pub fn bearer(token: &str) -> impl Layer<CallService, Service: LayeredService> + Clone + Send + Sync + use<> {
    let value = format!("Bearer {token}");
    from_fn(move |mut call, next| {
        if call.metadata().get(AUTHORIZATION).is_none() {
            call.metadata_mut().insert(AUTHORIZATION, value.as_str());
        }
        async move { next.run(call).await }
    })
}

/// For a server: a call reaches its handler only if `check` takes its token. What `check` makes of the token, such as
/// the caller's name, the handler gets from [`Context::get`](crate::Context::get). The handler does not see the token.
///
/// A call without a token ends with `UNAUTHENTICATED`, one whose token is refused with the status of `check`; neither
/// was executed. A check against one secret must not show by its time how much of a token is right: compare digests,
/// or use a comparison that takes equally long.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// use rpc_runtime::middleware::{bearer, require_bearer};
///
/// let check = |token: &str| match token {
///     "7f3a" => Ok("Ada"), // a handler gets it by `Context::current().get::<&str>()`
///     _ => Err(Status::new(Code::PermissionDenied, "this token is nobody's")),
/// };
/// let server = Server::builder().service(GreeterServer::new(English)).layer(require_bearer(check));
/// let channel = Channel::builder().layer(bearer("7f3a"));
/// let (channel, _server) = rpc_runtime::testing::link(server, channel).await?;
/// assert_eq!(GreeterClient::new(channel).greet("world").await?, "hello, world");
/// # Ok(())
/// # }
/// ```
pub fn require_bearer<C, I>(
    check: C,
) -> impl Layer<CallService, Service: LayeredService> + Clone + Send + Sync + use<C, I>
where
    C: Fn(&str) -> Result<I, Status> + Send + Sync + 'static,
    I: Send + Sync + 'static,
{
    from_fn(move |mut call, next| {
        let identity = token(&call).and_then(&check);
        async move {
            call.insert(identity?);
            call.metadata_mut().remove(AUTHORIZATION);
            next.run(call).await
        }
    })
}

/// The token of a call. The scheme's name is compared without regard to case.
fn token(call: &Request) -> Result<&str, Status> {
    let missing = |text| Status::new(Code::Unauthenticated, text);
    let value = call.metadata().get(AUTHORIZATION).ok_or_else(|| missing("a bearer token is needed"))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(missing("the authorization is not a bearer token")),
    }
}

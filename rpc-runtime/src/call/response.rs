//! The answer to a call as layers see it. A failure of the framework or the peer is no response but a `Status`.

use super::{
    Answer, Body, Ending, Items, SharedItems,
    ended::{OnEnd, Watched},
    mapped::Mapped,
};
use crate::{
    metadata::Metadata,
    status::{Code, Status},
};

/// What a handler answered: its value, or the service's own error. Of a method that returns a stream: that it has
/// accepted the call, and the items that follow.
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
/// use rpc_runtime::middleware::from_fn;
///
/// // Says with each answer how long it is.
/// let measured = from_fn(|call, next| async move {
///     let mut response = next.run(call).await?;
///     let length = response.body().bytes().len();
///     response.metadata_mut().insert("length", length.to_string());
///     Ok(response)
/// });
/// let channel = Channel::builder().codec(CodecKind::Json).layer(measured);
/// let greeter = GreeterClient::new(channel.in_process(GreeterServer::new(English)));
/// let (_, metadata) = greeter.greet("world").with_response_metadata().await;
/// assert_eq!(metadata.get("length"), Some("14"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Response {
    is_service_error: bool,
    metadata: Metadata,
    body: Body,
    items: SharedItems,
}

impl Response {
    pub(crate) fn value(body: Body) -> Self {
        Self { is_service_error: false, metadata: Metadata::new(), body, items: SharedItems::default() }
    }

    pub(crate) fn service_error(body: Body) -> Self {
        Self { is_service_error: true, ..Self::value(body) }
    }

    /// The method has accepted the call, and its items follow.
    pub(crate) fn opened(items: Items) -> Self {
        Self { items: SharedItems::new(Some(items)), ..Self::value(Body::default()) }
    }

    pub(crate) fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Whether the method returned `Err` with an error of the service's own type.
    pub fn is_service_error(&self) -> bool {
        self.is_service_error
    }

    /// What travels beside the answer.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The same, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The encoded value, or the encoded error.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Puts another body in place of this one. The other side must undo what changes its bytes.
    pub fn map_body(&mut self, change: impl FnOnce(Body) -> Body) {
        self.body = change(std::mem::take(&mut self.body));
    }

    /// Whether items follow: the method returns a stream and has accepted the call. A clone can not be a second answer:
    /// the items are there once.
    pub fn has_items(&self) -> bool {
        self.items.are_there()
    }

    /// Puts another body in place of each item as it passes, and of the service's own error if the items end with one.
    /// The other side must undo what changes the bytes. At the server an item that is then longer than `max_message`
    /// ends the stream with `RESOURCE_EXHAUSTED`. A panic of `change` ends it with `INTERNAL`. Without items this does
    /// nothing.
    pub fn map_items(&mut self, change: impl FnMut(Body) -> Body + Send + 'static) {
        self.items.wrap(|items| Mapped::items(items, change));
    }

    /// Tells, once, how the items that follow have ended, when whoever consumes them gets to know it: the caller, or at
    /// a server the connection. It is told as the outcome of a call without items would be seen: `Ok` when they are
    /// complete, `Ok` of a [service error](Self::is_service_error) with its encoded bytes and the metadata of the end,
    /// or a status; `CANCELLED` when they are dropped before their end, also because the call's time is over. Without
    /// items it is told this response, at once.
    ///
    /// ```
    /// # use rpc_runtime::{Status, middleware::{Response, from_fn}};
    /// fn log(outcome: &Result<Response, Status>) {
    ///     match outcome {
    ///         Ok(response) if response.is_service_error() => println!("an error of the service"),
    ///         Ok(_) => println!("complete"),
    ///         Err(status) => println!("{}", status.code()),
    ///     }
    /// }
    ///
    /// let logging = from_fn(|call, next| async move {
    ///     let mut outcome = next.run(call).await;
    ///     match &mut outcome {
    ///         Ok(response) => response.on_end(log),
    ///         Err(_) => log(&outcome),
    ///     }
    ///     outcome
    /// });
    /// # drop(rpc_runtime::Channel::builder().layer(logging));
    /// ```
    pub fn on_end(&mut self, tell: impl FnOnce(&Result<Self, Status>) + Send + 'static) {
        if self.has_items() {
            let on_end = OnEnd::new(tell);
            self.items.wrap(|items| Watched::items(items, on_end));
            return;
        }
        let outcome = Ok(std::mem::replace(self, Self::value(Body::default())));
        tell(&outcome);
        if let Ok(response) = outcome {
            *self = response;
        }
    }

    /// Puts something around the items when they are taken.
    pub(crate) fn wrap_items(&mut self, around: impl FnOnce(Items) -> Items + Send + 'static) {
        self.items.wrap(around);
    }

    /// Whether it is the service's error, the metadata, the body, and the items; or why these are not there any more.
    pub(crate) fn into_parts(self) -> Result<(bool, Metadata, Body, Option<Items>), Status> {
        let items = self.items.take();
        if items.is_none() && self.has_items() {
            let text = "a layer answered with a clone of a response whose items somebody else has taken";
            return Err(Status::of_call(Code::FailedPrecondition, text));
        }
        Ok((self.is_service_error, self.metadata, self.body, items))
    }
}

/// A call's end, as layers see it and as the pending table does.
impl From<Result<Response, Status>> for Answer {
    fn from(outcome: Result<Response, Status>) -> Self {
        match outcome.and_then(Response::into_parts) {
            Ok((is_service_error, metadata, body, items)) => {
                let ending = match items {
                    Some(items) => Ending::Opened(items),
                    None if is_service_error => Ending::ServiceError,
                    None => Ending::Ok,
                };
                Self { ending, metadata, body: body.into_bytes() }
            }
            Err(status) => {
                let metadata = status.metadata().clone();
                Self { ending: Ending::Status(status), metadata, body: Vec::new() }
            }
        }
    }
}

impl From<Answer> for Result<Response, Status> {
    fn from(Answer { ending, metadata, body }: Answer) -> Self {
        match ending {
            Ending::Ok => Ok(Response::value(body.into()).with_metadata(metadata)),
            Ending::Opened(items) => Ok(Response::opened(items).with_metadata(metadata)),
            Ending::ServiceError => Ok(Response::service_error(body.into()).with_metadata(metadata)),
            Ending::Status(status) => Err(status),
        }
    }
}

//! The answer to a call as layers see it. A failure of the framework or the peer is no response but a `Status`.

use super::{Answer, Body, Ending, Items, SharedItems};
use crate::{metadata::Metadata, status::Status};

/// What a handler answered: its value, or the service's own error.
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

    pub(crate) fn into_parts(self) -> (bool, Metadata, Body, Option<Items>) {
        (self.is_service_error, self.metadata, self.body, self.items.take())
    }
}

/// A call's end, as layers see it and as the pending table does.
impl From<Result<Response, Status>> for Answer {
    fn from(outcome: Result<Response, Status>) -> Self {
        match outcome {
            Ok(Response { is_service_error, metadata, body, items }) => {
                let ending = match items.take() {
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

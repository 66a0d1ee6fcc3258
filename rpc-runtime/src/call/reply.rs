//! What a handler, or whoever else produces values, ends with.

use super::{Answer, Ending};
use crate::{metadata::Metadata, status::Status};

/// The encoded end of a call, or of the items of one direction.
#[derive(Debug)]
pub enum Reply {
    /// The handler's value.
    Value(Vec<u8>),
    /// The items are complete.
    Finished,
    /// The service's own error.
    ServiceError(Vec<u8>),
    /// A failure that the framework, or the handler in its stead, reports.
    Status(Status),
    /// The same of a producer whose value can not be sent.
    Unsendable(Status),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let (ending, body) = match reply {
            Reply::Value(body) => (Ending::Ok, body),
            Reply::Finished => (Ending::Ok, Vec::new()),
            Reply::ServiceError(body) => (Ending::ServiceError, body),
            Reply::Status(status) | Reply::Unsendable(status) => (Ending::Status(status), Vec::new()),
        };
        Self { ending, metadata: Metadata::new(), body }
    }
}

/// How the items of another end of this call ended.
impl From<Answer> for Reply {
    fn from(Answer { ending, body, .. }: Answer) -> Self {
        match ending {
            Ending::Ok | Ending::Opened(_) => Self::Finished,
            Ending::ServiceError => Self::ServiceError(body),
            Ending::Status(status) => Self::Status(status),
        }
    }
}

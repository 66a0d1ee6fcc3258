//! The typed outcome of a call.

use super::engine::Ended;
use crate::{
    buffer,
    call::{DecodeFailure, Ending, Items, undecodable},
    codec::{CodecKind, Decode},
    metadata::Metadata,
    status::Status,
    stream::{Place, Streaming},
};

/// How a call makes its output of what came.
pub(super) enum Receive<T> {
    /// The output is a value.
    Value(Decode<T>),
    /// The output is a stream of items; `None` once it was made.
    Items(Option<Box<Open<T>>>),
}

/// Makes a stream of items.
type Open<T> = dyn FnOnce(Items, CodecKind, Place) -> T + Send;

impl<T: 'static, F: 'static> Receive<Streaming<T, F>> {
    pub(super) fn stream((decode, failure): (Decode<T>, DecodeFailure<F>)) -> Self {
        Self::Items(Some(Box::new(move |items, codec, place| Streaming::encoded(items, codec, place, decode, failure))))
    }
}

impl<T> Receive<T> {
    fn value(&self, codec: CodecKind, body: &[u8]) -> Result<T, Status> {
        match self {
            Self::Value(decode) => decode(codec, body).map_err(|error| undecodable("the reply", codec, &error)),
            Self::Items(_) => Err(Status::internal("the service answered with one value in place of a stream")),
        }
    }

    fn items(&mut self, ended: &Ended, items: Items) -> Result<T, Status> {
        match self {
            Self::Items(open) => {
                let open = open.take().ok_or_else(|| Status::internal("the call was polled after it had ended"))?;
                Ok(open(items, ended.codec(), ended.place()))
            }
            Self::Value(_) => Err(Status::internal("the service answered with a stream, which this method has not")),
        }
    }
}

/// The typed outcome of a call, and the metadata that came with it.
pub(super) fn finish<T, E: From<Status>>(
    mut ended: Ended,
    receive: &mut Receive<T>,
    failure: DecodeFailure<E>,
) -> (Result<T, E>, Metadata) {
    let metadata = std::mem::take(&mut ended.answer.metadata);
    let body = std::mem::take(&mut ended.answer.body);
    let ending = std::mem::replace(&mut ended.answer.ending, Ending::Ok);
    let named = |status| E::from(ended.name(status));
    let outcome = match ending {
        Ending::Ok => receive.value(ended.codec(), &body).map_err(named),
        Ending::Opened(items) => receive.items(&ended, items).map_err(named),
        Ending::ServiceError => Err(failure(ended.codec(), &body).unwrap_or_else(named)),
        Ending::Status(status) => Err(named(status)),
    };
    buffer::give(body);
    (outcome, metadata)
}

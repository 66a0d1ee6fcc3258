//! The typed outcome of a call.

use serde::de::DeserializeOwned;

use super::engine::Ended;
use crate::{
    buffer,
    call::{Ending, Failure, Items, undecodable},
    codec::Bulk,
    metadata::Metadata,
    status::Status,
    stream::Streaming,
};

/// What a call that has succeeded gives.
pub(super) enum Came<'a> {
    Value(&'a [u8]),
    Items(Items),
}

/// How a call makes its output of that.
pub(super) type Decode<T> = fn(&Ended, Came<'_>) -> Result<T, Status>;

/// A value.
pub(super) fn value<T: DeserializeOwned>(ended: &Ended, came: Came<'_>) -> Result<T, Status> {
    let codec = ended.codec();
    codec.decode(came.value()?).map_err(|error| undecodable("the reply", codec, &error))
}

/// Bytes in one piece.
pub(super) fn bulk_value<T>(ended: &Ended, came: Came<'_>) -> Result<T, Status>
where
    Bulk<T>: DeserializeOwned,
{
    value(ended, came).map(|Bulk(bytes)| bytes)
}

/// A stream of items.
pub(super) fn items<T: DeserializeOwned, E>(ended: &Ended, came: Came<'_>) -> Result<Streaming<T, E>, Status> {
    Ok(Streaming::of_values(came.items()?, ended.codec(), ended.place()))
}

/// A stream of which each item is bytes in one piece.
pub(super) fn bulk_items<T, E>(ended: &Ended, came: Came<'_>) -> Result<Streaming<T, E>, Status>
where
    Bulk<T>: DeserializeOwned,
{
    Ok(Streaming::of_bulk(came.items()?, ended.codec(), ended.place()))
}

impl<'a> Came<'a> {
    fn value(self) -> Result<&'a [u8], Status> {
        match self {
            Self::Value(body) => Ok(body),
            Self::Items(_) => Err(Status::internal("the service answered with a stream, which this method has not")),
        }
    }

    fn items(self) -> Result<Items, Status> {
        match self {
            Self::Items(items) => Ok(items),
            Self::Value(_) => Err(Status::internal("the service answered with one value in place of a stream")),
        }
    }
}

/// The typed outcome of a call, and the metadata that came with it.
pub(super) fn finish<T, E: Failure>(mut ended: Ended, decode: Decode<T>) -> (Result<T, E>, Metadata) {
    let metadata = std::mem::take(&mut ended.answer.metadata);
    let body = std::mem::take(&mut ended.answer.body);
    let ending = std::mem::replace(&mut ended.answer.ending, Ending::Ok);
    let named = |status| E::from(ended.name(status));
    let outcome = match ending {
        Ending::Ok => decode(&ended, Came::Value(&body)).map_err(named),
        Ending::Opened(items) => decode(&ended, Came::Items(items)).map_err(named),
        Ending::ServiceError => Err(E::of_service(ended.codec(), &body).unwrap_or_else(named)),
        Ending::Status(status) => Err(named(status)),
    };
    buffer::give(body);
    (outcome, metadata)
}

//! What generated code names, and the measurements of the codecs. Not for use by hand: it changes without notice.

pub use futures_core::Stream;
pub use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use crate::{
    call::{Outlet, Reply},
    client::Client,
    codec::{Bulk, CodecKind, NoArguments, Probe, Received, Sent, bulk_decoder, bulk_encoder},
    router::{
        Arguments, ErrorOf, HandlerFuture, Kind, Method, OtherKind, Outcome, Returned, Returns, put_outcome, put_value,
        reply_outcome, reply_value,
    },
    stream::{SendItem, Streaming},
};

/// Encodes as a call does: for measuring the codecs alone.
pub fn encode<T: Serialize>(codec: CodecKind, value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    codec.encode(value, out).map_err(|error| error.to_string())
}

/// Decodes as a call does, through the guard.
pub fn decode<'de, T: Deserialize<'de>>(codec: CodecKind, body: &'de [u8]) -> Result<T, String> {
    codec.decode(body).map_err(|error| error.to_string())
}

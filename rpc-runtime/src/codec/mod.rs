//! Values to bytes and back: one file per codec, one guard for all.
//!
//! A codec is chosen in the handshake and holds for the whole connection. Nothing here knows of frames or limits of
//! messages: a body arrives whole, and what decoding it may cost is bounded by the guard alone.

#[cfg(not(all(feature = "bincode", feature = "messagepack", feature = "postcard")))]
mod absent;
#[cfg(feature = "bincode")]
mod bincode;
mod bulk;
mod custom;
mod erased;
mod error;
mod finite;
mod format;
mod guard;
mod json;
mod kind;
#[cfg(feature = "messagepack")]
mod messagepack;
mod named;
#[cfg(feature = "postcard")]
mod postcard;
mod probe;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "bincode", feature = "postcard"))]
mod undescribed;

#[cfg(not(feature = "bincode"))]
pub(in crate::codec) use absent::Absent as Bincode;
#[cfg(not(feature = "messagepack"))]
pub(in crate::codec) use absent::Absent as MessagePack;
#[cfg(not(feature = "postcard"))]
pub(in crate::codec) use absent::Absent as Postcard;
#[cfg(feature = "bincode")]
pub(in crate::codec) use bincode::Bincode;
pub use bulk::{Bulk, NoArguments};
pub use custom::{Codec, CodecError, DecodeValue, EncodeValue};
pub(crate) use error::{DecodeError, EncodeError};
pub use kind::CodecKind;
#[cfg(feature = "messagepack")]
pub(in crate::codec) use messagepack::MessagePack;
#[cfg(feature = "postcard")]
pub(in crate::codec) use postcard::Postcard;
pub(crate) use probe::{Decode, DecodeBorrowed, Encode, Lender, Receivable, unreported};
pub use probe::{Probe, Received, Sent};

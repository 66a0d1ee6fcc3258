//! The bytes of each protocol, written by hand: what an honest peer would send, and what none would.

#[cfg(feature = "tarpc")]
pub mod bincode;
#[cfg(feature = "tonic")]
pub mod http2;
#[cfg(feature = "ours")]
pub mod ours;

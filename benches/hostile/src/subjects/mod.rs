//! The frameworks: each has the same small service, an honest client, and what hostile peers do to it.

#[cfg(feature = "ours")]
pub mod ours;
#[cfg(feature = "tarpc")]
pub mod tarpc;
#[cfg(feature = "tonic")]
pub mod tonic;

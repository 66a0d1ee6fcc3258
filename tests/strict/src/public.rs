//! A public trait with methods of every kind.

use futures_core::Stream;
use rpc::{Streaming, rpc_service};
use serde::{Deserialize, Serialize};

/// Why a method failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The result has no room in its type.
    Overflow,
}

/// Methods of every kind.
#[rpc_service(crate = "rpc")]
pub trait Numbers {
    /// Adds them up.
    async fn sum(&self, numbers: &[u8], last: u8) -> Result<u8, Failure>;
    /// All numbers below the limit.
    fn below(&self, limit: u64) -> impl Stream<Item = u64>;
    /// How many there are.
    async fn total(&self, values: Streaming<Vec<u8>>) -> u64;
    /// The same numbers.
    async fn both(&self, values: Streaming<u8>) -> Result<impl Stream<Item = Result<u8, Failure>>, Failure>;
    /// How long the text is.
    async fn length(&self, text: &str) -> usize {
        text.len()
    }
}

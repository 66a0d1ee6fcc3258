//! The service.

use rpc_runtime::rpc_service;

/// Greets.
#[rpc_service]
pub trait Hello {
    /// Says hello.
    async fn hello(&self, name: String) -> String;
}

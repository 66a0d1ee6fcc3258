//! The service.

use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// Greets.
#[rpc(server, client)]
pub trait Hello {
    /// Says hello.
    #[method(name = "hello")]
    async fn hello(&self, name: String) -> RpcResult<String>;
}

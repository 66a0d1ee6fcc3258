//! `#[async_trait]` has to come after us.

use async_trait::async_trait;
use rpc_runtime::rpc_service;

#[async_trait]
#[rpc_service]
trait Above {
    async fn get(&self, text: &str) -> u8;
    async fn set(&self, text: &str);
}

#[rpc_service]
#[async_trait(?Send)]
trait NotSend {
    async fn get(&self, text: &str) -> u8;
}

fn main() {
    let _ = AboveServer::new(1);
}

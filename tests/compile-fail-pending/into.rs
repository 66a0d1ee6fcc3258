//! What the prelude gives every type by value is found before a method of the client.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Convert {
    async fn into(&self) -> u8;
    async fn try_into(&self) -> u8;
    #[rpc(client = "as_number")]
    async fn try_from(&self) -> u8;
}

fn main() {}

//! A client does not know the implementation.

use rpc_runtime::rpc_service;

macro_rules! methods {
    () => {};
}

#[rpc_service]
trait Store {
    type Item;
    const LIMIT: usize;
    methods!();
    async fn get(&self) -> Self::Item;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = StoreClient::right;
}

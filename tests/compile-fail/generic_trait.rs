//! A service is one thing, and has methods only.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Store<K, V> {
    async fn get(&self, key: K) -> Option<V>;
}

#[rpc_service]
trait Sized<const N: usize> {}

#[rpc_service]
trait Borrowed<'a> {
    async fn get(&self, key: &'a str) -> u8;
}

fn main() {
    let _ = (StoreServer::new(1), SizedServer::new(1), BorrowedServer::new(1));
    let _ = StoreClient::new;
}

//! A service lives as long as its server, and both ends know its types.

use rpc_runtime::rpc_service;

trait Named {
    type Name;
}

#[rpc_service]
trait Borrowed<'a> {
    async fn get(&self, key: &'a str) -> u8;
}

#[rpc_service]
trait Store<K>: Named {
    type Item;
    async fn get(&self, key: K) -> Self::Item;
    async fn own(&self, other: Self) -> u8
    where
        Self: Sized;
    async fn inherited(&self) -> Self::Name;
    async fn qualified(&self) -> <Self as Named>::Name;
}

fn main() {
    let _ = (BorrowedServer::new(1), StoreServer::<_, u8>::new(1));
    let _ = StoreClient::<u8, u8>::get;
}

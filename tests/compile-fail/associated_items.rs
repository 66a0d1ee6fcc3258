//! Both ends know the types of a service.

use rpc_runtime::rpc_service;

macro_rules! methods {
    () => {};
}

#[rpc_service]
trait Store {
    type Item<'a>;
    #[cfg(unix)]
    type Path;
    const LIMIT: usize;
    methods!();
    async fn get(&self) -> Self::Item<'_>;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = StoreClient::<u8>::right;
}

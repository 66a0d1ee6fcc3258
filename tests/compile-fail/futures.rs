//! A future that a method makes itself is what `async fn` is for.

use std::{future::Future, pin::Pin};

use futures_util::future::BoxFuture;
use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    fn opaque(&self, a: i64) -> impl Future<Output = Result<i64, String>> + Send;
    fn boxed(&self) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send + '_>>;
    fn short(&self) -> BoxFuture<'_, ()>;
    async fn twice(&self) -> impl Future<Output = u8>;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = ArithClient::right;
}

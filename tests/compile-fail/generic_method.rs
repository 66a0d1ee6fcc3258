//! Both ends have to know a method's types.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn generic<T: Send>(&self, value: T) -> u8;
    async fn constant<const N: usize>(&self, values: &[u8; N]);
    async fn clause(&self, value: u8)
    where
        u8: Into<u64>;
    async fn lifetimes_are_fine<'a>(&'a self, text: &'a str) -> u8;
}

fn main() {
    let _ = ArithClient::lifetimes_are_fine;
}

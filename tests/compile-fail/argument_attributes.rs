//! An argument depends on nothing.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn conditional(&self, a: u8, #[cfg(test)] b: u8) -> u8;
    async fn with_options(&self, #[rpc(name = "b")] a: u8) -> u8;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = ArithClient::right;
}

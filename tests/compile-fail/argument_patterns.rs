//! An argument is a name: it has that name on the wire.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn tuple(&self, (a, b): (u8, u8)) -> u8;
    async fn ignored(&self, _: u8) -> u8;
    async fn with_a_body(&self, [a, b]: [u8; 2]) -> u8 {
        0
    }
    async fn right(&self, mut a: u8) -> u8 {
        a += 1;
        a
    }
}

fn main() {
    let _ = ArithClient::right;
}

//! A method is a plain function of Rust.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async unsafe fn careless(&self) -> u8;
    async extern "C" fn foreign(&self) -> u8;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = ArithClient::right;
}

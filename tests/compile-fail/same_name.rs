//! Two functions of one name are the compiler's to report, once.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn sum(&self) -> u8;
    async fn sum(&self, a: u8) -> u8;
}

fn main() {
    let _ = ArithClient::sum;
}

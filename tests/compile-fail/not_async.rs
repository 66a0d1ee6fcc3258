//! A method is `async`, also one with a body.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    fn sum(&self, a: i64, b: i64) -> i64;
    fn twice(&self, a: i64) -> i64 {
        self.sum(a, a)
    }
    unsafe fn two_mistakes(&self);
    async fn right(&self) -> u8;
}

struct Calculator;

impl Arith for Calculator {
    fn sum(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    unsafe fn two_mistakes(&self) {}
    async fn right(&self) -> u8 {
        1
    }
}

fn main() {
    let _ = (ArithClient::right, ArithServer::new(Calculator));
}

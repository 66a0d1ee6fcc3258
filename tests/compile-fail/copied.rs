//! An attribute above that copies those below it takes ours to what it makes.

use rpc_runtime::rpc_service;

#[mockall::automock]
#[rpc_service]
trait Arith {
    async fn sum(&self, a: i64) -> i64;
}

fn main() {}

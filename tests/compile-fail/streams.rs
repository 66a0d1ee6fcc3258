//! Streaming methods are announced and not there yet.

use rpc_runtime::rpc_service;

trait Stream {
    type Item;
}

struct Streaming<T>(T);

#[rpc_service]
trait Numbers {
    fn primes(&self, below: u64) -> impl Stream<Item = u64>;
    async fn fallible(&self) -> Result<impl Stream<Item = u64>, String>;
    async fn total(&self, values: Streaming<i64>) -> i64;
    fn both(&self, values: Streaming<i64>) -> impl Stream<Item = i64>;
    async fn right(&self) -> u8;
}

fn main() {
    let _ = NumbersClient::right;
}

//! What a client passes for a `Streaming<T>` is a stream of `T` that can be sent and borrows nothing.

use std::rc::Rc;

use futures_util::{StreamExt, stream};
use rpc_runtime::prelude::*;

#[rpc_service]
trait Sums {
    async fn total(&self, values: Streaming<i64>) -> i64;
}

async fn other_items(client: SumsClient) {
    let _ = client.total(stream::iter(["one", "two"])).await;
}

async fn not_sendable(client: SumsClient) {
    let shared = Rc::new(1);
    let _ = client.total(stream::iter([1]).map(move |value| value + *shared)).await;
}

async fn borrowed(client: SumsClient, values: &[i64]) {
    let _ = client.total(stream::iter(values).map(|value| *value)).await;
}

fn main() {}

//! Of a stream without items nothing says whether they are values or results.

use futures_util::stream;
use rpc_runtime::prelude::*;

#[rpc_service]
trait Sums {
    async fn total(&self, factor: i64, values: Streaming<i64>) -> i64;
}

async fn empty(client: SumsClient) {
    let _ = client.total(1, stream::empty()).await;
    let _ = client.total(1, stream::pending()).await;
    let _ = client.total(1, stream::empty::<i64>()).await;
}

fn main() {}

//! A trait that can be used as `dyn` returns its streams in boxes.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use rpc_runtime::prelude::*;

#[rpc_service]
#[async_trait]
trait Numbers {
    fn below(&self, limit: u64) -> impl Stream<Item = u64>;
    async fn open(&self) -> Result<impl Stream<Item = Vec<u8>> + Send, String>;
    fn right(&self) -> BoxStream<'_, u64>;
}

fn main() {
    let _ = NumbersClient::right;
}

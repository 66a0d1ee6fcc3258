//! The same messages under `#[async_trait]`.

use async_trait::async_trait;
use rpc_runtime::prelude::*;

pub struct Query;
pub struct Row;
pub struct Failure;

#[rpc_service]
#[async_trait]
pub trait Table {
    async fn find(&self, query: &Query) -> Result<Row, Failure>;
    async fn count(&self, name: &str) -> usize;
}

fn served(table: std::sync::Arc<dyn Table>) -> TableServer<dyn Table> {
    TableServer::from_arc(table)
}

async fn calls(client: TableClient) {
    let _ = client.find(&Query).await;
}

fn main() {
    let _ = (served, calls);
}

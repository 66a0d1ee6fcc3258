//! Three missing derives are three messages, also for who implements the trait, serves it and calls it.

use rpc_runtime::prelude::*;

pub struct Query;

#[derive(Debug)]
pub struct Row;

#[derive(Debug)]
pub struct Failure;

#[rpc_service]
pub trait Table {
    async fn find(&self, query: Query) -> Result<Row, Failure>;
    async fn count(&self, name: &str) -> usize;
}

struct Here;

impl Table for Here {
    async fn find(&self, _: Query) -> Result<Row, Failure> {
        Ok(Row)
    }
    async fn count(&self, name: &str) -> usize {
        name.len()
    }
}

async fn calls(client: TableClient) -> Result<(), CallError<Failure>> {
    let row: Row = client.find(Query).await?;
    let found = client.find(Query).timeout(std::time::Duration::MAX).await;
    if let Err(error) = found {
        println!("{row:?} {:?}", error.service());
    }
    let running = client.find(Query).start();
    client.count("rows").await?;
    running.await.map(drop)
}

fn main() {
    let server = Server::builder().service(TableServer::new(Here));
    let _ = (server, calls(TableClient::from_service(Here)));
}

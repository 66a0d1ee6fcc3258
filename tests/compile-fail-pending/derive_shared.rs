//! A type that several methods have is one mistake, and one message.

use rpc_runtime::prelude::*;

pub struct Row;

#[rpc_service]
pub trait Table {
    async fn insert(&self, row: Row);
    async fn insert_lent(&self, row: &Row);
    async fn get(&self, id: u64) -> Row;
    async fn replace(&self, id: u64, row: Row) -> Result<Row, String>;
}

struct Here;

impl Table for Here {
    async fn insert(&self, _: Row) {}
    async fn insert_lent(&self, _: &Row) {}
    async fn get(&self, _: u64) -> Row {
        Row
    }
    async fn replace(&self, _: u64, row: Row) -> Result<Row, String> {
        Ok(row)
    }
}

async fn calls(client: TableClient) -> Result<(), CallError<String>> {
    client.insert(client.get(1).await?).await?;
    client.insert_lent(&client.replace(1, Row).await?).await?;
    Ok(())
}

fn main() {
    let _ = (TableServer::new(Here), calls(TableClient::from_service(Here)));
}

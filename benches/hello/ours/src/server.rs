//! The server.

use std::error::Error;

use hello_ours::{Hello, HelloServer};
use rpc_runtime::Server;

struct World;

impl Hello for World {
    async fn hello(&self, name: String) -> String {
        format!("hello, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().service(HelloServer::new(World)).bind("tcp://127.0.0.1:7411").await?;
    server.serve().await?;
    Ok(())
}

//! The server, after the example `proc_macro` of jsonrpsee.

use std::error::Error;

use hello_jsonrpsee::HelloServer;
use jsonrpsee::{
    core::{RpcResult, async_trait},
    server::Server,
};

struct World;

#[async_trait]
impl HelloServer for World {
    async fn hello(&self, name: String) -> RpcResult<String> {
        Ok(format!("hello, {name}"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder().build("127.0.0.1:7414").await?;
    let handle = server.start(World.into_rpc());
    handle.stopped().await;
    Ok(())
}

//! The client, after the example `proc_macro` of jsonrpsee.

use std::error::Error;

use hello_jsonrpsee::HelloClient;
use jsonrpsee::ws_client::WsClientBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = WsClientBuilder::default().build("ws://127.0.0.1:7414").await?;
    let greeting = client.hello("world".to_owned()).await?;
    println!("{greeting}");
    Ok(())
}

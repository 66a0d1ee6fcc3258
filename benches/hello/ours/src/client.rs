//! The client.

use std::error::Error;

use hello_ours::HelloClient;
use rpc_runtime::Channel;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let channel = Channel::connect("tcp://127.0.0.1:7411").await?;
    let client = HelloClient::new(channel);
    let greeting = client.hello("world".to_owned()).await?;
    println!("{greeting}");
    Ok(())
}

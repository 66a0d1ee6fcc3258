//! The client, after the example of tarpc's README, over TCP.

use std::error::Error;

use hello_tarpc::HelloClient;
use tarpc::{client::Config, context, serde_transport::tcp, tokio_serde::formats::Bincode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let transport = tcp::connect("127.0.0.1:7412", Bincode::default).await?;
    let client = HelloClient::new(Config::default(), transport).spawn();
    let greeting = client.hello(context::current(), "world".to_owned()).await?;
    println!("{greeting}");
    Ok(())
}

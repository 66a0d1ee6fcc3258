//! The client, after the example of remoc's documentation.

use std::error::Error;

use hello_remoc::{Hello, HelloClient};
use remoc::{Cfg, Connect, ConnectExt};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let socket = TcpStream::connect("127.0.0.1:7415").await?;
    let (input, output) = socket.into_split();
    let client: HelloClient = Connect::io(Cfg::default(), input, output).consume().await?;
    let greeting = client.hello("world".to_owned()).await?;
    println!("{greeting}");
    Ok(())
}

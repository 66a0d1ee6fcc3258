//! The client, after tonic's tutorial.

use std::error::Error;

use hello_tonic::{HelloRequest, hello_client::HelloClient};
use tonic::Request;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut client = HelloClient::connect("http://127.0.0.1:7413").await?;
    let request = Request::new(HelloRequest { name: "world".to_owned() });
    let response = client.hello(request).await?;
    println!("{}", response.into_inner().message);
    Ok(())
}

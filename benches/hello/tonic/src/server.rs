//! The server, after tonic's tutorial.

use std::error::Error;

use hello_tonic::{
    HelloReply, HelloRequest,
    hello_server::{Hello, HelloServer},
};
use tonic::{Request, Response, Status, transport::Server};

struct World;

#[tonic::async_trait]
impl Hello for World {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let HelloRequest { name } = request.into_inner();
        Ok(Response::new(HelloReply { message: format!("hello, {name}") }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = "127.0.0.1:7413".parse()?;
    Server::builder().add_service(HelloServer::new(World)).serve(address).await?;
    Ok(())
}

//! The server, after the example of tarpc's README, over TCP and for many connections.

use std::error::Error;

use futures::StreamExt;
use hello_tarpc::Hello;
use tarpc::{
    context::Context,
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};

#[derive(Clone)]
struct World;

impl Hello for World {
    async fn hello(self, _: Context, name: String) -> String {
        format!("hello, {name}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut listener = tcp::listen("127.0.0.1:7412", Bincode::default).await?;
    while let Some(transport) = listener.next().await {
        let channel = BaseChannel::with_defaults(transport?);
        tokio::spawn(channel.execute(World.serve()).for_each(async |response| {
            tokio::spawn(response);
        }));
    }
    Ok(())
}

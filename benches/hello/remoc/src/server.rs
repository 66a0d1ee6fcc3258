//! The server, after the example of remoc's documentation, for many connections.

use std::{error::Error, sync::Arc};

use hello_remoc::{Hello, HelloServerShared};
use remoc::{
    Cfg, Connect, ConnectExt, codec,
    rtc::{CallError, ServerShared},
};
use tokio::net::TcpListener;

struct World;

impl Hello for World {
    async fn hello(&self, name: String) -> Result<String, CallError> {
        Ok(format!("hello, {name}"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:7415").await?;
    let world = Arc::new(World);
    loop {
        let (socket, _) = listener.accept().await?;
        let (input, output) = socket.into_split();
        let (server, client) = HelloServerShared::<_, codec::Default>::new(world.clone());
        tokio::spawn(Connect::io(Cfg::default(), input, output).provide(client));
        tokio::spawn(server.serve());
    }
}

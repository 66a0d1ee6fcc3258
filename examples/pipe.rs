//! Calls over a pipe of one's own: anything that is read and written, such as a tunnel, the two ends of a socket pair,
//! or a child's standard input and output. `cargo run --example pipe`

use rpc_runtime::prelude::*;
use tokio::net::UnixStream;

#[rpc_service]
trait Plugin {
    async fn render(&self, text: String) -> String;
}

struct Loud;

impl Plugin for Loud {
    async fn render(&self, text: String) -> String {
        let peer = Context::current().peer().unwrap_or_default().to_owned();
        format!("{} (for {peer})", text.to_uppercase())
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let (ours, theirs) = UnixStream::pair().map_err(|error| Status::internal(error.to_string()))?;

    // Who serves: one connection, no listener. The name is for errors and contexts.
    let serving = tokio::spawn(Server::builder().service(PluginServer::new(Loud)).serve_connection(theirs, "the host"));

    // Who calls. A pipe can not be dialled again: once it is lost, so is the channel.
    let channel = Channel::builder().handshake(ours, "the plugin").await?;
    let plugin = PluginClient::new(channel);
    println!("{}", plugin.render("hello".to_owned()).await?);

    drop(plugin);
    let reason = serving.await.expect("the server does not panic")?;
    println!("the host has left: {reason}");
    Ok(())
}

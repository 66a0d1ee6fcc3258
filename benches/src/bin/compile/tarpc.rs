//! tarpc 0.38 over TCP with bincode.

use crate::service::{Method, Returns, calls};
use crate::subjects::{Dialect, Subject};

/// With the features that its documentation names for a transport over TCP, and the crate that its README adds.
pub const SUBJECT: Subject = Subject {
    name: "tarpc",
    dependencies: "tarpc = { version = \"0.38\", features = [\"serde-transport\", \"serde-transport-bincode\", \
                   \"tcp\", \"tokio1\"] }\nfutures = \"0.3\"\n",
    dialect: DIALECT,
    program,
};

const DIALECT: Dialect = Dialect {
    imports: "",
    attribute: "#[tarpc::service]",
    method: "",
    receiver: "",
    returns: Returns { plain: "{}", value: "{}" },
};

fn program(count: usize) -> String {
    let implementation = DIALECT.implementation(count, "impl Desk for Here", "self, _: context::Context, ");
    let call = |method: Method| {
        let own = if method.is_fallible() { ".map_err(text)?" } else { "" };
        let (name, arguments) = (method.name(), method.arguments());
        format!("client.{name}(context::current(), {arguments}).await.map_err(text)?{own}")
    };
    HEAD.to_owned() + &implementation + &calls(count, "DeskClient", call)
}

const HEAD: &str = r#"mod service;

use std::future::ready;

use futures::prelude::*;
use service::*;
use tarpc::{
    client, context,
    server::{self, Channel},
    tokio_serde::formats::Bincode,
};

#[derive(Clone)]
struct Here;

async fn spawn(response: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(response);
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listener = tarpc::serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
    let address = listener.local_addr();
    let channels = listener.filter_map(|accepted| ready(accepted.ok())).map(server::BaseChannel::with_defaults);
    let serve = |channel: server::BaseChannel<_, _, _>| channel.execute(Here.serve()).for_each(spawn);
    let serving = tokio::spawn(channels.for_each_concurrent(None, serve));
    let transport = tarpc::serde_transport::tcp::connect(address, Bincode::default).await?;
    let client = DeskClient::new(client::Config::default(), transport).spawn();
    call_all(&client).await?;
    serving.abort();
    Ok(())
}

"#;

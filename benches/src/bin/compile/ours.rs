//! This project, by its path.

use crate::service::{Method, Returns, calls};
use crate::subjects::{Dialect, Subject};

/// With its default features.
pub const SUBJECT: Subject =
    Subject { name: "ours", dependencies: "rpc-runtime = { path = \"{}/rpc-runtime\" }\n", dialect: DIALECT, program };

const DIALECT: Dialect = Dialect {
    imports: "use rpc_runtime::prelude::*;\n",
    attribute: "#[rpc_service]",
    method: "",
    receiver: "&self, ",
    returns: Returns { plain: "{}", value: "{}" },
};

fn program(count: usize) -> String {
    let implementation = DIALECT.implementation(count, "impl Desk for Here", "&self, ");
    let call = |method: Method| format!("client.{}({}).await.map_err(text)?", method.name(), method.arguments());
    HEAD.to_owned() + &implementation + &calls(count, "DeskClient", call)
}

const HEAD: &str = r#"mod service;

use rpc_runtime::prelude::*;
use service::*;

struct Here;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = Server::builder().service(DeskServer::new(Here)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = tokio::spawn(server.serve());
    let client = DeskClient::new(Channel::connect(&address).await?);
    call_all(&client).await?;
    handle.shut_down();
    drop(client);
    serving.await??;
    Ok(())
}

"#;

//! jsonrpsee 0.26 over WebSocket. Its clients have no typed errors of the service's own: they get an error object.

use crate::service::{Method, Returns, calls};
use crate::subjects::{Dialect, Subject};

/// A server, a client and the macro.
pub const SUBJECT: Subject = Subject {
    name: "jsonrpsee",
    dependencies: "jsonrpsee = { version = \"0.26\", features = [\"server\", \"ws-client\", \"macros\"] }\n",
    dialect: DIALECT,
    program,
};

const DIALECT: Dialect = Dialect {
    imports: "use jsonrpsee::core::RpcResult;\nuse jsonrpsee::proc_macros::rpc;\n",
    attribute: "#[rpc(server, client)]",
    method: "    #[method(name = \"{}\")]\n",
    receiver: "&self, ",
    returns: Returns { plain: "RpcResult<{}>", value: "Ok({})" },
};

fn program(count: usize) -> String {
    let implementation = DIALECT.implementation(count, "#[async_trait]\nimpl DeskServer for Here", "&self, ");
    let call = |method: Method| format!("client.{}({}).await.map_err(text)?", method.name(), method.arguments());
    // A service without an error of its own has no such type.
    let error = if Method::all(count).any(Method::is_fallible) { ERROR } else { "" };
    HEAD.to_owned() + error + &implementation + &calls(count, "WsClient", call)
}

const HEAD: &str = r#"mod service;

use jsonrpsee::core::{RpcResult, async_trait};
use jsonrpsee::server::Server;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use service::*;

struct Here;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let server = Server::builder().build("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let handle = server.start(Here.into_rpc());
    let client = WsClientBuilder::default().build(format!("ws://{address}")).await?;
    call_all(&client).await?;
    handle.stop()?;
    Ok(())
}

"#;

const ERROR: &str = r#"impl From<Refusal> for jsonrpsee::types::ErrorObjectOwned {
    fn from(refusal: Refusal) -> Self {
        Self::owned(1, "refused", Some(refusal))
    }
}

"#;

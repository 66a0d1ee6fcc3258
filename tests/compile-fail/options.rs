//! An unknown option is told what there is.

use rpc_runtime::rpc_service;

#[rpc_service(rename = "camelCase")]
trait Unknown {
    #[rpc(nmae = "other")]
    async fn near(&self);
    #[rpc(colour = "red")]
    async fn far(&self);
}

#[rpc_service(rename_all = "CamelCase", name = 1, crate = "not a path")]
trait Values {
    #[rpc(name)]
    async fn without_a_value(&self);
    #[rpc(inline = true)]
    async fn with_a_value(&self);
    #[rpc(inline, task)]
    async fn both(&self);
    #[rpc(name = "a", name = "b")]
    async fn twice(&self);
    #[rpc]
    async fn none(&self);
    #[rpc = "a"]
    async fn no_list(&self);
    #[rpc(client = "not a name")]
    async fn no_name(&self);
    #[cfg_attr(unix, rpc(name = "a"))]
    async fn conditional(&self);
}

#[rpc_service(name = "a.b")]
trait Dotted {
    #[rpc(name = "")]
    async fn empty(&self);
    #[rpc(name = "two words")]
    async fn spaced(&self);
}

#[rpc_service(name "a")]
trait Syntax {}

fn main() {
    let _ = (UnknownClient::near, UnknownClient::far, ValuesClient::both, DottedClient::empty);
}

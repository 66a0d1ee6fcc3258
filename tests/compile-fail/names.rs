//! Names that get in each other's way.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Wire {
    async fn one(&self);
    #[rpc(name = "one")]
    async fn two(&self);
    #[rpc(name = "three")]
    async fn three(&self);
}

#[rpc_service(rename_all = "camelCase")]
trait Renamed {
    async fn get_all(&self);
    #[rpc(client = "get_everything")]
    #[allow(non_snake_case)]
    async fn getAll(&self);
}

#[rpc_service]
trait Client {
    async fn new(&self);
    async fn channel(&self);
    #[rpc(client = "named")]
    async fn one(&self);
    #[rpc(client = "three")]
    async fn two(&self);
    async fn three(&self);
}

#[rpc_service]
trait Conditional {
    #[cfg(unix)]
    async fn either(&self);
    #[cfg(not(unix))]
    async fn either(&self);
}

fn main() {}

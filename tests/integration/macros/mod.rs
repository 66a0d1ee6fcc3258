//! What `#[rpc_service]` makes of a trait, seen through a real client and server.

mod arguments;
mod attributes;
mod borrowed;
mod conditional;
mod defaults;
mod descriptors;
mod dynamic;
mod generic;
mod hygiene;
mod implementations;
mod method_names;
mod names;
mod parameters;
mod returns;
mod several;
mod streams;
mod supertraits;
mod values;

use rpc_runtime::{Channel, Server, Service};

/// A channel to a server that offers this one service, in memory; the address belongs to the test.
async fn serve(address: &str, service: impl Service) -> Channel {
    let server = Server::builder().service(service).bind(address).await.expect("the address is free");
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(server.serve());
    Channel::connect(address).await.expect("the server is there")
}

/// A type that is found by a path.
type Wide<T> = T;

//! Layers around calls: closures of one's own at both sides, and tower's at the server.
//! `cargo run --example middleware`

use std::time::Instant;

use rpc_runtime::{
    middleware::{Next, Request, Response, from_fn},
    prelude::*,
    testing,
};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer};

#[rpc_service]
trait Kitchen {
    async fn cook(&self, dish: String) -> String;
}

struct Cook;

impl Kitchen for Cook {
    async fn cook(&self, dish: String) -> String {
        tokio::task::yield_now().await;
        format!("{dish}, ready")
    }
}

/// Says of each call how it ended and how long it took. The same layer works at either side.
async fn log(call: Request, next: Next) -> Result<Response, Status> {
    let (side, method, begin) = (call.side(), call.method().full_name, Instant::now());
    let outcome = next.run(call).await;
    let code = outcome.as_ref().map_or_else(|status| status.code(), |_| Code::Ok);
    println!("{side:?} {method}: {code} within {:?}", begin.elapsed());
    outcome
}

/// Sends a call again, once, that certainly did not run.
async fn retry(call: Request, next: Next) -> Result<Response, Status> {
    match next.run(call.clone()).await {
        Err(status) if !status.may_have_run() => {
            println!("again after: {}", status.message());
            tokio::task::yield_now().await;
            next.run(call).await
        }
        outcome => outcome,
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    // At most one call at a time; what finds no room is refused at once instead of waiting.
    let one_at_a_time = ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let server =
        Server::builder().service(KitchenServer::new(Cook)).layer(from_fn(log)).layer(one_at_a_time.into_inner());
    // The first layer added is the outermost.
    let channel = Channel::builder().layer(from_fn(log)).layer(from_fn(retry));
    let (channel, _server) = testing::link(server, channel).await?;
    let kitchen = KitchenClient::new(channel);

    println!("{}", kitchen.cook("soup".to_owned()).await?);
    let (first, second) = tokio::join!(kitchen.cook("rice".to_owned()), kitchen.cook("tea".to_owned()));
    for dish in [first, second] {
        match dish {
            Ok(dish) => println!("{dish}"),
            Err(status) => println!("refused: {status}"),
        }
    }
    Ok(())
}

//! This project's runtime with plain defaults: one channel, and a task per outstanding call that calls in a loop.

use std::sync::Arc;

use rpc_runtime::{ChannelBuilder, ServerBuilder, prelude::*};
use tokio::task::JoinSet;

use bench::subject::{Failure, Job, Subject};
use bench::window::{Tally, Window};

/// Channel and server of this project.
pub const SUBJECT: Subject = Subject {
    name: "ours",
    serve: |announce| Box::pin(serve(Server::builder(), announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(Channel::builder(), address, window)) },
};

#[rpc_service]
trait Bench {
    async fn sum(&self, a: i32, b: i32) -> i64;
}

struct Adder;

impl Bench for Adder {
    async fn sum(&self, a: i32, b: i32) -> i64 {
        i64::from(a) + i64::from(b)
    }
}

/// Serves with these settings.
pub async fn serve(builder: ServerBuilder, announce: fn(&str)) -> Result<(), Failure> {
    let server = builder.service(BenchServer::new(Adder)).bind("tcp://127.0.0.1:0").await?;
    announce(server.local_address());
    server.serve().await?;
    Ok(())
}

/// Calls with these settings.
pub async fn drive(builder: ChannelBuilder, address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let client = BenchClient::new(builder.connect(&address).await?);
    let mut callers = JoinSet::new();
    for caller in 0..window.outstanding() {
        callers.spawn(call(client.clone(), i32::try_from(caller)?, window.tally()));
    }
    callers.join_all().await.into_iter().collect()
}

async fn call(client: BenchClient, caller: i32, mut tally: Tally) -> Result<Tally, Failure> {
    let mut b = 0;
    while tally.running() {
        let started = tally.clock();
        let sum = client.sum(caller, b).await?;
        if sum != i64::from(caller) + i64::from(b) {
            return Err("the server cannot add".into());
        }
        tally.completed(started, 1);
        b = b.wrapping_add(1);
    }
    Ok(tally)
}

//! The orderly end of a server: calls in flight are answered, new ones refused, and what takes too long is cut off. A
//! client watches it. `cargo run --example shutdown`

use std::time::Duration;

use rpc_runtime::{ConnectionState, prelude::*};
use tokio::sync::{mpsc, oneshot};

#[rpc_service]
trait Worker {
    async fn work(&self, ms: u64) -> u64;
}

/// Says when it begins.
struct Bench(mpsc::Sender<u64>);

impl Worker for Bench {
    async fn work(&self, ms: u64) -> u64 {
        let _ = self.0.send(ms).await;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let (begun, mut begins) = mpsc::channel(8);
    let server = Server::builder()
        .service(WorkerServer::new(Bench(begun)))
        .drain_timeout(Duration::from_millis(500)) // 30 s by default
        .bind("tcp://127.0.0.1:0")
        .await?;
    let address = server.local_address().to_owned();
    // Mostly that of a signal, such as `tokio::signal::ctrl_c()`.
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve_until(async { stopped.await.unwrap_or_default() }));

    let channel = Channel::connect(&address).await?;
    let worker = WorkerClient::new(channel.clone());
    let (short, long) = (worker.work(100).start(), worker.work(60_000).start());
    for _ in 0..2 {
        begins.recv().await;
    }

    let mut state = channel.watch_state();
    drop(stop);
    let draining = state.wait_for(|state| *state == ConnectionState::Draining).await.is_ok();
    assert!(draining, "the client is told before anything ends");
    let refused = worker.work(1).await.expect_err("the server is leaving");
    println!("a new call: {refused}");
    assert!(!refused.may_have_run(), "it can be made elsewhere");

    println!("the short call: {} ms", short.await?);
    let cut = long.await.expect_err("it takes longer than the server waits");
    println!("the long call: {cut}");
    assert!(cut.may_have_run());

    let drained = serving.await.expect("the server does not panic")?;
    println!("{} call on {} connection was cut off", drained.cut_calls, drained.cut_connections);
    assert_eq!((drained.cut_calls, drained.cut_connections), (1, 1));
    Ok(())
}

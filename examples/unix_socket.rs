//! A service on a Unix socket, for processes of one machine: access is what the file's directory allows.
//! `cargo run --example unix_socket`

use std::{os::unix::fs::DirBuilderExt, process};

use rpc_runtime::prelude::*;

#[rpc_service]
trait Counter {
    /// Adds to the count and gives the new one.
    async fn add(&self, by: u64) -> u64;
}

#[derive(Default)]
struct Count(std::sync::atomic::AtomicU64);

impl Counter for Count {
    async fn add(&self, by: u64) -> u64 {
        self.0.fetch_add(by, std::sync::atomic::Ordering::Relaxed) + by
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A directory that nobody else can enter keeps others from connecting.
    let directory = std::env::temp_dir().join(format!("rpc-unix-socket-{}", process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let address = format!("unix://{}", directory.join("counter.sock").display());

    let server = Server::builder().service(CounterServer::new(Count::default())).bind(&address).await?;
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    let counter = CounterClient::new(Channel::connect(&address).await?);
    for by in 1..=3 {
        println!("added {by}: {}", counter.add(by).await?);
    }

    // The server removes its socket when it ends.
    handle.shut_down();
    drop(counter);
    serving.await??;
    std::fs::remove_dir(&directory)?;
    Ok(())
}

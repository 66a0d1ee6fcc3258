//! Several services on one server, and several instances of one of them, which a name tells apart. Their clients share
//! one connection. `cargo run --example instances`

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rpc_runtime::prelude::*;

#[rpc_service]
trait Counter {
    async fn add(&self, count: u64) -> u64;
}

#[rpc_service]
trait Directory {
    async fn counters(&self) -> Vec<String>;
}

#[derive(Default)]
struct Memory(AtomicU64);

impl Counter for Memory {
    async fn add(&self, count: u64) -> u64 {
        self.0.fetch_add(count, Relaxed) + count
    }
}

struct Names(Vec<String>);

impl Directory for Names {
    async fn counters(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let names = ["apples", "pears"];
    let mut server = Server::builder().service(DirectoryServer::new(Names(names.map(str::to_owned).to_vec())));
    for name in names {
        server = server.service(CounterServer::new(Memory::default()).named(name));
    }
    let server = server.bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());

    // One connection; a channel is cheap to clone.
    let channel = Channel::connect(&address).await?;
    for name in DirectoryClient::new(channel.clone()).counters().await? {
        let counter = CounterClient::named(channel.clone(), &name);
        counter.add(2).await?;
        assert_eq!(counter.add(3).await?, 5, "each instance counts for itself");
        println!("{name}: 5");
    }

    // Under the trait's own name nobody was registered.
    let status = CounterClient::new(channel).add(1).await.expect_err("there is no such instance");
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, false));
    println!("{status}");
    Ok(())
}

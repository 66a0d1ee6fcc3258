//! Limits on both sides: a message that is too large, a queue that is full, a server without room for another
//! connection, and what `stats()` says of it all.
//! `cargo run --example limits`

use std::time::Duration;

use rpc_runtime::prelude::*;

/// A shop with one clerk.
#[rpc_service]
pub trait Shop {
    /// Takes a note of any length.
    async fn note(&self, text: String) -> usize;

    /// Takes a while.
    async fn serve(&self, ms: u64) -> u64;
}

struct Clerk;

impl Shop for Clerk {
    async fn note(&self, text: String) -> usize {
        text.len()
    }

    async fn serve(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    // What a client may send, and what all clients together may hold.
    let limits = Limits::default().max_message(64 << 10).in_flight(2).running(1);
    let builder = Server::builder().service(ShopServer::new(Clerk)).limits(limits);
    let server = builder.memory(16 << 20).max_connections(1).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = tokio::spawn(server.serve());

    // What the server may answer, and what the calls of this channel may hold while they wait.
    let limits = Limits::default().max_message(1 << 20);
    let shop = ShopClient::new(Channel::builder().limits(limits).memory(4 << 20).connect(&address).await?);

    // Too large for the server, which said so in the handshake: nothing is sent.
    let status = shop.note("x".repeat(100_000)).await.expect_err("it is too large");
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false));
    println!("too large:   {status}");

    // Two calls are in flight. The third waits in the queue until its time is over.
    let (first, second) = (shop.serve(200).start(), shop.serve(1).start());
    let status = shop.serve(1).timeout(Duration::from_millis(50)).await.expect_err("it waits too long");
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false));
    println!("queue full:  {status}");

    // The first handler works, and there may be one: the second call waits at the server.
    let (here, there) = (shop.channel().stats(), handle.stats());
    println!("in flight:   {} of {} here, {} running there", here.calls_in_flight, here.calls_total, there.running);
    assert_eq!((first.await?, second.await?), (200, 1));

    // One connection is there already.
    let status = Channel::connect(&address).await.expect_err("there is one already");
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false));
    println!("no room:     {status}");

    println!("the channel: {:#?}", shop.channel().stats());
    println!("the server:  {:#?}", handle.stats());
    drop(shop);
    handle.shut_down();
    serving.await.expect("the server does not panic")?;
    Ok(())
}

//! A key-value store with typed errors and a watch. Writers never wait for those who watch: whoever reads too slowly
//! loses changes, is told so, and lists again. `cargo run --example key_value`

use futures_util::StreamExt;
use rpc_runtime::prelude::*;
use services::key_value::{Change, KeyValueClient, KeyValueServer, Store, StoreError};

/// So many changes the store keeps for watchers that are slow.
const KEPT: usize = 64;
const WRITTEN: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), CallError<StoreError>> {
    let server =
        Server::builder().service(KeyValueServer::new(Store::new(10_000, KEPT))).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());
    let store = KeyValueClient::new(Channel::connect(&address).await?);

    let mut users = store.watch("user/").await?;
    store.put("host/1".to_owned(), "alpha".to_owned()).await?;
    store.put("user/1".to_owned(), "Ada".to_owned()).await?;
    store.put("user/2".to_owned(), "Bob".to_owned()).await?;
    store.delete("user/2").await?;
    for _ in 0..3 {
        println!("watched: {:?}", users.next().await.transpose()?);
    }
    let missing = store.get("user/2").await;
    assert!(matches!(missing, Err(CallError::Service(StoreError::NoSuchKey(_)))), "it was deleted: {missing:?}");

    // Writers go on although nobody reads: first the watcher's window fills, then what the store keeps.
    let value = "x".repeat(1_000);
    for number in 0..WRITTEN {
        store.put(format!("user/{number:03}"), value.clone()).await?;
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < WRITTEN {
        match users.next().await.transpose()? {
            Some(Change::Missed(more)) => missed += more,
            Some(_) => seen += 1,
            None => break,
        }
    }
    assert!(missed > 0 && seen + missed == WRITTEN);
    println!("of {WRITTEN} changes the slow watcher has seen {seen}, and knows that it has missed {missed}");
    println!("users: {}", store.list("user/").await?.count().await);
    Ok(())
}

//! The key-value store: what it holds, and what its watchers see.

use futures_util::TryStreamExt;
use rpc_runtime::{Channel, Code, Server, testing};
use services::key_value::{
    Change::{self, Deleted, Missed, Put},
    KeyValueClient, KeyValueServer, Store, StoreError,
};

use super::{refused, take, within};

/// So many changes the store keeps.
const KEPT: usize = 8;

async fn store(capacity: usize) -> (KeyValueClient, testing::Link) {
    let server = Server::builder().service(KeyValueServer::new(Store::new(capacity, KEPT)));
    let (channel, link) = testing::link(server, Channel::builder()).await.unwrap();
    (KeyValueClient::new(channel), link)
}

async fn put(store: &KeyValueClient, key: &str, value: &str) {
    within(store.put(key.to_owned(), value.to_owned())).await.unwrap();
}

fn seen(key: &str, value: &str) -> Change {
    Put(key.to_owned(), value.to_owned())
}

async fn list(store: &KeyValueClient, prefix: &str) -> Vec<(String, String)> {
    within(within(store.list(prefix)).await.unwrap().try_collect()).await.unwrap()
}

#[tokio::test]
async fn the_last_value_that_was_put_is_found() {
    let (store, _link) = store(10).await;
    put(&store, "a", "1").await;
    put(&store, "a", "2").await;
    assert_eq!(store.get("a").await.unwrap(), "2");
}

#[tokio::test]
async fn a_key_that_is_not_there_is_a_typed_error_with_its_name() {
    let (store, _link) = store(10).await;
    put(&store, "a", "1").await;
    store.delete("a").await.unwrap();
    assert_eq!(refused(store.get("a").await), StoreError::NoSuchKey("a".to_owned()));
    assert_eq!(refused(store.delete("b").await), StoreError::NoSuchKey("b".to_owned()));
}

#[tokio::test]
async fn a_full_store_refuses_a_new_key_and_takes_a_new_value() {
    let (store, _link) = store(1).await;
    put(&store, "a", "1").await;
    assert_eq!(refused(store.put("b".to_owned(), "1".to_owned()).await), StoreError::Full(1));
    put(&store, "a", "2").await;
}

#[tokio::test]
async fn the_keys_of_a_prefix_are_listed_in_their_order() {
    let (store, _link) = store(10).await;
    for key in ["b", "a/2", "a/1", "a", "A/1"] {
        put(&store, key, "x").await;
    }
    let keys: Vec<_> = list(&store, "a/").await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a/1", "a/2"]);
}

#[tokio::test]
async fn a_list_that_is_longer_than_a_window_does_not_hold_up_writers() {
    let (store, _link) = store(1_000).await;
    let value = "x".repeat(1_000);
    for number in 0..1_000 {
        put(&store, &format!("{number:03}"), &value).await;
    }
    let mut listed = store.list("").await.unwrap();
    take(&mut listed, 1).await;
    store.delete("999").await.unwrap();
    let rest: Vec<_> = within(listed.try_collect()).await.unwrap();
    assert_eq!(rest.last(), Some(&("998".to_owned(), value)));
}

#[tokio::test]
async fn a_watcher_sees_the_changes_of_its_prefix_from_its_begin_in_their_order() {
    let (store, _link) = store(10).await;
    put(&store, "a/0", "before").await;
    let mut watched = store.watch("a/").await.unwrap();
    put(&store, "a/1", "1").await;
    put(&store, "b/1", "1").await;
    put(&store, "a/1", "2").await;
    store.delete("a/1").await.unwrap();
    assert_eq!(take(&mut watched, 3).await, [seen("a/1", "1"), seen("a/1", "2"), Deleted("a/1".to_owned())]);
}

#[tokio::test]
async fn what_was_refused_is_not_a_change() {
    let (store, _link) = store(1).await;
    let mut watched = store.watch("").await.unwrap();
    put(&store, "a", "1").await;
    refused(store.put("b".to_owned(), "1".to_owned()).await);
    refused(store.delete("b").await);
    put(&store, "a", "2").await;
    assert_eq!(take(&mut watched, 2).await, [seen("a", "1"), seen("a", "2")]);
}

#[tokio::test]
async fn a_watcher_that_does_not_read_holds_up_nobody_and_is_told_how_many_changes_it_has_missed() {
    const WRITTEN: u64 = 500;
    let (store, _link) = store(1).await;
    let mut lagging = store.watch("").await.unwrap();
    let mut reading = store.watch("").await.unwrap();
    let value = "x".repeat(1_000);
    for _ in 0..WRITTEN {
        put(&store, "a", &value).await;
        assert_eq!(take(&mut reading, 1).await, [seen("a", &value)]);
    }
    let (mut changes, mut missed) = (0, Vec::new());
    while changes + missed.iter().sum::<u64>() < WRITTEN {
        match take(&mut lagging, 1).await.remove(0) {
            Missed(more) => missed.push(more),
            _ => changes += 1,
        }
    }
    assert_eq!((missed.len(), changes + missed[0]), (1, WRITTEN));
    // It goes on from there.
    put(&store, "a", "last").await;
    assert_eq!(take(&mut lagging, 1).await, [seen("a", "last")]);
}

#[tokio::test]
async fn a_watcher_whose_connection_is_lost_is_told_so() {
    let (store, link) = store(10).await;
    let mut watched = store.watch("").await.unwrap();
    drop(link);
    let status = within(watched.next()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(within(watched.next()).await.is_none());
}

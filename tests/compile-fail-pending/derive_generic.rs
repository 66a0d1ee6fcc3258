//! In a generic service a concrete type lacks a derive where the trait stands, a parameter where it is given.

use rpc_runtime::prelude::*;

#[derive(Clone)]
pub struct Neither;

#[rpc_service]
pub trait Store<K, V> {
    async fn get(&self, key: K) -> Option<V>;
    async fn put(&self, key: &K, value: V);
    async fn concrete(&self, key: K, other: Neither) -> V;
}

struct Here<V>(V);

impl<V: Clone + Send + Sync + 'static> Store<String, V> for Here<V> {
    async fn get(&self, _: String) -> Option<V> {
        Some(self.0.clone())
    }
    async fn put(&self, _: &String, _: V) {}
    async fn concrete(&self, _: String, _: Neither) -> V {
        self.0.clone()
    }
}

async fn right(client: StoreClient<String, u8>) -> Result<(), Status> {
    client.put(&String::new(), 1).await
}

async fn wrong(client: StoreClient<String, Neither>) -> Result<(), Status> {
    client.put(&String::new(), Neither).await
}

fn main() {
    let _ = (right, wrong);
}

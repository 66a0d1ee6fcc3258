//! One trait for stores of every kind: type parameters, an associated type, and two instances on one server, each under
//! a name of its own.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use rpc_runtime::{prelude::*, testing};

#[rpc_service]
trait Store<K, V> {
    /// What a change is told by.
    type Version;

    async fn get(&self, key: &K) -> Option<V>;
    async fn put(&self, key: K, value: V) -> Self::Version;

    /// What is under the key, or this.
    async fn get_or(&self, key: K, default: V) -> V
    where
        V: Send,
    {
        self.get(&key).await.unwrap_or(default)
    }
}

/// Counts its changes.
struct Counted<K, V>(Mutex<(BTreeMap<K, V>, u64)>);

impl<K, V> Counted<K, V> {
    fn new() -> Self {
        Self(Mutex::new((BTreeMap::new(), 0)))
    }

    fn lock(&self) -> MutexGuard<'_, (BTreeMap<K, V>, u64)> {
        self.0.lock().expect("no holder panics")
    }
}

impl<K, V> Store<K, V> for Counted<K, V>
where
    K: Ord + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Version = u64;

    async fn get(&self, key: &K) -> Option<V> {
        self.lock().0.get(key).cloned()
    }

    async fn put(&self, key: K, value: V) -> u64 {
        let mut held = self.lock();
        held.0.insert(key, value);
        held.1 += 1;
        held.1
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .service(StoreServer::new(Counted::<String, u32>::new()).named("ages"))
        .service(StoreServer::new(Counted::<u8, Vec<u8>>::new()).named("blobs"));
    let (channel, _server) = testing::link(server, Channel::builder()).await?;

    // A client has the parameters of the trait, and one for each associated type.
    let ages = StoreClient::<String, u32, u64>::named(channel.clone(), "ages");
    let blobs = StoreClient::<u8, Vec<u8>, u64>::named(channel, "blobs");

    println!("version {}", ages.put("ada".to_owned(), 36).await?);
    println!("version {}", ages.put("bob".to_owned(), 44).await?);
    println!("ada is {:?}", ages.get(&"ada".to_owned()).await?);
    println!("eve is {}, or so", ages.get_or("eve".to_owned(), 30).await?);
    println!("version {} of the blobs", blobs.put(1, vec![1, 2, 3]).await?);
    println!("blob 1 is {:?}", blobs.get(&1).await?);
    Ok(())
}

//! The store of the example `key_value`: a map, and a topic of its changes that has a bound and waits for no watcher.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::{StreamExt, future::ready, stream as streams};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{self, error::RecvError};

/// Text under keys.
#[rpc_service]
pub trait KeyValue {
    /// The value under the key.
    async fn get(&self, key: &str) -> Result<String, StoreError>;
    /// Adds the value, or puts it in the place of the one that is there.
    async fn put(&self, key: String, value: String) -> Result<(), StoreError>;
    /// Removes the key with its value.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// In the order of the keys, as they are when they are reached.
    fn list(&self, prefix: &str) -> impl Stream<Item = (String, String)>;
    /// Every change from now on, in the order in which they were made. It is an `async fn` with a `Result`, so that the
    /// client knows when "now" is: its call succeeds when this has begun.
    async fn watch(&self, prefix: &str) -> Result<impl Stream<Item = Change>, StoreError>;
}

/// What a watcher sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// The key has this value now.
    Put(String, String),
    /// The key is gone.
    Deleted(String),
    /// The watcher was too slow for so many changes, of whatever keys: time to list again.
    Missed(u64),
}

/// What can not be done.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum StoreError {
    /// Nothing stands under this key.
    NoSuchKey(String),
    /// There are as many entries as the store may have.
    Full(usize),
}

/// A map in memory.
pub struct Store {
    entries: Mutex<BTreeMap<String, String>>,
    capacity: usize,
    changes: broadcast::Sender<Change>,
}

impl Store {
    /// For so many entries, and with so many changes kept for watchers that are slow.
    pub fn new(capacity: usize, kept: usize) -> Self {
        Self { entries: Mutex::default(), capacity, changes: broadcast::Sender::new(kept) }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyValue for Store {
    async fn get(&self, key: &str) -> Result<String, StoreError> {
        self.entries().get(key).cloned().ok_or_else(|| StoreError::NoSuchKey(key.to_owned()))
    }

    async fn put(&self, key: String, value: String) -> Result<(), StoreError> {
        let mut entries = self.entries();
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            return Err(StoreError::Full(self.capacity));
        }
        entries.insert(key.clone(), value.clone());
        // Under the lock, which orders the changes as they were made. It is an error when nobody watches.
        let _ = self.changes.send(Change::Put(key, value));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let mut entries = self.entries();
        entries.remove(key).ok_or_else(|| StoreError::NoSuchKey(key.to_owned()))?;
        let _ = self.changes.send(Change::Deleted(key.to_owned()));
        Ok(())
    }

    fn list(&self, prefix: &str) -> impl Stream<Item = (String, String)> {
        streams::unfold(Bound::Included(prefix.to_owned()), move |from| async move {
            let entries = self.entries();
            let (key, value) =
                entries.range((from, Bound::Unbounded)).next().filter(|(key, _)| key.starts_with(prefix))?;
            Some(((key.clone(), value.clone()), Bound::Excluded(key.clone())))
        })
    }

    async fn watch(&self, prefix: &str) -> Result<impl Stream<Item = Change>, StoreError> {
        let changes = streams::unfold(self.changes.subscribe(), |mut changes| async {
            match changes.recv().await {
                Ok(change) => Some((change, changes)),
                Err(RecvError::Lagged(missed)) => Some((Change::Missed(missed), changes)),
                Err(RecvError::Closed) => None,
            }
        });
        Ok(changes.filter(move |change| match change {
            Change::Put(key, _) | Change::Deleted(key) => ready(key.starts_with(prefix)),
            Change::Missed(_) => ready(true),
        }))
    }
}

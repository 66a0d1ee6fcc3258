//! The same of a service with parameters, and of a body in the trait.

use std::rc::Rc;

use rpc_runtime::prelude::*;

#[rpc_service]
trait Store<V: Send + Sync + 'static> {
    async fn put(&self, value: V) -> u64;
    async fn put_all(&self, values: Vec<V>) -> u64 {
        let count = Rc::new(values.len() as u64);
        for value in values {
            self.put(value).await;
        }
        *count
    }
}

struct NotSend;

impl<V: Send + Sync + 'static> Store<V> for NotSend {
    async fn put(&self, value: V) -> u64 {
        let shared = Rc::new(value);
        std::future::ready(()).await;
        Rc::strong_count(&shared) as u64
    }
}

struct NotSync(std::cell::Cell<u64>);

impl Store<String> for NotSync {
    async fn put(&self, _: String) -> u64 {
        self.0.get()
    }
}

fn main() {}

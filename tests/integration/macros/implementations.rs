//! Who implements a service: what wraps another implementation, and a client itself.

use std::sync::Arc;

use futures_util::StreamExt;
use rpc_runtime::prelude::*;

#[rpc_service]
trait Store {
    async fn get(&self, key: &str) -> Result<String, Status>;
    fn watch(&self, key: &str) -> impl Stream<Item = Result<String, Status>>;
}

struct Here;

impl Store for Here {
    async fn get(&self, key: &str) -> Result<String, Status> {
        Ok(key.to_owned())
    }
    fn watch(&self, key: &str) -> impl Stream<Item = Result<String, Status>> {
        futures_util::stream::iter([Ok(key.to_owned())])
    }
}

impl<T: Store> Store for Arc<T> {
    async fn get(&self, key: &str) -> Result<String, Status> {
        (**self).get(key).await
    }
    fn watch(&self, key: &str) -> impl Stream<Item = Result<String, Status>> {
        (**self).watch(key)
    }
}

struct Shouting<S>(S);

impl<S: Store> Store for Shouting<S> {
    async fn get(&self, key: &str) -> Result<String, Status> {
        Ok(self.0.get(key).await?.to_uppercase())
    }
    fn watch(&self, key: &str) -> impl Stream<Item = Result<String, Status>> {
        self.0.watch(key).map(|item| Ok(item?.to_uppercase()))
    }
}

/// Forwards to another server.
struct Proxy(StoreClient);

impl Store for Proxy {
    async fn get(&self, key: &str) -> Result<String, Status> {
        self.0.get(key).await
    }
    fn watch(&self, key: &str) -> impl Stream<Item = Result<String, Status>> {
        let call = self.0.watch(key);
        futures_util::stream::once(call).flat_map(|opened| match opened {
            Ok(items) => items.left_stream(),
            Err(status) => futures_util::stream::iter([Err(status)]).right_stream(),
        })
    }
}

fn client_of<S: Store>(service: S) -> StoreClient {
    StoreClient::from_service(service)
}

#[tokio::test]
async fn an_implementation_may_wrap_another_or_a_client() {
    let wrapped = client_of(Shouting(Arc::new(Here)));
    assert_eq!(wrapped.get("a").await.unwrap(), "A");
    let proxied = client_of(Proxy(wrapped));
    assert_eq!(proxied.get("b").await.unwrap(), "B");
    let items: Vec<_> = proxied.watch("c").await.unwrap().collect().await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].as_deref().unwrap(), "C");
}

//! Default methods: a server may leave them, and its callers can not tell. So a service grows without breaking those
//! who implement it. `cargo run --example defaults`

use rpc_runtime::prelude::*;

#[rpc_service]
trait Store {
    async fn get(&self, key: String) -> Option<String>;

    /// Added later. An implementation that can do better overrides it.
    async fn get_all(&self, keys: Vec<String>) -> Vec<Option<String>> {
        let mut values = Vec::new();
        for key in keys {
            values.push(self.get(key).await);
        }
        values
    }

    /// Not everybody can.
    async fn put(&self, _key: String, _value: String) -> Result<(), Status> {
        Err(Status::new(Code::Unimplemented, "this store can only be read"))
    }
}

/// Written before there was `get_all`.
struct Echo;

impl Store for Echo {
    async fn get(&self, key: String) -> Option<String> {
        Some(key)
    }
}

struct Empty;

impl Store for Empty {
    async fn get(&self, _: String) -> Option<String> {
        None
    }

    async fn get_all(&self, keys: Vec<String>) -> Vec<Option<String>> {
        vec![None; keys.len()]
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let keys = || ["a", "b"].map(str::to_owned).to_vec();
    let echo = StoreClient::from_service(Echo);
    assert_eq!(echo.get_all(keys()).await?, [Some("a".to_owned()), Some("b".to_owned())]);
    assert_eq!(StoreClient::from_service(Empty).get_all(keys()).await?, [None, None]);
    println!("{}", echo.put("a".to_owned(), "1".to_owned()).await.expect_err("it can only be read"));
    Ok(())
}

//! An implementation that is chosen while the program runs: with `#[async_trait]` below `#[rpc_service]` the trait can
//! be used as `dyn`. `cargo run --example dynamic`

use std::sync::Arc;

use async_trait::async_trait;
use rpc_runtime::prelude::*;

#[rpc_service]
#[async_trait]
trait Storage {
    async fn save(&self, name: &str, data: Vec<u8>) -> Result<usize, Status>;
}

struct Disk;

#[async_trait]
impl Storage for Disk {
    async fn save(&self, name: &str, data: Vec<u8>) -> Result<usize, Status> {
        println!("{name}: {} bytes on the disk", data.len());
        Ok(data.len())
    }
}

/// Goes around another one, whichever that is.
struct Bounded {
    most: usize,
    inner: Arc<dyn Storage>,
}

#[async_trait]
impl Storage for Bounded {
    async fn save(&self, name: &str, data: Vec<u8>) -> Result<usize, Status> {
        if data.len() > self.most {
            let text = format!("{name} has {} bytes, the limit is {}", data.len(), self.most);
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        self.inner.save(name, data).await
    }
}

fn storage(most: Option<usize>) -> Arc<dyn Storage> {
    match most {
        Some(most) => Arc::new(Bounded { most, inner: Arc::new(Disk) }),
        None => Arc::new(Disk),
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .service(StorageServer::from_arc(storage(None)).named("large"))
        .service(StorageServer::from_arc(storage(Some(10))).named("small"))
        .bind("mem://storage")
        .await?;
    tokio::spawn(server.serve());

    let channel = Channel::connect("mem://storage").await?;
    let (large, small) = (StorageClient::named(channel.clone(), "large"), StorageClient::named(channel, "small"));
    assert_eq!(large.save("a", vec![0; 100]).await?, 100);
    assert_eq!(small.save("b", vec![0; 10]).await?, 10);
    println!("{}", small.save("c", vec![0; 11]).await.expect_err("that is more than 10"));
    Ok(())
}

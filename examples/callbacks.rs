//! Calls from a server to its clients, over the connections that they made: news for those who subscribed, and the
//! progress of a long call. `cargo run --example callbacks`

use std::sync::Mutex;

use rpc_runtime::prelude::*;
use tokio::sync::mpsc;

/// What the server offers.
#[rpc_service]
trait Kitchen {
    /// From now on the caller hears of every dish.
    async fn subscribe(&self);
    /// Cooks, and says on the way how far it is. Gives how many subscribers have heard of the dish.
    async fn cook(&self, dish: String) -> Result<usize, Status>;
}

/// What a client offers to the server that it calls.
#[rpc_service]
trait Guest {
    async fn hear(&self, text: String);
}

#[derive(Default)]
struct Cook(Mutex<Vec<GuestClient>>);

impl Kitchen for Cook {
    async fn subscribe(&self) {
        // Kept, but the connection is not kept by it: a guest may leave at any time.
        self.0.lock().expect("not poisoned").push(GuestClient::new(Channel::caller()));
    }
    async fn cook(&self, dish: String) -> Result<usize, Status> {
        let caller = GuestClient::new(Channel::caller());
        for percent in [50, 100] {
            caller.hear(format!("{percent} %")).await?;
        }
        let subscribers = self.0.lock().expect("not poisoned").clone();
        let mut heard = 0;
        for guest in subscribers {
            // A guest who has left is told of at once.
            heard += usize::from(guest.hear(format!("{dish} is ready")).await.is_ok());
        }
        Ok(heard)
    }
}

struct Ears(mpsc::Sender<String>);

impl Guest for Ears {
    async fn hear(&self, text: String) {
        let _ = self.0.send(text).await;
    }
}

/// A client that offers a `Guest`, and what that one hears.
async fn guest(address: &str) -> Result<(KitchenClient, mpsc::Receiver<String>), Status> {
    let (tx, heard) = mpsc::channel(16);
    let channel = Channel::builder().service(GuestServer::new(Ears(tx))).connect(address).await?;
    Ok((KitchenClient::new(channel), heard))
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().service(KitchenServer::new(Cook::default())).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());
    let ((anna, mut at_anna), (ben, mut at_ben)) = (guest(&address).await?, guest(&address).await?);
    anna.subscribe().await?;
    ben.subscribe().await?;
    assert_eq!(anna.cook("soup".to_owned()).await?, 2);
    for expected in ["50 %", "100 %", "soup is ready"] {
        assert_eq!(at_anna.recv().await.as_deref(), Some(expected));
        println!("Anna hears: {expected}");
    }
    assert_eq!(at_ben.recv().await.as_deref(), Some("soup is ready"));
    drop(ben);
    assert_eq!(at_ben.recv().await, None, "what he offered is dropped with his connection");
    assert_eq!(anna.cook("cake".to_owned()).await?, 1);
    Ok(())
}

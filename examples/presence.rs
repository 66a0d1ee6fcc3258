//! A chat with presence: who joins has one stream to the room and one from it, and who is online is whoever's stream is
//! open, so that a lost connection is noticed without anybody asking. `cargo run --example presence`

use futures_util::stream as streams;
use rpc_runtime::{prelude::*, stream};
use services::presence::{Lobby, NameTaken, RoomClient, RoomServer};

#[tokio::main]
async fn main() -> Result<(), CallError<NameTaken>> {
    let server = Server::builder().service(RoomServer::new(Lobby::new(64))).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());
    let ada = RoomClient::new(Channel::connect(&address).await?);
    let bob = RoomClient::new(Channel::connect(&address).await?);

    // Whoever has a channel says what it likes when it likes; what is known beforehand is any stream.
    let (says, said) = stream::channel(8);
    let mut hears = ada.join("Ada".to_owned(), said).await?;
    let bob_hears = bob.join("Bob".to_owned(), streams::iter(["Hello!".to_owned()])).await?;
    println!("online: {:?}", ada.online().await?);
    let taken = bob.join("Ada".to_owned(), streams::empty::<String>()).await.map(drop);
    assert!(matches!(taken, Err(CallError::Service(NameTaken))), "there is an Ada already: {taken:?}");
    for _ in 0..3 {
        println!("Ada hears {:?}", hears.next().await.transpose()?);
    }
    says.send("Hello, Bob!".to_owned()).await.expect("the room listens");
    println!("Ada hears {:?}", hears.next().await.transpose()?);

    // Bob's program ends without a word.
    drop((bob, bob_hears));
    println!("Ada hears {:?}", hears.next().await.transpose()?);
    println!("online: {:?}", ada.online().await?);
    Ok(())
}

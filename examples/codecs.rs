//! One server and a client for each codec beside one another: the same calls, and what each codec makes of a value.
//! `cargo run --example codecs`

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Where things are.
#[rpc_service]
pub trait Atlas {
    /// Moves a place by so many metres.
    async fn shift(&self, place: Place, metres: f32) -> Place;

    /// How many bytes came.
    async fn store(&self, picture: &[u8]) -> usize;
}

/// A place with a name.
#[derive(Clone, Serialize, Deserialize)]
pub struct Place {
    name: String,
    metres: f32,
    near: Option<Vec<u16>>,
}

struct Map;

impl Atlas for Map {
    async fn shift(&self, mut place: Place, metres: f32) -> Place {
        place.metres += metres;
        place
    }

    async fn store(&self, picture: &[u8]) -> usize {
        picture.len()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(AtlasServer::new(Map)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = tokio::spawn(server.serve());

    let place = Place { name: "Elbe".into(), metres: 1.5, near: Some(vec![1, 300]) };
    for codec in CodecKind::available() {
        // The client asks for a codec; the server speaks all that are built in.
        let atlas = AtlasClient::new(Channel::builder().codec(*codec).connect(&address).await?);
        let moved = atlas.shift(place.clone(), 2.0).await?;
        let stored = atlas.store(&[7; 70_000]).await?;
        println!("{:>11}: {} is at {} m, {stored} bytes stored", codec.name(), moved.name, moved.metres);

        // Not every format has every number. Who can not write one is told, and nothing is sent.
        match atlas.shift(place.clone(), f32::NAN).await {
            Ok(nowhere) => println!("{:>11}  NaN comes back as {}", "", nowhere.metres),
            Err(status) => println!("{:>11}  NaN: {}", "", status.message()),
        }
    }

    handle.shut_down();
    serving.await??;
    Ok(())
}

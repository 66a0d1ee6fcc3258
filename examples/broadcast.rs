//! Events to many: a topic with a thousand subscribers, one of which does not read. It lags alone: what waits for it is
//! bounded, by its stream's window and by the topic, and it is told what it has missed. `cargo run --example broadcast`

use futures_util::{future::try_join_all, stream as streams};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// Connections share the subscribers: each is granted 128 streams unless the server's `Limits::streams` says otherwise.
const CONNECTIONS: usize = 8;
const SUBSCRIBERS: usize = 1_000;
/// So many events the topic keeps for those who are slow.
const KEPT: u64 = 64;
const PUBLISHED: u64 = 4 * KEPT;

#[rpc_service]
trait Topic {
    async fn subscribe(&self) -> Result<impl Stream<Item = Event>, Status>;
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Event {
    News(u64, String),
    Missed(u64),
}

#[derive(Clone)]
struct News(broadcast::Sender<Event>);

impl Topic for News {
    async fn subscribe(&self) -> Result<impl Stream<Item = Event>, Status> {
        // Polled while the subscriber has room. What it has none for stays in the topic, and is lost once that is full.
        Ok(streams::unfold(self.0.subscribe(), |mut news| async {
            match news.recv().await {
                Ok(event) => Some((event, news)),
                Err(broadcast::error::RecvError::Lagged(missed)) => Some((Event::Missed(missed), news)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let news = News(broadcast::Sender::new(KEPT as usize));
    let server = Server::builder().service(TopicServer::new(news.clone())).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());
    let channels = try_join_all((0..CONNECTIONS).map(|_| Channel::connect(&address))).await?;
    let topics: Vec<_> = channels.into_iter().map(TopicClient::new).collect();
    let mut readers = try_join_all((0..SUBSCRIBERS).map(|n| topics[n % CONNECTIONS].subscribe())).await?;
    let mut idle = readers.pop().expect("there are a thousand");

    // Whoever reads gets everything: further events come when those that the topic keeps were read.
    for first in (0..PUBLISHED).step_by(KEPT as usize) {
        for number in first..first + KEPT {
            news.0.send(Event::News(number, "x".repeat(1_000)))?;
        }
        let reading = try_join_all(readers.iter_mut().map(async |events| {
            for number in first..first + KEPT {
                let event = events.next().await.transpose()?;
                assert!(matches!(event, Some(Event::News(came, _)) if came == number), "{event:?}");
            }
            Ok::<_, Status>(())
        }));
        reading.await?;
    }
    println!("{} subscribers got all of {PUBLISHED} events", readers.len());
    // The idle one finds what its window had room for, what it has missed, and what the topic has kept.
    let (mut came, mut missed) = (0, 0);
    while came + missed < PUBLISHED {
        match idle.next().await.ok_or("the topic is still there")?? {
            Event::News(number, _) => came += u64::from(number == came + missed),
            Event::Missed(events) => missed += events,
        }
    }
    assert!(missed > 0 && came >= KEPT);
    println!("the one that did not read got {came}, and knows that it has missed {missed}");
    Ok(())
}

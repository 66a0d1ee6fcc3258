//! Calls in both directions over one connection: handlers that call back whoever called them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod both_ways;
mod gone;
mod in_process;
mod large;
mod limits;
mod offers;
mod pushes;
mod random;
mod shutdown;

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_runtime::{
    Channel, ChannelBuilder, Context, Limits, Metadata, Server, ServerBuilder, Status, rpc_service,
    testing::{self, Link},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

/// What both ends offer each other.
#[rpc_service]
trait Party {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// Returns once the gate is open.
    async fn wait(&self) -> u64;
    /// Has the caller wait at its own gate.
    async fn have_wait(&self) -> Result<u64, Status>;
    /// As many calls back and forth, each within the one before and with a second less for it.
    async fn ask(&self, depth: u64, seconds: u64) -> Result<u64, Status>;
    /// Keeps a channel to the caller.
    async fn meet(&self);
    async fn panic(&self);
    async fn scene(&self) -> Scene;
    /// What the caller's handler knows of a call that is made here.
    async fn their_scene(&self) -> Result<Scene, Status>;
}

/// A context as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scene {
    peer: Option<String>,
    remaining: Option<Duration>,
    metadata: Vec<(String, String)>,
    connection_metadata: Vec<(String, String)>,
}

/// The handlers of one end, and what a test sees of them.
#[derive(Clone)]
struct End {
    gate: Arc<watch::Sender<bool>>,
    /// Handlers of `wait` and `have_wait` that are at work.
    live: Arc<watch::Sender<usize>>,
    met: Arc<Mutex<Vec<Channel>>>,
}

struct Live(Arc<watch::Sender<usize>>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.send_modify(|live| *live -= 1);
    }
}

impl End {
    fn new() -> Self {
        let (gate, live) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { gate: Arc::new(gate), live: Arc::new(live), met: Arc::default() }
    }

    fn service(&self) -> PartyServer<Self> {
        PartyServer::new(self.clone())
    }

    fn enter(&self) -> Live {
        self.live.send_modify(|live| *live += 1);
        Live(Arc::clone(&self.live))
    }

    fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Waits until exactly so many handlers are at work.
    async fn live(&self, count: usize) {
        let mut live = self.live.subscribe();
        within("the handlers", live.wait_for(|live| *live == count)).await.expect("the sender is here");
    }

    /// A client of whoever was met last.
    fn met(&self) -> PartyClient {
        PartyClient::new(self.met.lock().unwrap().last().expect("somebody was met").clone())
    }
}

impl Party for End {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn wait(&self) -> u64 {
        let _live = self.enter();
        self.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
        1
    }
    async fn have_wait(&self) -> Result<u64, Status> {
        let _live = self.enter();
        PartyClient::new(Channel::caller()).wait().await
    }
    async fn ask(&self, depth: u64, seconds: u64) -> Result<u64, Status> {
        let Some(depth) = depth.checked_sub(1) else { return Ok(0) };
        let seconds = seconds - 1;
        let back = PartyClient::new(Channel::caller());
        Ok(1 + back.ask(depth, seconds).timeout(Duration::from_secs(seconds)).await?)
    }
    async fn meet(&self) {
        self.met.lock().unwrap().push(Channel::caller());
    }
    async fn panic(&self) {
        panic!("on purpose");
    }
    async fn scene(&self) -> Scene {
        let context = Context::current();
        let pairs = |metadata: &Metadata| metadata.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Scene {
            peer: context.peer().map(str::to_owned),
            remaining: context.remaining(),
            metadata: pairs(context.metadata()),
            connection_metadata: pairs(context.connection_metadata()),
        }
    }
    async fn their_scene(&self) -> Result<Scene, Status> {
        PartyClient::new(Channel::caller()).scene().await
    }
}

/// Two ends over a link: who dialled, who is called, and the client of the former.
struct Pair {
    here: End,
    there: End,
    client: PartyClient,
    link: Link,
}

impl Pair {
    async fn new() -> Self {
        Self::with(Server::builder(), Channel::builder()).await
    }

    async fn limited(limits: Limits) -> Self {
        Self::with(Server::builder().limits(limits.clone()), Channel::builder().limits(limits)).await
    }

    async fn with(server: ServerBuilder, channel: ChannelBuilder) -> Self {
        let (here, there) = (End::new(), End::new());
        let linked = testing::link(server.service(there.service()), channel.service(here.service())).await;
        let (channel, link) = linked.expect("the handshake succeeds");
        Self { here, there, client: PartyClient::new(channel), link }
    }

    /// A client of the dialling end, at the other one.
    async fn met(&self) -> PartyClient {
        self.client.meet().await.expect("it is answered");
        self.there.met()
    }
}

/// The result of a future that must be there in time.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(100), future)
        .await
        .map_err(|_| format!("{what}: not in time"))
        .expect("in time")
}

/// A task that ends with the test's runtime.
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(future)
}

//! Layers around calls on both sides, and clients of services in the same process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod bearer;
mod feed;
mod in_process;
mod later_attempts;
mod layers;
mod outcomes;
mod stream_ends;
mod streams;
mod tower_layers;
mod trace;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use rpc_runtime::{
    Channel, ChannelBuilder, Context, Server, ServerBuilder, Status, rpc_service,
    testing::{self, Link},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

#[rpc_service]
trait Desk {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn fail(&self, reason: String) -> Result<u64, Reason>;
    /// Fails with a status of its own, with details.
    async fn refuse(&self, message: String) -> Result<u64, Status>;
    async fn panic(&self);
    /// Returns once the gate is open.
    async fn wait(&self);
    /// The metadata of the request, and an entry of the same for the response.
    async fn seen(&self, key: String) -> Option<String>;
    /// What a layer left for the handler.
    async fn who(&self) -> Option<String>;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reason(String);

/// A value that a layer leaves beside a call.
struct Name(String);

/// The handlers, and what a test sees of them.
#[derive(Clone)]
struct Clerk {
    gate: Arc<watch::Sender<bool>>,
    /// Handlers of `wait` that are at work.
    waiting: Arc<watch::Sender<usize>>,
    started: Arc<AtomicUsize>,
}

struct Waiting(Arc<watch::Sender<usize>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Clerk {
    fn new() -> Self {
        let (gate, waiting) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { gate: Arc::new(gate), waiting: Arc::new(waiting), started: Arc::default() }
    }

    /// How many handlers were ever started.
    fn started(&self) -> usize {
        self.started.load(SeqCst)
    }

    /// Waits until exactly so many handlers of `wait` are at work.
    async fn waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        let reached = waiting.wait_for(|waiting| *waiting == count);
        tokio::time::timeout(Duration::from_secs(100), reached).await.expect("in time").expect("the sender is here");
    }
}

impl Desk for Clerk {
    async fn add(&self, a: u64, b: u64) -> u64 {
        self.started.fetch_add(1, SeqCst);
        a + b
    }
    async fn fail(&self, reason: String) -> Result<u64, Reason> {
        Err(Reason(reason))
    }
    async fn refuse(&self, message: String) -> Result<u64, Status> {
        self.started.fetch_add(1, SeqCst);
        Err(Status::not_found(message).with_details([7]))
    }
    async fn panic(&self) {
        panic!("on purpose");
    }
    async fn wait(&self) {
        self.started.fetch_add(1, SeqCst);
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        self.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
    }
    async fn seen(&self, key: String) -> Option<String> {
        let context = Context::current();
        context.set_response_metadata("seen", &key);
        context.metadata().get(&key).map(str::to_owned)
    }
    async fn who(&self) -> Option<String> {
        Context::current().get::<Name>().map(|name| name.0.clone())
    }
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl Into<String>) {
        self.0.lock().unwrap().push(note.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn server(clerk: &Clerk) -> ServerBuilder {
    Server::builder().service(DeskServer::new(clerk.clone()))
}

async fn linked(server: ServerBuilder, channel: ChannelBuilder) -> (DeskClient, Link) {
    let (channel, link) = testing::link(server, channel).await.expect("the handshake succeeds");
    (DeskClient::new(channel), link)
}

/// A client over a link, and one in the same process, with the same settings.
async fn both(clerk: &Clerk, channel: impl Fn() -> ChannelBuilder) -> (Vec<DeskClient>, Link) {
    let (over_link, link) = linked(server(clerk), channel()).await;
    let in_process = DeskClient::new(channel().in_process(DeskServer::new(clerk.clone())));
    (vec![over_link, in_process], link)
}

fn plain() -> ChannelBuilder {
    Channel::builder()
}

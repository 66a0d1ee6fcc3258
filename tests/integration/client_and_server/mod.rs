//! Channels, calls, contexts and servers as their users see them, where nothing goes wrong that is nobody's fault.

mod calls;
mod channels;
mod contexts;
mod given;
mod liveness;
mod servers;
mod states;

use std::{future::Future, sync::Arc, time::Duration};

use rpc_runtime::{Channel, Context, Metadata, Server, ServerHandle, Status, rpc_service};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

#[rpc_service]
trait Probe {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// Never returns.
    async fn hang(&self);
    /// Returns once the gate is open.
    async fn wait(&self) -> u64;
    /// What the handler's context says.
    async fn scene(&self) -> Scene;
    /// Sends the entry of metadata with the response, and fails if asked to.
    async fn answer_with(&self, key: String, value: String, fail: bool) -> Result<u64, Status>;
    /// What the context of a handler says that this one calls with a time of its own, in milliseconds.
    async fn nested(&self, address: String, own_ms: u64) -> Result<Scene, Status>;
}

/// A context as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scene {
    peer: Option<String>,
    method: Option<String>,
    remaining: Option<Duration>,
    metadata: Vec<(String, String)>,
    connection_metadata: Vec<(String, String)>,
    cancelled: bool,
}

impl Scene {
    fn of(context: &Context) -> Self {
        let pairs = |metadata: &Metadata| metadata.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self {
            peer: context.peer().map(str::to_owned),
            method: context.method().map(|method| method.full_name.to_owned()),
            remaining: context.remaining(),
            metadata: pairs(context.metadata()),
            connection_metadata: pairs(context.connection_metadata()),
            cancelled: context.is_cancelled(),
        }
    }
}

/// The handlers, and what a test sees of them.
#[derive(Clone)]
struct Here {
    gate: Arc<watch::Sender<bool>>,
    /// Handlers of `hang` and `wait` that were started and not dropped.
    live: Arc<watch::Sender<usize>>,
}

struct Live(Arc<watch::Sender<usize>>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.send_modify(|live| *live -= 1);
    }
}

impl Here {
    fn new() -> Self {
        Self { gate: Arc::new(watch::Sender::new(false)), live: Arc::new(watch::Sender::new(0)) }
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
}

impl Probe for Here {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn hang(&self) {
        let _live = self.enter();
        std::future::pending::<()>().await;
    }
    async fn wait(&self) -> u64 {
        let _live = self.enter();
        self.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
        1
    }
    async fn scene(&self) -> Scene {
        Scene::of(&Context::current())
    }
    async fn answer_with(&self, key: String, value: String, fail: bool) -> Result<u64, Status> {
        Context::current().set_response_metadata(key, value);
        if fail { Err(Status::not_found("on purpose")) } else { Ok(1) }
    }
    async fn nested(&self, address: String, own_ms: u64) -> Result<Scene, Status> {
        let inner = ProbeClient::new(Channel::connect(&address).await?);
        inner.scene().timeout(Duration::from_millis(own_ms)).await
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

/// Serves at an address and gives the one that was bound.
async fn serve(here: &Here, address: &str) -> (String, ServerHandle) {
    let server = Server::builder().service(ProbeServer::new(here.clone())).bind(address).await.expect("it is free");
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    spawn(server.serve());
    (address, handle)
}

async fn client(address: &str) -> ProbeClient {
    ProbeClient::new(Channel::connect(address).await.expect("the server is there"))
}

//! The service that the cases A21 to A38 are played with, what its handlers let a test see, and what must hold
//! after every case.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Channel, ChannelBuilder, Server, ServerHandle, Status, rpc_service};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    sync::watch,
    task::JoinHandle,
};

use super::peer_b::Peer;

#[rpc_service]
pub(super) trait Faults {
    /// The sum.
    async fn add(&self, a: u64, b: u64) -> u64;
    /// The same bytes.
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// So many bytes.
    async fn bytes(&self, count: u64) -> Vec<u8>;
    /// Never returns.
    async fn hang(&self);
    /// Returns once the gate is open.
    async fn wait(&self) -> u64;
    /// Blocks its thread.
    async fn block(&self, ms: u64) -> u64;
    /// Counts under a lock of tokio's.
    async fn lock(&self) -> u64;
    /// The sum, always in a task of its own.
    #[rpc(task)]
    async fn add_in_task(&self, a: u64, b: u64) -> u64;
}

/// What the handlers do, seen from outside.
#[derive(Clone)]
pub(super) struct Seen(Arc<Inner>);

struct Inner {
    /// Handlers of `hang` and `wait` that were started and not dropped.
    live: watch::Sender<usize>,
    /// How many of them there ever were.
    entered: AtomicU64,
    gate: watch::Sender<bool>,
    /// Handlers of `add` and `wait` that ran to their end.
    executed: AtomicU64,
    counter: tokio::sync::Mutex<u64>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            live: watch::Sender::new(0),
            entered: AtomicU64::new(0),
            gate: watch::Sender::new(false),
            executed: AtomicU64::new(0),
            counter: tokio::sync::Mutex::new(0),
        }))
    }

    /// Waits until exactly so many handlers of `hang` and `wait` are at work.
    pub(super) async fn live(&self, count: usize) {
        let mut live = self.0.live.subscribe();
        let what = format!("{count} live handlers");
        within(&what, live.wait_for(|live| *live == count)).await.expect("the sender is here");
    }

    pub(super) fn open_gate(&self) {
        self.0.gate.send_replace(true);
    }

    pub(super) fn executed(&self) -> u64 {
        self.0.executed.load(Relaxed)
    }

    pub(super) fn entered(&self) -> u64 {
        self.0.entered.load(Relaxed)
    }

    pub(super) fn service(&self) -> FaultsServer<Self> {
        FaultsServer::new(self.clone())
    }

    fn enter(&self) -> Live<'_> {
        self.0.entered.fetch_add(1, Relaxed);
        self.0.live.send_modify(|live| *live += 1);
        Live(self)
    }
}

struct Live<'a>(&'a Seen);

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.0.live.send_modify(|live| *live -= 1);
    }
}

impl Faults for Seen {
    async fn add(&self, a: u64, b: u64) -> u64 {
        self.0.executed.fetch_add(1, Relaxed);
        a + b
    }
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
    async fn bytes(&self, count: u64) -> Vec<u8> {
        vec![7; count as usize]
    }
    async fn hang(&self) {
        let _live = self.enter();
        std::future::pending::<()>().await;
    }
    async fn wait(&self) -> u64 {
        let _live = self.enter();
        self.0.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
        self.0.executed.fetch_add(1, Relaxed);
        1
    }
    async fn block(&self, ms: u64) -> u64 {
        std::thread::sleep(Duration::from_millis(ms));
        ms
    }
    async fn lock(&self) -> u64 {
        let mut counter = self.0.counter.lock().await;
        *counter += 1;
        *counter
    }
    async fn add_in_task(&self, a: u64, b: u64) -> u64 {
        a + b
    }
}

/// The result of a future that must be there in time.
pub(super) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .map_err(|_| format!("{what}: not within 10 s"))
        .expect("in time")
}

/// The result of a future that nothing delays: far sooner than a clock that looks for what was forgotten.
pub(super) async fn promptly<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(1), future)
        .await
        .map_err(|_| format!("{what}: not within 1 s"))
        .expect("in time")
}

/// What neighbours may be made to wait.
const PROMPT: Duration = Duration::from_millis(100);

/// How long neighbours waited, beside how long the machine lets a thread wait that only wants to wake up: other
/// programs may hold it up, and that is no fault of what is tested.
pub(super) struct Waits {
    began: Instant,
    slowest: (Duration, Duration),
    rounds: usize,
    ended: Arc<AtomicBool>,
    machine: std::thread::JoinHandle<Duration>,
}

impl Waits {
    pub(super) fn new() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let machine = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            while !seen.load(Relaxed) {
                let began = Instant::now();
                std::thread::sleep(NAP);
                longest = longest.max(began.elapsed() - NAP);
            }
            longest
        });
        Self { began: Instant::now(), slowest: Default::default(), rounds: 0, ended, machine }
    }

    pub(super) fn note(&mut self, sent: Instant) {
        self.rounds += 1;
        self.slowest = self.slowest.max((sent.elapsed(), self.began.elapsed()));
    }

    /// Nobody waited long, and there was somebody who could have.
    pub(super) fn were_short(self) {
        self.ended.store(true, Relaxed);
        let machine = self.machine.join().expect("it only sleeps");
        let Self { slowest: (slowest, at), rounds, .. } = self;
        assert!(
            slowest < PROMPT + machine,
            "the slowest of {rounds} took {slowest:?}, at {at:?}; machine: {machine:?}"
        );
        assert!(rounds > 1, "there were no neighbours");
    }
}

/// A task that ends with the test's runtime.
pub(super) fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(future)
}

/// A server on a TCP port of its own.
pub(super) async fn serve(seen: &Seen) -> (String, ServerHandle) {
    let server = Server::builder().service(seen.service()).bind("tcp://127.0.0.1:0").await.expect("a port is free");
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    spawn(server.serve());
    (address, handle)
}

/// Serves one pipe; the task gives the reason of its end.
pub(super) fn serve_pipe<T>(seen: &Seen, io: T) -> JoinHandle<Result<Status, Status>>
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    spawn(Server::builder().service(seen.service()).serve_connection(io, "client"))
}

/// A client over a pipe to a raw peer that accepts.
pub(super) async fn against_peer(builder: ChannelBuilder, buffer: usize) -> (FaultsClient, Peer<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let (channel, peer) = tokio::join!(builder.handshake(ours, "peer"), Peer::accept(theirs));
    (FaultsClient::new(channel.expect("the peer accepts")), peer)
}

/// A client and a server over a pipe.
pub(super) async fn over_pipe(seen: &Seen, buffer: usize) -> FaultsClient {
    let (ours, theirs) = tokio::io::duplex(buffer);
    serve_pipe(seen, theirs);
    FaultsClient::new(Channel::builder().handshake(ours, "server").await.expect("the server accepts"))
}

/// A fresh client is served within a second.
pub(super) async fn serves(address: &str) {
    let fresh = async { FaultsClient::new(Channel::connect(address).await?).add(1, 2).await };
    let sum = tokio::time::timeout(Duration::from_secs(1), fresh).await.expect("a fresh client is served in 1 s");
    assert_eq!(sum.expect("a fresh client is served"), 3);
}

/// Nothing of the calls that were made is left.
pub(super) async fn settled(channel: &Channel) {
    let began = Instant::now();
    while channel.outstanding_calls() > 0 {
        let left = channel.outstanding_calls();
        assert!(began.elapsed() < Duration::from_secs(5), "{left} calls are still outstanding");
        tokio::task::yield_now().await;
    }
}

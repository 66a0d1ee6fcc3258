//! The service that raw peers call, served over TCP or over one pipe; what a fresh client must find afterwards, what
//! calls beside it feel, and what tasks are left.

use std::time::Duration;

use rpc_runtime::{
    ChannelBuilder, Codec, CodecError, DecodeValue, EncodeValue, ServerBuilder, ServerHandle, Stats, prelude::*,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::TcpStream,
    runtime::Handle,
    task::JoinSet,
    time::Instant,
};

use super::raw::{Peer, within, within_time};

/// What hostile peers call.
#[rpc_service]
pub(crate) trait Probe {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn echo(&self, text: String) -> String;
    async fn count(&self, numbers: Vec<u64>) -> u64;
    async fn units(&self, units: Vec<()>) -> u64;
    async fn depth(&self, tree: Tree) -> u64;
    async fn table(&self, table: std::collections::BTreeMap<u64, Vec<Vec<u64>>>) -> u64;
    async fn tables(&self) -> std::collections::BTreeMap<u64, Vec<Vec<u64>>>;
    async fn numbers(&self) -> Vec<u64>;
    async fn nothings(&self) -> Vec<()>;
    async fn grow(&self) -> Tree;
    async fn bytes(&self) -> Vec<u8>;
    /// Never ends by itself.
    async fn wait(&self);
    /// Ends after so many milliseconds.
    async fn sleep(&self, ms: u64) -> u64;
}

/// A value that may nest without end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tree(pub(crate) Vec<Tree>);

struct Prober;

impl Probe for Prober {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn count(&self, numbers: Vec<u64>) -> u64 {
        numbers.len() as u64
    }

    async fn units(&self, units: Vec<()>) -> u64 {
        units.len() as u64
    }

    async fn depth(&self, tree: Tree) -> u64 {
        fn depth(tree: &Tree) -> u64 {
            1 + tree.0.iter().map(depth).max().unwrap_or(0)
        }
        depth(&tree)
    }

    async fn tables(&self) -> std::collections::BTreeMap<u64, Vec<Vec<u64>>> {
        std::collections::BTreeMap::new()
    }

    async fn numbers(&self) -> Vec<u64> {
        Vec::new()
    }

    async fn nothings(&self) -> Vec<()> {
        Vec::new()
    }

    async fn grow(&self) -> Tree {
        Tree(Vec::new())
    }

    async fn bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    async fn table(&self, table: std::collections::BTreeMap<u64, Vec<Vec<u64>>>) -> u64 {
        table.len() as u64
    }

    async fn wait(&self) {
        std::future::pending::<()>().await;
    }

    async fn sleep(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
}

/// A server of `Probe` with these limits.
pub(crate) fn server(limits: Limits) -> ServerBuilder {
    Server::builder().service(ProbeServer::new(Prober)).codec(&Unguarded).limits(limits)
}

/// A server at a TCP port. It ends with this value.
pub(crate) struct Serving {
    address: String,
    pub(crate) handle: ServerHandle,
    tasks: JoinSet<()>,
}

impl Serving {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_from(server(limits)).await
    }

    pub(crate) async fn start_from(builder: ServerBuilder) -> Self {
        let server = builder.bind("tcp://127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_address().to_owned(), server.handle());
        let mut tasks = JoinSet::new();
        tasks.spawn(async {
            server.serve().await.unwrap();
        });
        Self { address, handle, tasks }
    }

    /// The address, as a URI.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn socket_address(&self) -> &str {
        self.address.trim_start_matches("tcp://")
    }

    /// A raw peer that has not said anything.
    pub(crate) async fn peer(&self) -> Peer<TcpStream> {
        let stream = TcpStream::connect(self.socket_address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer::new(stream)
    }

    /// A raw peer behind its handshake.
    pub(crate) async fn dialled(&self, codec: &str) -> Peer<TcpStream> {
        let mut peer = self.peer().await;
        peer.dial(codec).await;
        peer
    }

    /// A channel of its own.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::connect(&self.address).await.unwrap()
    }

    /// What must hold after every case: a fresh client is served within a second.
    pub(crate) async fn serves_a_fresh_client(&self) {
        let fresh = async {
            let probe = ProbeClient::new(self.channel().await);
            assert_eq!(probe.add(20, 22).await.unwrap(), 42);
        };
        within_time(Duration::from_secs(1), "serving a fresh client", fresh).await;
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Stats) -> bool) {
        until(what, || self.handle.stats(), holds).await;
    }

    /// The server returns once `shut_down` was asked of its handle.
    pub(crate) async fn returned(mut self) {
        within("the return of the server", self.tasks.join_next()).await.expect("it was serving").unwrap();
    }
}

/// Waits until these counters say so.
pub(crate) async fn until(what: &str, stats: impl Fn() -> Stats, holds: impl Fn(&Stats) -> bool) {
    let bound = Instant::now() + Duration::from_secs(20);
    while !holds(&stats()) {
        assert!(Instant::now() < bound, "{what}: {:?}", stats());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A connection served over one pipe.
pub(crate) struct Served {
    tasks: JoinSet<Result<Status, Status>>,
}

impl Served {
    /// Serves `io` with these limits.
    pub(crate) fn over(io: impl AsyncRead + AsyncWrite + Send + 'static, limits: Limits) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(server(limits).serve_connection(io, "raw"));
        Self { tasks }
    }

    /// A raw peer at the other end of a pipe of this many bytes.
    pub(crate) fn pipe(bytes: usize) -> (Peer<DuplexStream>, Self) {
        let (near, far) = tokio::io::duplex(bytes);
        (Peer::new(near), Self::over(far, Limits::default()))
    }

    /// Why the connection ended; `Err` when its handshake failed. The time may be that of a paused clock.
    pub(crate) async fn ended(mut self) -> Result<Status, Status> {
        let ended = within_time(Duration::from_secs(60), "the end of the connection", self.tasks.join_next()).await;
        ended.expect("it was served").expect("serving does not panic")
    }
}

/// A client and the raw accepting side that it shook hands with.
pub(crate) async fn client_and_raw_server(codec: CodecKind) -> (Channel, Peer<DuplexStream>) {
    client_and_raw_server_with(Channel::builder(), codec).await
}

/// The same with settings.
pub(crate) async fn client_and_raw_server_with(
    builder: ChannelBuilder,
    codec: CodecKind,
) -> (Channel, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut raw = Peer::new(far);
    let dialled = builder.codec(codec).handshake(near, "raw");
    let (channel, ()) = tokio::join!(dialled, raw.accept(codec.name()));
    (channel.unwrap(), raw)
}

/// The 99th of 100 parts of the times that calls take while something happens.
pub(crate) async fn slowest_beside(probe: &ProbeClient, happening: impl Future<Output = ()>) -> Duration {
    let mut happening = std::pin::pin!(happening);
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        let mut call = probe.add(20, 22).start();
        let over = tokio::select! {
            biased;
            () = &mut happening => true,
            sum = &mut call => {
                assert_eq!(sum.unwrap(), 42);
                times.push(began.elapsed());
                continue;
            }
        };
        if over {
            assert_eq!(within("a call beside it", call).await.unwrap(), 42);
            times.push(began.elapsed());
            break;
        }
    }
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

pub(crate) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits until there are no more tasks than before.
pub(crate) async fn tasks_are_back(before: usize) {
    let back = async {
        while tasks() > before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the end of all tasks that were begun", back).await;
}

/// The arguments of `add` in each codec.
pub(crate) fn add_arguments(codec: &str, a: i8, b: i8) -> Vec<u8> {
    match codec {
        "json" => format!("[{a},{b}]").into_bytes(),
        "messagepack" => vec![0x92, a.unsigned_abs(), b.unsigned_abs()],
        _ => vec![zigzag(a), zigzag(b)],
    }
}

/// What `add` returns in each codec.
pub(crate) fn sum(codec: &str, sum: i8) -> Vec<u8> {
    match codec {
        "json" => sum.to_string().into_bytes(),
        "messagepack" => vec![sum.unsigned_abs()],
        _ => vec![zigzag(sum)],
    }
}

fn zigzag(number: i8) -> u8 {
    assert!((0..=100).contains(&number), "one byte suffices");
    2 * number.unsigned_abs()
}

/// All that the server of `Probe` speaks.
pub(crate) const CODECS: [&str; 5] = ["bincode", "json", "messagepack", "postcard", "unguarded"];

pub(crate) fn kind(codec: &str) -> CodecKind {
    CodecKind::from_name(codec).unwrap_or(CodecKind::Custom(&Unguarded))
}

/// A codec of one's own that decodes with the crate postcard, which bounds nothing.
pub(crate) struct Unguarded;

impl Codec for Unguarded {
    fn name(&self) -> &str {
        "unguarded"
    }

    fn encode(&self, value: EncodeValue<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(postcard::to_allocvec(&value)?);
        Ok(())
    }

    fn decode<'de>(&self, body: &'de [u8], value: DecodeValue<'_, 'de>) -> Result<(), CodecError> {
        let mut reader = postcard::Deserializer::from_bytes(body);
        value.read_from(&mut reader)?;
        match reader.finalize()? {
            [] => Ok(()),
            rest => Err(format!("{} bytes are left over", rest.len()).into()),
        }
    }
}

//! Streams over connections: what they carry, what stops them, and what their faults cost. The whole of what FAULTS.md
//! asks of streams, with both ends our own or one of them made of bytes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod basics;
mod cancellation;
mod deadlines;
mod ends;
mod floods;
mod flow;
mod in_process;
mod layered;
mod metadata;
mod raw_clients;
mod raw_servers;
mod service;
mod sizes;
mod torn;
mod user_code;

use std::{future::Future, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use rpc_runtime::{Channel, ChannelBuilder, Limits, Server, ServerBuilder, Stats, Status, Streaming, testing};
use service::{Here, TidesClient, TidesServer};
use tokio::{io::DuplexStream, task::JoinHandle};

use crate::faults::{
    probe::Unguarded,
    raw::{self, Peer},
};

/// So long everything may take, also on a clock that stands still.
const BOUND: Duration = Duration::from_secs(60);

/// The result of a future that must be there in time.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(BOUND, future).await else { panic!("{what}: not in time") };
    output
}

/// On a clock that stands still: everybody else waits for something.
async fn all_is_quiet() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn server(here: &Here, limits: Limits) -> ServerBuilder {
    Server::builder().service(TidesServer::new(here.clone())).codec(&Unguarded).limits(limits)
}

/// A client and its server with these settings.
struct Linked {
    tides: TidesClient,
    channel: Channel,
    here: Here,
    link: testing::Link,
}

impl Linked {
    async fn new() -> Self {
        Self::with(Limits::default(), Channel::builder()).await
    }

    /// With these limits of the server, and this channel.
    async fn with(limits: Limits, channel: ChannelBuilder) -> Self {
        let here = Here::new();
        let (channel, link) = testing::link(server(&here, limits), channel).await.unwrap();
        Self { tides: TidesClient::new(channel.clone()), channel, here, link }
    }

    /// What must hold after every case: calls go through, and nothing is left of those before.
    async fn is_as_before(&self) {
        assert_eq!(within("a call after it", self.tides.add(20, 22)).await.unwrap(), 42);
        let numbers = within("a stream after it", complete(self.tides.count(3).await.unwrap())).await;
        assert_eq!(numbers, [0, 1, 2]);
        until(
            "all is as before",
            || self.channel.stats(),
            |stats| {
                (stats.calls_in_flight, stats.calls_waiting, stats.calls_abandoned) == (0, 0, 0)
                    && stats.memory_held <= IDLE
            },
        )
        .await;
        self.here.live(0).await;
    }
}

/// So much a connection may hold that does nothing.
const IDLE: usize = 32 * 1_024;

/// Waits until these counters say so.
async fn until(what: &str, stats: impl Fn() -> Stats, holds: impl Fn(&Stats) -> bool) {
    let bound = tokio::time::Instant::now() + BOUND;
    while !holds(&stats()) {
        assert!(tokio::time::Instant::now() < bound, "{what}: {:?}", stats());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A client and a server over a pipe that holds so many bytes each way.
async fn over_pipe(bytes: usize, limits: Limits) -> (TidesClient, Here, JoinHandle<Result<Status, Status>>) {
    let (here, (near, far)) = (Here::new(), tokio::io::duplex(bytes));
    let serving = spawn(server(&here, limits.clone()).serve_connection(far, "pipe"));
    let channel = Channel::builder().limits(limits).handshake(near, "pipe").await.unwrap();
    (TidesClient::new(channel), here, serving)
}

/// A task that ends with the test's runtime.
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(future)
}

/// A client made of bytes, behind its handshake with this grant, and what a test sees of the server.
async fn raw_client(codec: &str, grant: &str, limits: Limits) -> (Peer<DuplexStream>, Here, JoinHandle<Status>) {
    let (here, (near, far)) = (Here::new(), tokio::io::duplex(1 << 20));
    let serving = server(&here, limits).serve_connection(far, "raw");
    let serving = spawn(async { serving.await.unwrap_or_else(|refused| refused) });
    let mut peer = Peer::new(near);
    peer.send(&raw::hello_granting(codec, grant)).await;
    let answer = peer.handshake().await;
    assert_eq!(answer["welcome"]["codec"], codec, "{answer}");
    (peer, here, serving)
}

/// What a raw peer grants that takes all.
const GRANT: &str = r#"{"in_flight":64,"request_window":4194304,"max_message":4194304,"max_header":16384,
    "streams":64,"stream_window":65536}"#;

/// A client of ours, and the server made of bytes that it shook hands with.
async fn raw_server(builder: ChannelBuilder, grant: &str) -> (TidesClient, Channel, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut raw = Peer::new(far);
    let welcome = format!(r#"{{"welcome":{{"version":1,"codec":"bincode","grant":{grant},"features":[]}}}}"#);
    let accepting = async {
        raw.handshake().await;
        raw.send(&raw::handshake(&welcome)).await;
    };
    let (channel, ()) = tokio::join!(builder.handshake(near, "raw"), accepting);
    let channel = channel.unwrap();
    (TidesClient::new(channel.clone()), channel, raw)
}

/// A request to the service.
fn request(id: u64, method: &str, body: &[u8]) -> Vec<u8> {
    raw::frame(raw::REQUEST, 0, id, &raw::names("Tides", method), body)
}

/// Items in one frame.
fn message(id: u64, items: &[&[u8]]) -> Vec<u8> {
    let body: Vec<u8> =
        items.iter().flat_map(|item| [raw::varint(item.len() as u64), item.to_vec()].concat()).collect();
    raw::frame(raw::MESSAGE, 0, id, &[], &body)
}

/// The good end of a stream.
fn end(id: u64) -> Vec<u8> {
    raw::frame(raw::END, 0, id, &[], &[])
}

fn credit(id: u64, bytes: u32) -> Vec<u8> {
    raw::frame(raw::CREDIT, 0, id, &[], &bytes.to_le_bytes())
}

fn cancel(id: u64) -> Vec<u8> {
    raw::frame(raw::CANCEL, 0, id, &[], &[])
}

/// The items of a Message.
fn items(frame: &raw::Frame) -> Vec<Vec<u8>> {
    let (mut rest, mut items) = (&frame.body[..], Vec::new());
    while !rest.is_empty() {
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = rest[0];
            rest = &rest[1..];
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        items.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    items
}

/// All items, and the error that ended them if one did.
async fn collect<T, E: From<Status>>(mut stream: Streaming<T, E>) -> (Vec<T>, Option<E>) {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing comes behind the error");
                return (items, Some(error));
            }
        }
    }
    (items, None)
}

/// All items of a stream that came to its end.
async fn complete<T, E: From<Status> + std::fmt::Debug>(stream: Streaming<T, E>) -> Vec<T> {
    let (items, error) = collect(stream).await;
    assert!(error.is_none(), "{error:?}");
    items
}

/// A stream that never has anything.
fn silence<T: Send>() -> impl Stream<Item = T> + Send {
    stream::pending()
}

/// A stream of these numbers, and then nothing for ever.
fn then_silence(numbers: std::ops::Range<u64>) -> impl Stream<Item = u64> + Send {
    stream::iter(numbers).chain(stream::pending())
}

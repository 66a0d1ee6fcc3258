//! Many peers at the limit of a memory, their connections polled by hand and looked at after every turn: what one that
//! was told to go still holds is not taken by others meanwhile.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use rpc_macros::rpc_service;
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    task::yield_now,
};

use crate::{
    codec::CodecKind,
    connection::{Connection, Ended, Endpoint},
    limits::Limits,
    metadata::Metadata,
    router::Router,
    transport::Transport,
    wire::{self, Kind, RequestHeader},
};

const MIB: usize = 1 << 20;
/// The largest part.
const PART: usize = 65_536;
/// What messages announce.
const TOTAL: usize = MIB;
/// What a thread may be above the limit by, as users are told: what it takes before it tells, and one message.
const ABOVE: usize = MIB + TOTAL;

#[rpc_service(crate = "crate")]
trait Sink {
    async fn take(&self, bytes: Vec<u8>) -> u64;
}

struct Nowhere;

impl Sink for Nowhere {
    async fn take(&self, bytes: Vec<u8>) -> u64 {
        bytes.len() as u64
    }
}

/// A connection that is polled by hand, and what its peer writes to.
struct Served {
    peer: DuplexStream,
    _connection: Connection,
    running: Option<Pin<Box<dyn Future<Output = Ended>>>>,
}

impl Served {
    async fn accept(endpoint: &Arc<Endpoint>) -> Self {
        let (mut peer, far) = tokio::io::duplex(16 * MIB);
        let hello = br#"{"versions":{"min":1,"max":1},"codec":"bincode"}"#;
        let magic = [0xF5, b'R', b'P', b'C', 0x0D, 0x0A, 0x1A, 0x0A, hello.len() as u8, 0];
        peer.write_all(&[&magic[..], hello].concat()).await.unwrap();
        let (connection, running) = Connection::accept(Transport::new(far, "peer"), endpoint).await.unwrap();
        Self { peer, _connection: connection, running: Some(Box::pin(running)) }
    }

    /// So many messages begin.
    async fn begins(&mut self, messages: u64, bytes: usize) {
        let total = Some(TOTAL as u64);
        let metadata = Cow::Owned(Metadata::new());
        let header = RequestHeader { service: "Sink", method: "take", timeout: None, total, metadata };
        let mut out = Vec::new();
        for message in 1..=messages {
            wire::put_request(&mut out, 2 * message, &header, &vec![0; bytes], true);
        }
        self.peer.write_all(&out).await.unwrap();
    }

    /// Each of them goes on.
    async fn goes_on(&mut self, messages: u64, bytes: usize) {
        let mut out = Vec::new();
        for message in 1..=messages {
            wire::put_head(&mut out, Kind::Request, 2 * message, true, &[], bytes);
            out.extend(vec![0; bytes]);
        }
        self.peer.write_all(&out).await.unwrap();
    }

    /// One turn.
    async fn turn(&mut self) {
        yield_now().await;
        let Some(running) = &mut self.running else { return };
        let mut cx = Context::from_waker(Waker::noop());
        if running.as_mut().poll(&mut cx).is_ready() {
            self.running = None;
        }
    }
}

fn endpoint(memory: usize) -> Arc<Endpoint> {
    let mut router = Router::default();
    router.register(&SinkServer::new(Nowhere)).unwrap();
    let limits = Limits::default().request_window(1 << 31);
    Arc::new(Endpoint::new(limits, memory, router).listening("", vec![CodecKind::Bincode]))
}

/// Gives each a turn after the other, until nobody takes anything, and finds the most that was held.
async fn rounds(endpoint: &Endpoint, all: &mut [Served]) -> usize {
    let mut most = 0;
    for _ in 0..100 {
        for served in &mut *all {
            served.turn().await;
            most = most.max(endpoint.accounts.held());
        }
    }
    most
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_on_until_those_who_were_told_to_go_have_given_back() {
    const LIMIT: usize = 4 * MIB;
    let endpoint = endpoint(LIMIT);
    let mut all = Vec::new();
    for _ in 0..40 {
        let mut served = Served::accept(&endpoint).await;
        served.begins(4, 4_096).await;
        all.push(served);
    }
    let most = rounds(&endpoint, &mut all).await;
    assert_eq!(most, 40 * 4 * 4_096);
    for served in &mut all {
        for _ in 0..15 {
            served.goes_on(4, PART).await;
        }
    }
    let most = rounds(&endpoint, &mut all).await;
    assert!(endpoint.accounts.stats().closed.memory > 30, "{:?}", endpoint.accounts.stats());
    assert!((LIMIT..=LIMIT + ABOVE).contains(&most), "{most} bytes were held");
}

#[tokio::test(start_paused = true)]
async fn a_block_that_lets_many_messages_grow_waits_as_well() {
    const LIMIT: usize = 16 * MIB;
    let endpoint = endpoint(LIMIT);
    let mut all = vec![Served::accept(&endpoint).await, Served::accept(&endpoint).await];
    all[0].begins(66, PART).await;
    all[1].begins(96, PART).await;
    rounds(&endpoint, &mut all).await;
    // A byte more doubles their memory.
    all[0].goes_on(66, 1).await;
    let most = rounds(&endpoint, &mut all).await;
    assert!((14 * MIB..LIMIT).contains(&most), "{most} bytes were held");
    all[1].goes_on(96, 1).await;
    let most = rounds(&endpoint, &mut all).await;
    assert_eq!(endpoint.accounts.stats().closed.memory, 1, "the one that holds most");
    assert!((LIMIT..=LIMIT + ABOVE).contains(&most), "{most} bytes were held");
    let held = endpoint.accounts.held();
    assert!((12 * MIB..13 * MIB).contains(&held), "the rest was taken in time: {held} bytes are held");
    assert!(all[1].running.is_some());
}

#[tokio::test(start_paused = true)]
async fn one_that_can_not_give_back_holds_the_others_up_for_a_moment_only() {
    let endpoint = endpoint(4 * MIB);
    let mut all = vec![Served::accept(&endpoint).await, Served::accept(&endpoint).await];
    all[0].begins(44, PART).await;
    all[1].begins(3, PART).await;
    rounds(&endpoint, &mut all).await;
    all[0].goes_on(20, 1).await;
    all[0].turn().await;
    assert!(endpoint.accounts.is_giving_back(), "it was told to go, and gets no further turn");
    let held = endpoint.accounts.held();
    all[1].goes_on(3, 1).await;
    for _ in 0..10 {
        all[1].turn().await;
        tokio::time::advance(Duration::from_millis(9)).await;
    }
    assert_eq!(endpoint.accounts.held(), held);
    tokio::time::advance(Duration::from_millis(10)).await;
    all[1].turn().await;
    assert!(endpoint.accounts.held() >= held + 3 * PART, "the other is read on");
    assert_eq!(endpoint.accounts.stats().connections, 2);
}

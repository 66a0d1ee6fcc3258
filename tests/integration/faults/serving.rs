//! The engine of the serving side under hostile peers and slow handlers: who is told when a place is free, when there
//! is room to write, when a call was stopped (A15, A22, A23, A34, E3).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{Limits, Server, Service, rpc_service};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};

use super::{
    a21_a38_service::{Waits, promptly, spawn, within},
    peer_b::{Ending, Peer, cancel, go_away, kind, ping, request},
};

#[rpc_service]
trait Engine {
    /// 64 KiB from the runner.
    #[rpc(inline)]
    async fn large(&self) -> Vec<u8>;
    /// 64 KiB from a task.
    #[rpc(task)]
    async fn large_in_task(&self) -> Vec<u8>;
    /// Never returns, and blocks its thread when it is dropped.
    #[rpc(inline)]
    async fn slow_to_drop(&self);
    /// Blocks its thread.
    #[rpc(inline)]
    async fn block(&self);
    #[rpc(inline)]
    async fn quick(&self);
    #[rpc(task)]
    async fn quick_in_task(&self);
    /// Never returns.
    #[rpc(task)]
    async fn hang(&self);
}

const BLOCKED: Duration = Duration::from_millis(500);

#[derive(Clone, Default)]
struct Counts(Arc<Inner>);

#[derive(Default)]
struct Inner {
    made: AtomicUsize,
    live: AtomicUsize,
    dropped: AtomicUsize,
}

struct Live(Counts);

impl Counts {
    fn enter(&self) -> Live {
        self.0.live.fetch_add(1, SeqCst);
        Live(self.clone())
    }

    fn service(&self) -> impl Service + use<> {
        EngineServer::new(self.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.0.live.fetch_sub(1, SeqCst);
    }
}

struct SlowDrop(Live);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        std::thread::sleep(BLOCKED);
        self.0.0.0.dropped.fetch_add(1, SeqCst);
    }
}

impl Engine for Counts {
    async fn large(&self) -> Vec<u8> {
        self.0.made.fetch_add(1, SeqCst);
        vec![7; 64 << 10]
    }
    async fn large_in_task(&self) -> Vec<u8> {
        self.large().await
    }
    async fn slow_to_drop(&self) {
        let _slow = SlowDrop(self.enter());
        std::future::pending::<()>().await;
    }
    async fn block(&self) {
        std::thread::sleep(BLOCKED);
    }
    async fn quick(&self) {}
    async fn quick_in_task(&self) {}
    async fn hang(&self) {
        let _live = self.enter();
        std::future::pending::<()>().await;
    }
}

async fn over_pipe(counts: &Counts, limits: Limits) -> Peer<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    spawn(Server::builder().service(counts.service()).limits(limits).serve_connection(theirs, "client"));
    Peer::dial(ours).await
}

async fn over_tcp(counts: &Counts, limits: Limits) -> String {
    let server = Server::builder().service(counts.service()).limits(limits).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address()["tcp://".len()..].to_owned();
    spawn(server.serve());
    address
}

async fn dial(address: &str) -> Peer<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    Peer::dial(socket).await
}

/// Waits until something holds, with a bound.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}: not within 10 s");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// So many answers with a value, each soon after the one before: a clock that looks for what was forgotten is slower.
async fn answers(peer: &mut Peer<impl AsyncRead + AsyncWrite + Unpin>, count: usize) {
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < count {
        let frame = promptly("the next answer", peer.next()).await.unwrap();
        if frame.kind == kind::RESPONSE && !frame.more {
            assert!(matches!(frame.ending(), Ending::Ok(_)), "{frame:?}");
            assert!(answered.insert(frame.id), "two answers to {}", frame.id);
        }
    }
}

/// E3. A handler more than may be at work, for each reply that fits into the limit and the pipe.
async fn a_peer_that_reads_nothing(method: &str) {
    let counts = Counts::default();
    let mut peer = over_pipe(&counts, Limits::default().running(4).unsent_responses(256 << 10)).await;
    let requests: Vec<u8> = (1..=200).flat_map(|n| request(2 * n, method, None, &[])).collect();
    peer.send(&requests).await;
    until("handlers are started", || counts.0.made.load(SeqCst) > 0).await;
    // Nothing tells that nothing more happens: a moment of other tasks' turns must do.
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
    let made = counts.0.made.load(SeqCst);
    assert!(made <= 16, "{made} replies of 64 KiB were made for a peer that reads none");
    // And once it reads, all come without any further frame from it.
    answers(&mut peer, 200).await;
}

#[tokio::test]
async fn e3_a_peer_that_reads_nothing_stops_handlers_in_the_runner() {
    a_peer_that_reads_nothing("Engine.large").await;
}

#[tokio::test]
async fn e3_a_peer_that_reads_nothing_stops_handlers_in_tasks() {
    a_peer_that_reads_nothing("Engine.large_in_task").await;
}

/// Whoever makes room may do so in the moment in which a reply is handed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_go_on_whenever_there_is_room_again() {
    let counts = Counts::default();
    let address = over_tcp(&counts, Limits::default().running(4).unsent_responses(1)).await;
    let mut peer = dial(&address).await;
    for round in 0..20 {
        let method = |n| if n % 3 == 0 { "Engine.large_in_task" } else { "Engine.large" };
        let ids = (1..=100).map(|n| 2 * (round * 100 + n));
        let requests: Vec<u8> = ids.flat_map(|id| request(id, method(id), None, &[])).collect();
        peer.send(&requests).await;
        answers(&mut peer, 100).await;
    }
}

/// A15, A34.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_cancelled_handler_that_is_slow_to_drop_delays_no_neighbour_and_is_answered_when_it_is_gone() {
    let counts = Counts::default();
    let mut peer = dial(&over_tcp(&counts, Limits::default()).await).await;
    peer.send(&request(2, "Engine.slow_to_drop", None, &[])).await;
    until("the handler is at work", || counts.0.live.load(SeqCst) == 1).await;
    let mut waits = Waits::new();
    peer.send(&cancel(2)).await;
    for round in 1.. {
        let sent = Instant::now();
        peer.send(&[request(2 + 2 * round, "Engine.quick", None, &[]), ping(round)].concat()).await;
        let (mut missing, mut over) = (2, false);
        while missing > 0 {
            let frame = within("an answer", peer.next()).await.unwrap();
            match frame.kind {
                kind::RESPONSE if frame.id == 2 => over = true,
                kind::RESPONSE | kind::PONG => missing -= 1,
                _ => {}
            }
        }
        waits.note(sent);
        if over {
            break;
        }
    }
    waits.were_short();
    assert_eq!((counts.0.dropped.load(SeqCst), counts.0.live.load(SeqCst)), (1, 0));
}

/// A34.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocked_leaves_its_place_to_who_waited_for_it() {
    let mut peer = dial(&over_tcp(&Counts::default(), Limits::default().running(1)).await).await;
    peer.send(&request(2, "Engine.block", None, &[])).await;
    tokio::time::sleep(BLOCKED / 2).await;
    peer.send(&request(4, "Engine.quick", None, &[])).await;
    answers(&mut peer, 2).await;
}

/// A23. Requests and a good-bye in one write: every answer comes before the end, and the end comes at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_replies_are_out_before_the_stream_ends_and_it_ends_with_them() {
    let address = over_tcp(&Counts::default(), Limits::default()).await;
    for round in 0..500 {
        let mut peer = dial(&address).await;
        let method = if round % 2 == 0 { "Engine.quick" } else { "Engine.quick_in_task" };
        let mut frames: Vec<u8> = (1..=3).flat_map(|n| request(2 * n, method, None, &[])).collect();
        frames.extend(go_away());
        peer.send(&frames).await;
        peer.io.shutdown().await.unwrap();
        let mut answered = 0;
        let all = async {
            while let Some(frame) = peer.next().await {
                answered += usize::from(frame.kind == kind::RESPONSE);
            }
        };
        promptly("the end", all).await;
        assert_eq!(answered, 3, "in round {round}");
    }
}

/// A22.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handler_survives_a_connection_that_is_lost_while_it_is_started() {
    let counts = Counts::default();
    let address = over_tcp(&counts, Limits::default()).await;
    for _ in 0..300 {
        let mut peer = dial(&address).await;
        let requests: Vec<u8> = (1..=20).flat_map(|n| request(2 * n, "Engine.hang", None, &[])).collect();
        peer.send(&requests).await;
    }
    until("all handlers are dropped", || counts.0.live.load(SeqCst) == 0).await;
    // None is started later either.
    let mut peer = dial(&address).await;
    peer.send(&request(2, "Engine.quick", None, &[])).await;
    answers(&mut peer, 1).await;
    until("all handlers are dropped", || counts.0.live.load(SeqCst) == 0).await;
}

/// A19, where the second request would be refused.
#[tokio::test]
async fn an_unknown_method_under_an_id_in_flight_answers_nobody_in_its_stead() {
    let mut peer = over_pipe(&Counts::default(), Limits::default()).await;
    peer.send(&[request(2, "Engine.hang", None, &[]), request(2, "Engine.nobody", None, &[])].concat()).await;
    let frame = within("the end", peer.next()).await.unwrap();
    assert_eq!(frame.kind, kind::GO_AWAY, "{frame:?}");
}

#[tokio::test]
async fn no_room_for_unsent_replies_means_one_after_the_other() {
    let mut peer = over_pipe(&Counts::default(), Limits::default().unsent_responses(0)).await;
    peer.send(&request(2, "Engine.quick", None, &[])).await;
    answers(&mut peer, 1).await;
}

//! E1, E3, E4, E12: peers that call and cancel without end, that never read, and that begin something and fall silent.
//! After each the counters are back where they were and a fresh client is served. E3 at the handlers: `serving.rs`.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, ConnectionState, Limits, Server, ServerHandle, Stats, rpc_service};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

use super::{
    probe::{ProbeClient, Served, client_and_raw_server, until},
    raw::{self, GO_AWAY, MORE, Peer, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, field, frame, names, varint, within},
};

#[rpc_service]
pub(super) trait Flood {
    async fn add(&self, a: u64, b: u64) -> u64;
    /// So many bytes.
    async fn fill(&self, bytes: u64) -> Vec<u8>;
    /// How many bytes came.
    async fn measure(&self, bytes: Vec<u8>) -> u64;
    /// Returns once the gate is open.
    async fn wait(&self) -> u64;
}

struct Handlers(watch::Sender<bool>);

impl Flood for Handlers {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }
    async fn fill(&self, bytes: u64) -> Vec<u8> {
        vec![7; bytes as usize]
    }
    async fn measure(&self, bytes: Vec<u8>) -> u64 {
        bytes.len() as u64
    }
    async fn wait(&self) -> u64 {
        self.0.subscribe().wait_for(|open| *open).await.expect("the server has the sender");
        1
    }
}

/// A server of `Flood`.
pub(super) struct Flooded {
    pub(super) address: String,
    pub(super) handle: ServerHandle,
    gate: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Flooded {
    pub(super) async fn start(limits: Limits, memory: usize) -> Self {
        let gate = watch::Sender::new(false);
        let builder = Server::builder().service(FloodServer::new(Handlers(gate.clone()))).limits(limits).memory(memory);
        let server = builder.bind("tcp://127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_address().to_owned(), server.handle());
        let mut serving = JoinSet::new();
        serving.spawn(async {
            server.serve().await.unwrap();
        });
        Self { address, handle, gate, _serving: serving }
    }

    /// A raw peer behind its handshake, whose system keeps little for it.
    pub(super) async fn peer(&self) -> Peer<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let address = self.address.trim_start_matches("tcp://").parse().unwrap();
        let mut peer = Peer::new(socket.connect(address).await.unwrap());
        peer.dial("bincode").await;
        peer
    }

    pub(super) async fn client(&self) -> FloodClient {
        FloodClient::new(Channel::connect(&self.address).await.unwrap())
    }

    pub(super) async fn serves_a_fresh_client(&self) {
        let fresh = async { assert_eq!(self.client().await.add(20, 22).await.unwrap(), 42) };
        raw::within_time(Duration::from_secs(1), "serving a fresh client", fresh).await;
    }

    /// Waits until the counters say so.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&Stats) -> bool) {
        until(what, || self.handle.stats(), holds).await;
    }

    /// Nothing is left of whatever there was.
    pub(super) async fn is_back_at_its_baseline(&self) {
        self.until("the baseline", |stats| {
            let left = (stats.connections, stats.handshakes, stats.served_in_flight, stats.running);
            (left, stats.memory_held) == ((0, 0, 0, 0), 0)
        })
        .await;
    }
}

/// A request of `Flood` with bincode arguments.
pub(super) fn request(id: u64, method: &str, body: &[u8]) -> Vec<u8> {
    frame(REQUEST, 0, id, &names("Flood", method), body)
}

/// E1: calls that are cancelled as soon as they are made. A peer of this kind does not wait for its answers, so that it
/// needs patience for faults, or it is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_made_and_cancelled_at_once_stay_within_all_limits() {
    const PAIRS: u64 = 20_000;
    const RUNNING: usize = 32;
    let limits = Limits::default().running(RUNNING).protocol_errors(u32::MAX);
    let flooded = Flooded::start(limits, 256 << 20).await;
    let client = flooded.client().await;
    let mut peer = Peer::new(TcpStream::connect(flooded.address.trim_start_matches("tcp://")).await.unwrap());
    peer.dial("bincode").await;
    let (mut reading, mut writing) = peer.into_io().into_split();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = tokio::io::copy(&mut reading, &mut tokio::io::sink()).await;
    });
    tasks.spawn(async move {
        let pair = |id| [request(id, "wait", &[]), frame(raw::CANCEL, 0, id, &[], &[])].concat();
        for n in 1..=PAIRS {
            tokio::io::AsyncWriteExt::write_all(&mut writing, &pair(2 * n)).await.unwrap();
        }
    });
    let (mut most_running, mut most_held) = (0, 0);
    while flooded.handle.stats().connections > 1 {
        assert_eq!(within("an honest call", client.add(1, 2)).await.unwrap(), 3);
        let stats = flooded.handle.stats();
        (most_running, most_held) = (most_running.max(stats.running), most_held.max(stats.memory_held));
    }
    assert!(most_running <= RUNNING + 1, "{most_running} handlers ran");
    assert!(most_held <= 8 << 20, "{most_held} bytes were held");
    let stats = flooded.handle.stats();
    assert!(stats.served_total + stats.refused.in_flight > PAIRS, "all of them were looked at: {stats:?}");
    drop(client);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// E3: what waits for the peer stays within the limit, and the peer is closed by the time that it may take.
#[tokio::test]
async fn a_peer_that_never_reads_is_closed_and_its_output_stays_capped() {
    let stall = Duration::from_secs(1);
    let flooded = Flooded::start(Limits::default().stall_timeout(stall).running(16), 256 << 20).await;
    let mut peer = flooded.peer().await;
    // 64 MB of replies of 16,000 bytes: `FB` and two bytes.
    let requests: Vec<u8> = (1..=4_000).flat_map(|n| request(2 * n, "fill", &[0xFB, 0x80, 0x3E])).collect();
    peer.send(&requests).await;
    let began = Instant::now();
    let most = std::cell::Cell::new(0);
    flooded
        .until("it is closed", |stats| {
            most.set(most.get().max(stats.memory_held));
            stats.closed.silent == 1
        })
        .await;
    assert!(began.elapsed() < 4 * stall, "closed after {:?}", began.elapsed());
    let most = most.get();
    // The limit, a reply of each handler that was at work, the requests, and the buffers of frames.
    assert!((256 << 10..4 << 20).contains(&most), "{most} bytes were held for a peer that reads nothing");
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// E4: calls above the limit wait at their caller, and each ends once.
#[tokio::test]
async fn ten_thousand_calls_above_the_limit_in_flight_wait_and_all_end_once() {
    let flooded = Flooded::start(Limits::default(), 256 << 20).await;
    let client = flooded.client().await;
    let calls: Vec<_> = (0..14_096).map(|_| client.wait().no_timeout().start()).collect();
    let channel = client.channel();
    until("all are there", || channel.stats(), |stats| stats.calls_waiting == 10_000).await;
    flooded.until("and at the server", |stats| stats.served_in_flight == 4_096).await;
    let stats = flooded.handle.stats();
    assert!(stats.running <= 256 && stats.refused.in_flight == 0, "{stats:?}");
    assert!(channel.stats().memory_held > 0, "calls that wait take memory");
    flooded.serves_a_fresh_client().await;
    flooded.gate.send_replace(true);
    for outcome in within("all calls", join_all(calls)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    let stats = channel.stats();
    assert_eq!((stats.calls_total, stats.calls_in_flight, stats.calls_waiting), (14_096, 0, 0));
    assert_eq!((stats.calls_abandoned, stats.late_responses, channel.outstanding_calls()), (0, 0, 0));
    until("the memory is given back", || channel.stats(), |stats| stats.memory_held == 0).await;
    drop(client);
    flooded.is_back_at_its_baseline().await;
    assert_eq!(flooded.handle.stats().served_total, 14_097);
    flooded.serves_a_fresh_client().await;
}

/// E4: a peer that does not keep to the limit is refused call by call, and then closed.
#[tokio::test]
async fn a_peer_that_calls_above_the_limit_in_flight_is_refused_and_then_closed() {
    let flooded = Flooded::start(Limits::default(), 256 << 20).await;
    let mut peer = flooded.peer().await;
    let requests: Vec<u8> = (1..=14_096).flat_map(|n| request(2 * n, "wait", &[])).collect();
    // It is closed before it has sent them all.
    let _ = peer.try_send(&requests).await;
    flooded.until("it is closed", |stats| stats.closed.protocol == 1).await;
    let stats = flooded.handle.stats();
    assert_eq!((stats.refused.in_flight, stats.protocol_faults), (101, 101), "{stats:?}");
    assert_eq!(stats.served_total, 4_096);
    drop(peer);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// E4: with patience for faults all of them are refused, each once and unexecuted.
#[tokio::test]
async fn each_call_above_the_limit_in_flight_is_refused_with_both_numbers() {
    let flooded = Flooded::start(Limits::default().protocol_errors(u32::MAX), 256 << 20).await;
    let mut peer = Peer::new(TcpStream::connect(flooded.address.trim_start_matches("tcp://")).await.unwrap());
    peer.dial("bincode").await;
    let requests: Vec<u8> = (1..=14_096).flat_map(|n| request(2 * n, "wait", &[])).collect();
    for piece in requests.chunks(64 << 10) {
        peer.send(piece).await;
    }
    let mut refused = std::collections::BTreeSet::new();
    while refused.len() < 10_000 {
        let reply = peer.frame_of(RESPONSE).await;
        assert_eq!((reply.code(), reply.is_not_executed()), (RESOURCE_EXHAUSTED, true), "{reply:?}");
        // More than the limit by those that were refused and have not read it.
        let text = reply.message();
        assert!(text.starts_with("in_flight: ") && text.ends_with(" are in flight, the limit is 4096"), "{text}");
        assert!(refused.insert(reply.id), "two answers to {}", reply.id);
    }
    assert_eq!(flooded.handle.stats().refused.in_flight, 10_000);
    flooded.gate.send_replace(true);
    for _ in 0..4_096 {
        assert!(peer.frame_of(RESPONSE).await.is_value());
    }
    drop(peer);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// Half a frame, and a message of which the last part never comes; on a connection with nothing else.
fn halves(kind: u8, id: u64, header: &[u8]) -> [Vec<u8>; 3] {
    let first = [header, &field(5, &varint(100_000))[..]].concat();
    [
        frame(kind, 0, id, header, &[1, 2])[..10].to_vec(),
        frame(kind, 0, id, header, &[1; 1_000])[..500].to_vec(),
        frame(kind, MORE, id, &first, &[0; 50_000]),
    ]
}

/// E12, at the accepting side, whose time is paused.
#[tokio::test(start_paused = true)]
async fn a_peer_that_begins_a_frame_or_message_and_falls_silent_is_closed_after_ten_seconds() {
    for (number, half) in halves(REQUEST, 2, &names("Probe", "echo")).into_iter().enumerate() {
        let (mut peer, served) = Served::pipe(1 << 20);
        peer.dial("bincode").await;
        // Long idle before it begins.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let began = Instant::now();
        peer.send(&half).await;
        let reason = served.ended().await.unwrap();
        let (after, text) = (began.elapsed().as_millis(), reason.message());
        assert!((10_000..=15_000).contains(&after), "half {number} after {after} ms");
        assert!(text.contains("silent") && text.contains("stall_timeout, 10s"), "half {number}: {text}");
    }
}

/// E12, at the dialling side: a call in flight, or none.
#[tokio::test(start_paused = true)]
async fn a_server_that_begins_a_frame_or_message_and_falls_silent_is_lost_after_ten_seconds() {
    for (number, half) in halves(RESPONSE, 0, &[]).into_iter().enumerate() {
        for with_call in [true, false] {
            let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            let began = Instant::now();
            let probe = ProbeClient::new(channel.clone());
            let call = with_call.then(|| probe.add(1, 2).no_timeout().start());
            let mut bytes = half.clone();
            if with_call {
                let id = raw.frame_of(REQUEST).await.id;
                if bytes.len() > 16 {
                    bytes[8..16].copy_from_slice(&id.to_le_bytes());
                }
            } else if number == 2 {
                // Parts for no call are a fault each and held by nobody.
                continue;
            }
            raw.send(&bytes).await;
            let mut state = channel.watch_state();
            let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
            raw::within_time(Duration::from_secs(60), "its end", closed).await.unwrap();
            let after = began.elapsed().as_millis();
            assert!((10_000..=15_000).contains(&after), "half {number} after {after} ms");
            if let Some(call) = call {
                let status = call.await.unwrap_err();
                assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
                assert!(status.message().contains("stall_timeout, 10s"), "{status}");
            }
            let stats = channel.stats();
            let left = (stats.connections, stats.calls_in_flight, stats.memory_held);
            assert_eq!((left, stats.closed.silent), ((0, 0, 0), 1), "half {number}");
        }
    }
}

/// E12 over sockets: what was held is given back, and the peer is told why.
#[tokio::test]
async fn what_a_silent_peer_had_begun_is_given_back_and_the_peer_is_told() {
    let limits = Limits::default().stall_timeout(Duration::from_millis(400));
    let flooded = Flooded::start(limits, 256 << 20).await;
    for half in halves(REQUEST, 2, &names("Flood", "measure")) {
        let mut peer = flooded.peer().await;
        peer.send(&half).await;
        let last = raw::frames(&peer.rest().await).pop().expect("a good-bye");
        assert_eq!((last.kind, last.code()), (GO_AWAY, raw::UNAVAILABLE), "{last:?}");
        assert!(last.message().contains("stall_timeout, 400ms"), "{last:?}");
        flooded.is_back_at_its_baseline().await;
    }
    assert_eq!(flooded.handle.stats().closed.silent, 3);
    flooded.serves_a_fresh_client().await;
}

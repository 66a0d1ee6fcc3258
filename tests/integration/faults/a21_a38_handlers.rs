//! Handlers that never return, that block their thread, and that come all at once (A26, A34, A35).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle, Runtime},
};

use super::{
    a21_a38_service::{FaultsClient, Seen, Waits, over_pipe, serve, serve_pipe, serves, settled, spawn, within},
    peer_b::{Ending, Peer, kind, ping, request},
};

/// A26.
#[tokio::test]
async fn a_thousand_handlers_that_never_return_are_dropped_by_the_servers_own_deadline() {
    let seen = Seen::new();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    serve_pipe(&seen, theirs);
    let mut peer = Peer::dial(ours).await;
    peer.send(&request(2, "Faults.add", None, &[1, 2])).await;
    peer.next_of(kind::RESPONSE).await.unwrap();
    let tasks = Handle::current().metrics().num_alive_tasks();
    let ids = (2..1_002).map(|n| 2 * n);
    let requests: Vec<u8> = ids.clone().flat_map(|id| request(id, "Faults.hang", Some(300_000), &[])).collect();
    peer.send(&requests).await;
    seen.live(256).await;
    let (mut answered, mut unknown) = (Vec::new(), 0);
    for _ in 0..1_000 {
        let reply = within("every call ends", peer.next_of(kind::RESPONSE)).await.unwrap();
        let Ending::Status { code, message, not_executed } = reply.ending() else { panic!("it has a status") };
        assert_eq!(code, 4, "{message}");
        unknown += u64::from(!not_executed);
        answered.push(reply.id);
    }
    answered.sort_unstable();
    assert_eq!(answered, ids.collect::<Vec<_>>(), "each call has one terminal frame");
    assert_eq!(unknown, seen.entered(), "those that waited for a place say that they did not run");
    seen.live(0).await;
    peer.send(&request(4_000, "Faults.add", None, &[1, 2])).await;
    let reply = within("a later call", peer.next()).await.unwrap();
    assert_eq!((reply.id, reply.ending()), (4_000, Ending::Ok(vec![3])));
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
}

/// A26.
#[tokio::test]
async fn a_thousand_calls_of_handlers_that_never_return_end_at_their_deadline_and_leave_nothing() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let calls = (0..1_000).map(|_| client.hang().timeout(Duration::from_millis(300)));
    for outcome in within("all calls end", join_all(calls)).await {
        assert_eq!(outcome.unwrap_err().code(), Code::DeadlineExceeded);
    }
    seen.live(0).await;
    settled(client.channel()).await;
    assert_eq!(within("a later call", client.add(1, 2)).await.unwrap(), 3);
    serves(&address).await;
}

const BLOCKED: u64 = 2_000;
/// `BLOCKED` in bincode.
const BLOCKED_ARGUMENT: [u8; 3] = [0xFB, 0xD0, 0x07];

fn several_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

async fn dial(address: &str) -> Peer<TcpStream> {
    let socket = TcpStream::connect(&address["tcp://".len()..]).await.expect("it connects");
    socket.set_nodelay(true).expect("a TCP socket");
    Peer::dial(socket).await
}

/// While the call `blocked` is unanswered: calls and Ping one after the other, each answered promptly.
async fn neighbours_are_served(peer: &mut Peer<TcpStream>, blocked: u64) {
    let mut waits = Waits::new();
    for round in 1_u64.. {
        let sent = Instant::now();
        let id = 1_000_000 + 4 * round;
        let mut frames = request(id, "Faults.add", None, &[1, 2]);
        frames.extend(request(id + 2, "Faults.add_in_task", None, &[3, 4]));
        frames.extend(ping(round));
        peer.send(&frames).await;
        let (mut missing, mut over) = (3, false);
        while missing > 0 {
            let frame = within("an answer", peer.next()).await.expect("it is answered");
            match frame.kind {
                kind::RESPONSE if frame.id == blocked => over = true,
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
}

/// A34.
#[test]
fn a_handler_that_blocks_on_the_first_call_of_its_method_delays_no_neighbour() {
    let server = several_workers();
    let seen = Seen::new();
    let (address, _handle) = server.block_on(serve(&seen));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut peer = dial(&address).await;
        peer.send(&request(2, "Faults.block", None, &BLOCKED_ARGUMENT)).await;
        neighbours_are_served(&mut peer, 2).await;
        serves(&address).await;
    });
}

/// A34.
#[test]
fn a_handler_that_blocks_delays_nobody_whose_call_came_in_the_same_read() {
    let server = several_workers();
    let seen = Seen::new();
    let (address, _handle) = server.block_on(serve(&seen));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut peer = dial(&address).await;
        let (mut waits, sent) = (Waits::new(), Instant::now());
        let mut frames = Vec::new();
        for id in 1..=20 {
            let (name, body) = match id {
                10 => ("Faults.block", &BLOCKED_ARGUMENT[..]),
                _ => ("Faults.add_in_task", &[1, 2][..]),
            };
            frames.extend(request(2 * id, name, None, body));
        }
        frames.extend(ping(7));
        peer.send(&frames).await;
        for _ in 0..20 {
            let frame = within("an answer", peer.next()).await.unwrap();
            assert!(matches!(frame.kind, kind::RESPONSE | kind::PONG) && frame.id != 20, "{frame:?}");
            waits.note(sent);
        }
        waits.were_short();
        neighbours_are_served(&mut peer, 20).await;
        serves(&address).await;
    });
}

/// A34.
#[test]
fn a_handler_that_blocks_after_a_thousand_quick_calls_of_its_method_delays_no_neighbour() {
    let server = several_workers();
    let seen = Seen::new();
    let (address, _handle) = server.block_on(serve(&seen));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut peer = dial(&address).await;
        for id in 1..=1_000 {
            peer.send(&request(2 * id, "Faults.block", None, &[0])).await;
            within("a quick call", peer.next_of(kind::RESPONSE)).await.unwrap();
        }
        peer.send(&request(4_000, "Faults.block", None, &BLOCKED_ARGUMENT)).await;
        neighbours_are_served(&mut peer, 4_000).await;
        serves(&address).await;
    });
}

/// A34, with client and server on one runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_delays_no_other_call_of_its_client() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let blocked = client.block(BLOCKED).start();
    let neighbour = spawn(async move {
        let (mut waits, began) = (Waits::new(), Instant::now());
        while began.elapsed() < Duration::from_millis(BLOCKED / 2) {
            let sent = Instant::now();
            assert_eq!(client.add_in_task(1, 2).await.expect("it is answered"), 3);
            waits.note(sent);
        }
        waits.were_short();
        client
    });
    let client = within("the neighbours", neighbour).await.unwrap();
    assert_eq!(within("the one that blocks", blocked).await.unwrap(), BLOCKED);
    settled(client.channel()).await;
    serves(&address).await;
}

/// A35. The second thousand is polled in the connection's runner, which the method has earned by then.
#[tokio::test]
async fn a_thousand_handlers_in_one_read_that_each_take_a_lock_all_finish_promptly() {
    let seen = Seen::new();
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    serve_pipe(&seen, theirs);
    let mut peer = Peer::dial(ours).await;
    for round in 0..5 {
        let ids = (1..=1_000).map(|n| 2 * (round * 1_000 + n));
        let requests: Vec<u8> = ids.clone().flat_map(|id| request(id, "Faults.lock", None, &[])).collect();
        let sent = Instant::now();
        peer.send(&requests).await;
        let (mut answered, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..1_000 {
            let reply = within("every call ends", peer.next_of(kind::RESPONSE)).await.unwrap();
            assert!(matches!(reply.ending(), Ending::Ok(_)), "{reply:?}");
            answered.push(reply.id);
            counts.push(reply.body);
        }
        assert!(sent.elapsed() < Duration::from_secs(1), "it took {:?}", sent.elapsed());
        answered.sort_unstable();
        assert_eq!(answered, ids.collect::<Vec<_>>());
        counts.sort();
        counts.dedup();
        assert_eq!(counts.len(), 1_000, "each took the lock once");
    }
}

/// A35.
#[tokio::test]
async fn a_thousand_calls_of_a_client_that_each_take_a_lock_all_finish_promptly() {
    let client = over_pipe(&Seen::new(), 1 << 16).await;
    for round in 0..5 {
        let sent = Instant::now();
        let counts = within("all calls end", join_all((0..1_000).map(|_| client.lock()))).await;
        assert!(sent.elapsed() < Duration::from_secs(1), "it took {:?}", sent.elapsed());
        let mut counts: Vec<_> = counts.into_iter().map(Result::unwrap).collect();
        counts.sort_unstable();
        assert_eq!(counts, (round * 1_000 + 1..=round * 1_000 + 1_000).collect::<Vec<_>>());
    }
    settled(client.channel()).await;
}

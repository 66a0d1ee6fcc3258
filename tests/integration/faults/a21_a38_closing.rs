//! Connections that break, that are ended in an orderly way by one side, and servers that end (A22 to A25).

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, ConnectionState, Drained, Server};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};

use super::{
    a21_a38_service::{FaultsClient, Seen, against_peer, serve, serve_pipe, serves, settled, spawn, within},
    peer_b::{Ending, Peer, go_away, kind, request, response},
};

/// Descriptors of this process. Other tests may hold some, so that only many more mean something.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the system tells").count()
}

/// Bytes of memory that this process has from the system.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the system tells");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4_096
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let wait = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    within(what, wait).await;
}

/// A22.
#[tokio::test]
async fn a_thousand_connections_that_the_server_broke_leave_no_descriptor_although_their_channels_live() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let breaker = spawn(async move {
        loop {
            let mut peer = Peer::accept(listener.accept().await.expect("a connection").0).await;
            peer.next_of(kind::REQUEST).await.expect("a call");
        }
    });
    let before = descriptors();
    let mut channels = Vec::new();
    for _ in 0..1_000 {
        let channel = Channel::connect(&address).await.unwrap();
        let status = within("the call ends", FaultsClient::new(channel.clone()).add(1, 2)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.may_have_run());
        channels.push(channel);
    }
    until("the descriptors are given back", || descriptors() < before + 50).await;
    assert_eq!(channels.iter().map(Channel::outstanding_calls).sum::<usize>(), 0);
    breaker.abort();
}

/// A22.
#[tokio::test]
async fn a_thousand_connections_that_their_clients_broke_leave_no_descriptor_and_no_handler() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let before = descriptors();
    for round in 0..1_000 {
        let mut peer = Peer::dial(TcpStream::connect(&address["tcp://".len()..]).await.unwrap()).await;
        peer.send(&request(2, "Faults.hang", None, &[])).await;
        until("the handler runs", || seen.entered() == round + 1).await;
    }
    seen.live(0).await;
    until("the descriptors are given back", || descriptors() < before + 50).await;
    serves(&address).await;
}

/// A22.
#[tokio::test]
async fn the_arguments_of_calls_are_freed_with_their_connection_before_anybody_looks_at_the_outcomes() {
    const ROUNDS: usize = 10;
    const CALLS: usize = 32;
    const SIZE: usize = 2 << 20;
    let before = resident();
    let mut unseen = Vec::new();
    for _ in 0..ROUNDS {
        let (client, peer) = against_peer(Channel::builder(), 4_096).await;
        let mut state = client.channel().watch_state();
        unseen.push((0..CALLS).map(|_| client.echo(vec![1; SIZE]).start()).collect::<Vec<_>>());
        assert!(resident() > before + CALLS * SIZE / 2, "the arguments take memory");
        drop(peer);
        let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
        within("the loss is told", closed).await.unwrap();
        assert_eq!(client.channel().outstanding_calls(), CALLS);
    }
    // The memory of each round was there for the next one, whether or not the system has it back.
    let taken = resident() - before;
    assert!(taken < 2 * CALLS * SIZE, "{taken} bytes are taken");
    for outcome in within("all calls end", join_all(unseen.into_iter().flatten())).await {
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    }
}

/// A23.
#[tokio::test]
async fn a_client_that_says_good_bye_and_ends_its_stream_still_gets_its_reply() {
    let seen = Seen::new();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let served = serve_pipe(&seen, theirs);
    let mut peer = Peer::dial(ours).await;
    peer.send(&request(2, "Faults.wait", None, &[])).await;
    seen.live(1).await;
    peer.send(&go_away()).await;
    peer.io.shutdown().await.unwrap();
    within("the server's good-bye", peer.next_of(kind::GO_AWAY)).await.expect("it answers the good-bye");
    seen.open_gate();
    let reply = within("the reply", peer.next_of(kind::RESPONSE)).await.expect("it answers the call");
    assert_eq!((reply.id, reply.ending()), (2, Ending::Ok(vec![1])));
    assert_eq!(within("the end", peer.next()).await, None);
    within("the server's end", served).await.unwrap().unwrap();
    seen.live(0).await;
}

/// A23.
#[tokio::test]
async fn an_end_of_stream_without_good_bye_drops_the_handlers_at_once() {
    let seen = Seen::new();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let served = serve_pipe(&seen, theirs);
    let mut peer = Peer::dial(ours).await;
    for id in 1..=100 {
        peer.send(&request(2 * id, "Faults.hang", None, &[])).await;
    }
    seen.live(100).await;
    peer.io.shutdown().await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), seen.live(0)).await.expect("the handlers are dropped at once");
    let reason = within("the server's end", served).await.unwrap().unwrap();
    assert!(reason.message().contains("without a good-bye"), "{reason}");
}

/// A23, seen from the client: the server half-closes.
#[tokio::test]
async fn replies_that_come_before_the_end_of_the_servers_stream_are_delivered_and_the_others_unknown() {
    let (client, mut peer) = against_peer(Channel::builder(), 1 << 16).await;
    let (first, second) = (client.add(1, 2).start(), client.add(3, 4).start());
    let ids = [peer.next().await.unwrap().id, peer.next().await.unwrap().id];
    peer.send(&go_away()).await;
    peer.send(&response(ids[0], &[3])).await;
    peer.io.shutdown().await.unwrap();
    assert_eq!(within("the first", first).await.unwrap(), 3);
    let status = within("the second", second).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.may_have_run());
    let status = within("a later call", client.add(5, 6)).await.unwrap_err();
    assert!(!status.may_have_run());
    settled(client.channel()).await;
}

/// A24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_under_load_finishes_what_was_accepted_and_refuses_the_rest_unexecuted() {
    let seen = Seen::new();
    let server = Server::builder().service(seen.service()).bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = spawn(server.serve());
    let channels = join_all((0..4).map(|_| Channel::connect(&address))).await;
    let channels: Vec<_> = channels.into_iter().map(Result::unwrap).collect();
    let callers = channels.iter().cycle().take(32).cloned().map(|channel| {
        spawn(async move {
            let client = FaultsClient::new(channel);
            for answered in 0_u64.. {
                match client.add(answered, 1).await {
                    Ok(sum) => assert_eq!(sum, answered + 1),
                    Err(status) => return (answered, status),
                }
            }
            unreachable!("the server ends before the numbers do")
        })
    });
    let callers: Vec<_> = callers.collect();
    until("the load", || seen.executed() > 2_000).await;
    handle.shut_down();
    let mut answered = 0;
    for caller in within("all callers end", join_all(callers)).await {
        let (count, status) = caller.unwrap();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(!status.may_have_run(), "{status}");
        answered += count;
    }
    assert_eq!(seen.executed(), answered, "every call that ran was answered");
    assert_eq!(within("the server ends", serving).await.unwrap().unwrap(), Drained::default());
    for channel in &channels {
        settled(channel).await;
    }
}

/// A24.
#[tokio::test]
async fn calls_that_wait_in_their_handlers_are_answered_after_the_shutdown_began() {
    let seen = Seen::new();
    let server = Server::builder().service(seen.service()).bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let serving = spawn(server.serve());
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let accepted: Vec<_> = (0..300).map(|_| client.wait().start()).collect();
    seen.live(256).await;
    let mut state = client.channel().watch_state();
    handle.shut_down();
    within("draining is told", state.wait_for(|state| *state == ConnectionState::Draining)).await.unwrap();
    let refused = client.add(1, 2).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false), "{refused}");
    seen.open_gate();
    for outcome in within("all are answered", join_all(accepted)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    assert_eq!(within("the server ends", serving).await.unwrap().unwrap(), Drained::default());
    settled(client.channel()).await;
}

/// A25.
#[tokio::test]
async fn serve_returns_once_the_server_is_ended_and_its_address_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("a25.sock");
    let unix = format!("unix://{}", socket.display());
    let mut address = "tcp://127.0.0.1:0".to_owned();
    for wanted in [&mut address, &mut unix.clone(), &mut "mem://a25".to_owned()] {
        for _ in 0..2 {
            let seen = Seen::new();
            let server = Server::builder().service(seen.service()).bind(wanted).await.unwrap();
            let (bound, handle) = (server.local_address().to_owned(), server.handle());
            let serving = spawn(server.serve());
            serves(&bound).await;
            handle.shut_down();
            assert_eq!(within("serve returns", serving).await.unwrap().unwrap(), Drained::default());
            let refused = Channel::connect(&bound).await.unwrap_err();
            assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false), "{refused}");
            *wanted = bound;
        }
    }
    assert!(!Path::new(&socket).exists(), "the socket's file is removed");
}

//! Keepalive, in paused time and against a peer that falls silent.

use std::time::Duration;

use rpc_runtime::{Channel, Code, ConnectionState, Limits, Server};
use tokio::{
    io::DuplexStream,
    time::{Instant, sleep, timeout},
};

use super::{Here, ProbeClient, ProbeServer, spawn, within};
use crate::faults::peer_b::{Peer, kind, ping, request, response};

async fn silent(limits: Limits) -> (ProbeClient, Peer<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (channel, peer) =
        tokio::join!(Channel::builder().limits(limits).timeout(None).handshake(ours, "peer"), Peer::accept(theirs));
    (ProbeClient::new(channel.expect("it connects")), peer)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_with_calls_in_flight_is_asked_and_then_lost() {
    let (probe, mut peer) = silent(Limits::default()).await;
    let began = Instant::now();
    let running = probe.hang().start();
    peer.next_of(kind::REQUEST).await.unwrap();
    within("the question", peer.next_of(kind::PING)).await.unwrap();
    let asked = began.elapsed().as_secs();
    assert!((30..=35).contains(&asked), "asked after {asked} s");
    let status = within("the call", running).await.unwrap_err();
    let lost = began.elapsed().as_secs();
    assert!((40..=50).contains(&lost), "lost after {lost} s");
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
    assert!(status.message().contains("keepalive") && status.message().contains("10s"), "{status}");
    assert!(matches!(probe.channel().state(), ConnectionState::Closed(_)));
    assert_eq!(probe.channel().outstanding_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_any_sign_of_life_may_take_its_time() {
    let (probe, mut peer) = silent(Limits::default().keepalive(Duration::from_secs(3), Duration::from_secs(1))).await;
    let running = probe.add(1, 2).start();
    let id = peer.next_of(kind::REQUEST).await.unwrap().id;
    for _ in 0..100 {
        within("the question", peer.next_of(kind::PING)).await.unwrap();
        // Not even a Pong: a Ping of its own.
        peer.send(&ping(1)).await;
        within("its answer", peer.next_of(kind::PONG)).await.unwrap();
    }
    peer.send(&response(id, &[3])).await;
    assert_eq!(within("the call", running).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_left_alone_for_days() {
    let (probe, mut peer) = silent(Limits::default()).await;
    let quiet = timeout(Duration::from_secs(3 * 24 * 3600), peer.next()).await;
    assert!(quiet.is_err(), "nothing was sent: {quiet:?}");
    assert_eq!(probe.channel().state(), ConnectionState::Ready);
    let running = probe.add(1, 2).start();
    let id = peer.next_of(kind::REQUEST).await.unwrap().id;
    sleep(Duration::from_secs(29)).await;
    peer.send(&response(id, &[3])).await;
    assert_eq!(within("the call", running).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_drops_the_handlers_of_a_client_that_falls_silent() {
    let here = Here::new();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let served = spawn(Server::builder().service(ProbeServer::new(here.clone())).serve_connection(theirs, "client"));
    let mut peer = Peer::dial(ours).await;
    peer.send(&request(2, "Probe.hang", None, &[])).await;
    here.live(1).await;
    within("the question", peer.next_of(kind::PING)).await.unwrap();
    let reason = within("the end", served).await.unwrap().unwrap();
    assert!(reason.message().contains("keepalive"), "{reason}");
    here.live(0).await;
}

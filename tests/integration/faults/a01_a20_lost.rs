//! A10, A11: a connection that is lost.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, ConnectionState};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    a01_a20_desk::{DeskClient, Hall, assert_status, settled, soon, spawn},
    peer_a::{GENEROUS, GO_AWAY, Peer, REQUEST, channel_over_tcp, channel_to_peer, fields},
};

/// Starts ten calls, has the connection lost, and looks at how they and later ones end.
async fn lose<S, F>(channel: Channel, mut peer: Peer<S>, lose: impl FnOnce(Peer<S>) -> F, cause: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future,
{
    let desk = DeskClient::new(channel.clone());
    let pending: Vec<_> = (0..10).map(|ticket| desk.wait(ticket).start()).collect();
    for _ in 0..10 {
        assert_eq!(soon(peer.next()).await.expect("it comes so far").kind, REQUEST);
    }
    let _kept = lose(peer).await;
    for outcome in soon(join_all(pending)).await {
        assert_status(&outcome.expect_err("it fails"), Code::Unavailable, true, cause);
    }
    for _ in 0..2 {
        assert_status(&soon(desk.wait(1)).await.expect_err("it fails"), Code::Unavailable, false, cause);
    }
    settled(&channel).await;
}

/// A10.
#[tokio::test]
async fn calls_of_a_connection_that_ends_without_a_good_bye_name_that() {
    let (channel, peer) = channel_to_peer(1 << 16, GENEROUS).await;
    lose(channel.clone(), peer, |peer| async { drop(peer) }, "without a good-bye").await;
    assert!(matches!(channel.state(), ConnectionState::Closed(status) if status.code() == Code::Unavailable));
}

/// A10.
#[tokio::test]
async fn calls_of_a_connection_that_is_reset_name_that() {
    let (channel, peer) = channel_over_tcp().await;
    let reset = |peer: Peer<TcpStream>| async move {
        socket2::SockRef::from(&peer.io).set_linger(Some(Duration::ZERO)).unwrap();
    };
    lose(channel, peer, reset, "reset").await;
}

/// A10.
#[tokio::test]
async fn calls_of_a_connection_whose_peer_leaves_at_once_name_its_reason() {
    let (channel, peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let leave = |mut peer: Peer<_>| async move {
        peer.send(GO_AWAY, 0, &fields(&[(2, b"the lights went out"), (3, &[13])]), &[]).await;
    };
    lose(channel, peer, leave, "INTERNAL: the lights went out").await;
}

/// A10.
#[tokio::test]
async fn calls_of_a_connection_whose_peer_broke_the_protocol_name_that() {
    let (channel, peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let babble = |mut peer: Peer<_>| async move {
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer
    };
    lose(channel, peer, babble, "broke the protocol").await;
}

/// A10. *Not executed* is a promise: the request must not leave after it was given.
#[tokio::test]
async fn what_a_broken_connection_calls_not_executed_never_reaches_the_peer() {
    for size in [1, 100_000] {
        let (channel, mut peer) = channel_to_peer(1 << 20, GENEROUS).await;
        // The garbage is seen before the request is written.
        peer.write(&[0; 4]).await;
        let call = DeskClient::new(channel.clone()).keep("x".repeat(size)).start();
        let status = soon(call).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        let came = soon(peer.rest()).await.iter().any(|frame| frame.kind == REQUEST);
        assert!(status.may_have_run() || !came, "{size} bytes: {status}");
        settled(&channel).await;
    }
}

/// A10. The same of a peer that had said good-bye, after which it refuses what it reads.
#[tokio::test]
async fn a_request_that_crosses_the_end_of_a_peer_that_left_ends_at_once() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let read_before = desk.wait(1).start();
    soon(peer.next_of(REQUEST)).await;
    peer.send(GO_AWAY, 0, &[], &[]).await;
    peer.io.shutdown().await.unwrap();
    assert_status(&soon(read_before).await.unwrap_err(), Code::Unavailable, true, "before it answered");
    assert_status(&soon(desk.wait(2)).await.unwrap_err(), Code::Unavailable, false, "pipe://peer");
    settled(&channel).await;
}

/// A10.
#[tokio::test]
async fn a_client_that_lost_its_connection_leaves_a_sound_server() {
    for hall in Hall::both("a10").await {
        let address = hall.address.clone();
        let lost = spawn(async move {
            let desk = DeskClient::new(Channel::connect(&address).await.unwrap());
            let _running = [desk.wait(1).start(), desk.wait_inline(1).start()];
            std::future::pending::<()>().await;
        });
        hall.book.until(|tally| tally.started == 2).await;
        lost.abort();
        hall.book.until(|tally| tally.ended == 2).await;
        hall.is_sound(&hall.channel().await).await;
    }
}

/// A11. The end of the stream, a reset, or the last words of the peer: all in the same instant as a new call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_started_as_the_end_is_seen_fails_at_once() {
    for round in 0..1_000_u32 {
        let (channel, peer) = channel_to_peer(1 << 16, GENEROUS).await;
        race(channel, peer, round).await;
    }
}

/// A11. Over a socket, which callers write themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_started_as_the_end_of_a_socket_is_seen_fails_at_once() {
    for round in 0..1_000_u32 {
        let (channel, peer) = channel_over_tcp().await;
        if round % 2 == 0 {
            // Else ports run out in their time of waiting, and a reset is seen another way.
            socket2::SockRef::from(&peer.io).set_linger(Some(Duration::ZERO)).unwrap();
        }
        race(channel, peer, round).await;
    }
}

async fn race<S>(channel: Channel, mut peer: Peer<S>, round: u32)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let desk = DeskClient::new(channel.clone());
    let ending = spawn(async move {
        if round % 3 == 0 {
            peer.send(GO_AWAY, 0, &fields(&[(3, &[14])]), &[]).await;
        }
        // From nothing to a good part of the time that a call takes to be written.
        for _ in 0..(round % 64) * 50 {
            std::hint::spin_loop();
        }
        drop(peer);
    });
    for _ in 0..(round % 7) * 50 {
        std::hint::spin_loop();
    }
    let began = Instant::now();
    let outcomes = soon(join_all([desk.add(1, 2).start(), desk.add(3, 4).start(), desk.add(5, 6).start()])).await;
    for outcome in outcomes {
        assert_eq!(outcome.expect_err("it fails").code(), Code::Unavailable, "in round {round}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "round {round} took {:?}", began.elapsed());
    soon(ending).await.expect("it comes so far");
    settled(&channel).await;
}

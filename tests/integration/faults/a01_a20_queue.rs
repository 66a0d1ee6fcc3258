//! A15: a call that is dropped while it waits for room at the peer.

use std::time::Duration;

use rpc_runtime::{Channel, Code, CodecKind};
use tokio::{net::TcpListener, time::Instant};

use super::{
    a01_a20_desk::{DeskClient, assert_status, settled, soon},
    peer_a::{CREDIT, GENEROUS, Peer, REQUEST, channel_to_peer},
};

/// One call at a time.
const ONE: &str = r#"{"in_flight":1,"request_window":65536}"#;

/// A15.
#[tokio::test]
async fn a_future_dropped_before_it_is_sent_sends_nothing() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    drop(desk.add(1, 2));
    let next = desk.add(3, 4).start();
    let request = soon(peer.next()).await.unwrap();
    assert_eq!((request.kind, &request.body[..]), (REQUEST, &b"[3,4]"[..]));
    peer.answer(request.id, "7").await;
    assert_eq!(soon(next).await.unwrap(), 7);
    settled(&channel).await;
}

/// A15.
#[tokio::test]
async fn a_call_dropped_while_its_channel_dials_sends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let channel = Channel::builder().codec(CodecKind::Json).lazy(&address).unwrap();
    let desk = DeskClient::new(channel.clone());
    let (dropped, kept) = (desk.add(1, 2).start(), desk.add(3, 4).start());
    let (first, _) = soon(listener.accept()).await.unwrap();
    drop(dropped);
    // Whoever dialled has gone: the other call dials again.
    drop(first);
    let (second, _) = soon(listener.accept()).await.unwrap();
    let mut peer = soon(Peer::welcome(second, GENEROUS)).await;
    let request = soon(peer.next()).await.unwrap();
    assert_eq!((request.kind, &request.body[..]), (REQUEST, &b"[3,4]"[..]));
    peer.answer(request.id, "7").await;
    assert_eq!(soon(kept).await.unwrap(), 7);
    settled(&channel).await;
}

/// A15.
#[tokio::test]
async fn a_future_dropped_while_it_is_queued_sends_nothing() {
    let (channel, mut peer) = channel_to_peer(1 << 16, ONE).await;
    let desk = DeskClient::new(channel.clone());
    let first = desk.add(1, 1).start();
    let queued = desk.add(2, 2).start();
    let behind = desk.add(3, 3).start();
    assert_eq!(channel.outstanding_calls(), 3);
    drop(queued);
    assert_eq!(channel.outstanding_calls(), 2);
    for (call, body, reply) in [(first, "[1,1]", 2), (behind, "[3,3]", 6)] {
        let request = soon(peer.next()).await.unwrap();
        assert_eq!(
            (request.kind, &request.body[..]),
            (REQUEST, body.as_bytes()),
            "neither the dropped call nor a cancel"
        );
        peer.answer(request.id, &reply.to_string()).await;
        assert_eq!(soon(call).await.unwrap(), reply);
    }
    settled(&channel).await;
}

/// A15. The one at the head of the queue is too large for the room there is; those behind it are not.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_the_head_of_the_queue_lets_those_behind_it_through_at_once() {
    let (channel, mut peer) = channel_to_peer(1 << 20, r#"{"request_window":65536,"max_message":65536}"#).await;
    let desk = DeskClient::new(channel.clone());
    let first = desk.keep("x".repeat(60_000)).start();
    let head = desk.keep("y".repeat(60_000)).start();
    let behind = desk.add(1, 2).start();
    let large = peer.next_of(REQUEST).await;
    let began = Instant::now();
    drop(head);
    let small = peer.next_of(REQUEST).await;
    assert_eq!(small.body, b"[1,2]");
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing had to be waited for");
    peer.answer(small.id, "3").await;
    peer.answer(large.id, "60000").await;
    assert_eq!((behind.await.unwrap(), first.await.unwrap()), (3, 60_000));
    settled(&channel).await;
}

/// A15. A large request is taken back before a byte of it left: its room is free again.
#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_first_byte_left_gives_its_room_to_those_that_wait() {
    let (channel, mut peer) = channel_to_peer(1 << 20, r#"{"request_window":65536,"max_message":65536}"#).await;
    let desk = DeskClient::new(channel.clone());
    let first = desk.keep("x".repeat(60_000)).start();
    let behind = desk.keep("y".repeat(50_000)).start();
    let began = Instant::now();
    drop(first);
    let request = peer.next().await.unwrap();
    assert_eq!((request.kind, request.body.len()), (REQUEST, 50_004), "nothing is heard of the first");
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing had to be waited for");
    peer.answer(request.id, "50000").await;
    assert_eq!(behind.await.unwrap(), 50_000);
    settled(&channel).await;
}

/// A15. The room of a call that was dropped once it was sent comes back with its terminal frame, not earlier.
#[tokio::test(start_paused = true)]
async fn a_cancelled_call_holds_its_place_until_its_terminal_frame() {
    let (channel, mut peer) = channel_to_peer(1 << 16, ONE).await;
    let desk = DeskClient::new(channel.clone());
    let first = desk.add(1, 1).start();
    let request = peer.next_of(REQUEST).await;
    drop(first);
    let waits = desk.add(2, 2).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_status(&waits, Code::DeadlineExceeded, false, "in_flight: 1 calls");
    let next = desk.add(3, 3).start();
    peer.answer(request.id, "2").await;
    peer.send(CREDIT, 0, &[], &5_u32.to_le_bytes()).await;
    let request = peer.next_of(REQUEST).await;
    assert_eq!(request.body, b"[3,3]");
    peer.answer(request.id, "6").await;
    assert_eq!(next.await.unwrap(), 6);
    settled(&channel).await;
    assert_eq!(channel.late_responses(), 1, "that of the cancelled call");
}

//! A13, A14: a peer that stops reading.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, ConnectionState, Limits};
use tokio::{io::AsyncWriteExt, time::Instant};

use super::{
    a01_a20_desk::{DeskClient, assert_status, settled, soon},
    peer_a::{CANCEL, GENEROUS, GO_AWAY, REQUEST, RESPONSE, channel_over, channel_over_tcp, channel_to_peer},
};

const MS: Duration = Duration::from_millis(1);

/// A13. Small calls, large ones, and some that were never begun.
#[tokio::test(start_paused = true)]
async fn all_calls_end_within_100_ms_when_a_peer_that_does_not_read_ends_its_side() {
    let (channel, mut peer) = channel_to_peer(1_000, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let calls: Vec<_> = (0..40).map(|n| desk.keep("x".repeat(n * 10_000)).start()).collect();
    // The flusher is in the middle of a write that takes no more.
    tokio::time::sleep(50 * MS).await;
    let began = Instant::now();
    peer.io.shutdown().await.unwrap();
    let outcomes = join_all(calls).await;
    assert!(began.elapsed() < 100 * MS, "after {:?}", began.elapsed());
    let mut unknown = 0;
    for outcome in outcomes {
        let status = outcome.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("without a good-bye"), "{status}");
        unknown += usize::from(status.may_have_run());
    }
    assert!((1..40).contains(&unknown), "{unknown}: those of which something was written, and no others");
    settled(&channel).await;
}

/// A13. Nobody waits for a lock that is held during a write: neither who starts a call, nor who drops or closes.
#[tokio::test(start_paused = true)]
async fn a_channel_whose_peer_does_not_read_can_be_used_and_closed() {
    let (channel, mut peer) = channel_to_peer(1_000, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let stuck = desk.keep("x".repeat(1 << 20)).start();
    tokio::time::sleep(50 * MS).await;
    let began = Instant::now();
    let others: Vec<_> = (0..100).map(|n| desk.add(n, n).start()).collect();
    drop(others);
    let last = desk.add(1, 2).start();
    channel.close();
    assert_status(&stuck.await.unwrap_err(), Code::Cancelled, true, "closed here");
    assert_eq!(last.await.unwrap_err().code(), Code::Cancelled);
    assert!(began.elapsed() < 100 * MS, "after {:?}", began.elapsed());
    settled(&channel).await;
    // The good-bye can not be written: it is not waited for without end.
    tokio::time::sleep(2_000 * MS).await;
    let read = Instant::now();
    drop(peer.rest().await);
    assert!(read.elapsed() < MS, "the pipe was let go of");
}

/// A14.
#[tokio::test(start_paused = true)]
async fn a_deadline_covers_queueing_writing_and_waiting() {
    let (channel, mut peer) = channel_to_peer(64 << 10, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let began = Instant::now();
    // 64 MiB, of which the window takes 4 and the pipe a part of one.
    let text = "x".repeat((1 << 20) - 2_000);
    let calls: Vec<_> = (0..64).map(|_| desk.keep(text.clone()).timeout(200 * MS).start()).collect();
    let mut unknown = 0;
    for outcome in join_all(calls).await {
        let status = outcome.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        unknown += usize::from(status.may_have_run());
    }
    let took = began.elapsed();
    assert!((200 * MS..210 * MS).contains(&took), "after {took:?}");
    assert!(unknown <= 4, "{unknown}: only those of which a part had left");
    assert!(channel.outstanding_calls() <= unknown, "the others hold nothing");
    // The connection goes on as soon as the peer reads: the parts that were begun, a cancel for each, a new call.
    let next = desk.add(1, 2).start();
    let (mut begun, mut cancelled) = (Vec::new(), Vec::new());
    let request = loop {
        let frame = peer.next().await.unwrap();
        match frame.kind {
            REQUEST if frame.body == b"[1,2]" => break frame,
            REQUEST if !frame.header.is_empty() => begun.push(frame.id),
            CANCEL => cancelled.push(frame.id),
            kind => assert_eq!(kind, REQUEST),
        }
    };
    assert_eq!((begun.len(), &begun), (unknown, &cancelled));
    peer.answer(request.id, "3").await;
    assert_eq!(next.await.unwrap(), 3);
    for id in begun {
        peer.send(RESPONSE, id, &[1, 1, 2, 3, 1, 1], &[]).await;
    }
    settled(&channel).await;
}

/// A14. Each call by its own deadline, whatever the others have.
#[tokio::test(start_paused = true)]
async fn each_call_ends_by_its_own_deadline_when_the_peer_does_not_read() {
    let (channel, _peer) = channel_to_peer(1_000, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let began = Instant::now();
    let calls = (1..=50_u32).rev().map(|n| {
        let size = if n % 2 == 0 { 10 } else { 500_000 };
        let call = desk.keep("x".repeat(size)).timeout(n * 20 * MS).start();
        async move {
            assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
            let late = began.elapsed() - n * 20 * MS;
            assert!(late < 10 * MS, "call {n} ended {late:?} late");
        }
    });
    join_all(calls).await;
}

/// A14. What was begun is not waited for without end: the peer is lost in time.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_lost_after_the_stall_timeout_and_nothing_is_left() {
    let (ours, theirs) = tokio::io::duplex(1_000);
    let builder = Channel::builder().limits(Limits::default().stall_timeout(Duration::from_secs(2))).timeout(None);
    let (channel, mut peer) = channel_over(builder, ours, theirs, GENEROUS).await;
    let began = Instant::now();
    let call = DeskClient::new(channel.clone()).keep("x".repeat(1 << 20)).start();
    assert_status(&call.await.unwrap_err(), Code::Unavailable, true, "took no byte for");
    assert!((2..=3).contains(&began.elapsed().as_secs()), "after {:?}", began.elapsed());
    assert!(matches!(channel.state(), ConnectionState::Closed(_)));
    settled(&channel).await;
    assert!(peer.rest().await.iter().all(|frame| frame.kind != GO_AWAY), "half a frame was on the way");
}

/// A13, A14. Over a socket: 64 MiB of calls to a peer that does not read, half of them with 200 ms; then it leaves.
#[tokio::test]
async fn a_socket_that_is_not_read_holds_up_no_deadline_and_no_end() {
    let (channel, mut peer) = channel_over_tcp().await;
    let desk = DeskClient::new(channel.clone());
    let text = "x".repeat((1 << 20) - 2_000);
    let calls: Vec<_> = (0..32).map(|_| (desk.keep(text.clone()).timeout(200 * MS), desk.keep(text.clone()))).collect();
    // Encoding them took its time.
    let began = Instant::now();
    let (limited, patient): (Vec<_>, Vec<_>) =
        calls.into_iter().map(|(limited, patient)| (limited.start(), patient.start())).unzip();
    for outcome in soon(join_all(limited)).await {
        assert_eq!(outcome.unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert!((200 * MS..1_000 * MS).contains(&began.elapsed()), "after {:?}", began.elapsed());
    let began = Instant::now();
    peer.io.shutdown().await.unwrap();
    for outcome in soon(join_all(patient)).await {
        assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    }
    assert!(began.elapsed() < 1_000 * MS, "after {:?}", began.elapsed());
    settled(&channel).await;
}

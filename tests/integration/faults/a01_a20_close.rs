//! A9: a connection that is closed here.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, ConnectionState};
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::{
    a01_a20_desk::{DeskClient, Hall, assert_status, settled, soon},
    peer_a::{CANCEL, Frame, GENEROUS, GO_AWAY, REQUEST, channel_to_peer},
};

/// A9.
#[tokio::test]
async fn pending_and_later_calls_of_a_channel_that_is_closed_end_as_closed_here() {
    for hall in Hall::both("a9").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let pending: Vec<_> =
            (0..10).flat_map(|ticket| [desk.wait(ticket).start(), desk.wait_inline(ticket).start()]).collect();
        hall.book.until(|tally| tally.started == 20).await;
        channel.close();
        for outcome in soon(join_all(pending)).await {
            assert_status(&outcome.unwrap_err(), Code::Cancelled, true, "closed here");
        }
        for _ in 0..2 {
            let later = soon(desk.wait(1)).await.unwrap_err();
            assert_status(&later, Code::Cancelled, false, "closed here");
            channel.close();
        }
        assert!(matches!(channel.state(), ConnectionState::Closed(status) if status.code() == Code::Cancelled));
        // The handlers were dropped: none of their tickets was called.
        hall.is_sound(&channel).await;
    }
}

/// A9.
#[tokio::test]
async fn closing_a_channel_that_has_not_dialled_ends_its_later_calls_as_closed_here() {
    let channel = Channel::lazy("mem://a9-nobody").unwrap();
    channel.close();
    channel.close();
    let later = soon(DeskClient::new(channel.clone()).add(1, 2)).await.unwrap_err();
    assert_status(&later, Code::Cancelled, false, "closed here");
    assert_eq!(channel.outstanding_calls(), 0);
}

/// A9. Calls wait for the connection, and nobody has welcomed it yet.
#[tokio::test]
async fn closing_a_channel_while_it_dials_ends_its_calls_as_closed_here() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::lazy(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let desk = DeskClient::new(channel.clone());
    let pending = [desk.add(1, 2).start(), desk.add(3, 4).start()];
    let (mut socket, _) = soon(listener.accept()).await.unwrap();
    channel.close();
    for outcome in soon(join_all(pending)).await {
        assert_status(&outcome.unwrap_err(), Code::Cancelled, false, "closed here");
    }
    assert_status(&soon(desk.add(5, 6)).await.unwrap_err(), Code::Cancelled, false, "closed here");
    assert!(matches!(channel.state(), ConnectionState::Closed(_)));
    let mut hello = Vec::new();
    soon(socket.read_to_end(&mut hello)).await.unwrap();
    assert!(hello.len() < 1_000, "the socket was closed, and had nothing but a part of the Hello");
}

/// A9. Before, while and after it has connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_closed_in_whatever_moment_of_dialling_stays_closed() {
    let hall = Hall::open("tcp://127.0.0.1:0").await;
    for round in 0..500_u64 {
        let channel = Channel::lazy(&hall.address).unwrap();
        let desk = DeskClient::new(channel.clone());
        let call = desk.wait(1).start();
        tokio::time::sleep(Duration::from_micros(round * 4)).await;
        channel.close();
        assert_eq!(soon(call).await.unwrap_err().code(), Code::Cancelled, "in round {round}");
        let later = soon(desk.add(1, 2)).await.unwrap_err();
        assert_status(&later, Code::Cancelled, false, "closed here");
        settled(&channel).await;
    }
    hall.is_sound(&hall.channel().await).await;
}

/// A9. *Not executed* is a promise: the request must not leave after it was given.
#[tokio::test]
async fn what_a_closed_channel_calls_not_executed_never_reaches_the_peer() {
    // Small ones stand whole in the output when the channel is closed, large ones beside it.
    for size in [1, 100_000] {
        let (channel, mut peer) = channel_to_peer(1 << 20, GENEROUS).await;
        let desk = DeskClient::new(channel.clone());
        let call = desk.keep("x".repeat(size)).start();
        channel.close();
        let status = soon(call).await.unwrap_err();
        drop((channel, desk));
        let frames = soon(async {
            let mut frames = Vec::new();
            while frames.last().is_none_or(|last: &Frame| last.kind != GO_AWAY) {
                frames.push(peer.next().await.expect("the good-bye comes"));
            }
            frames
        })
        .await;
        let came = frames.iter().any(|frame| frame.kind == REQUEST);
        assert!(status.may_have_run() || !came, "{size} bytes: {status}, and {frames:?}");
    }
}

/// A9. The same against a real server, which must not have run what was not executed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_closed_channel_calls_not_executed_never_runs() {
    for hall in Hall::both("a9-race").await {
        let mut promised = 0;
        for _ in 0..200 {
            let channel = hall.channel_with(CodecKind::Json).await;
            let desk = DeskClient::new(channel.clone());
            let (first, second) = (desk.add(1, 2).start(), desk.add(3, 4).start());
            channel.close();
            for call in [first, second] {
                match soon(call).await {
                    Ok(_) => {}
                    Err(status) => {
                        assert_eq!(status.code(), Code::Cancelled, "{status}");
                        promised += usize::from(!status.may_have_run());
                    }
                }
            }
            settled(&channel).await;
        }
        let fresh = hall.channel().await;
        hall.is_sound(&fresh).await;
        assert!(hall.book.tally().started <= 400 - promised + 1, "{:?}, {promised}", hall.book.tally());
    }
}

/// A9. The peer is told, in order: what it got, that it is not wanted any more, good-bye.
#[tokio::test]
async fn the_peer_of_a_closed_channel_is_told() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let call = desk.add(1, 2).start();
    let request = soon(peer.next_of(REQUEST)).await;
    channel.close();
    assert_status(&soon(call).await.unwrap_err(), Code::Cancelled, true, "closed here");
    let cancel = soon(peer.next()).await.unwrap();
    assert_eq!((cancel.kind, cancel.id), (CANCEL, request.id));
    assert_eq!(soon(peer.next()).await.unwrap().kind, GO_AWAY);
    peer.send(GO_AWAY, 0, &[], &[]).await;
    assert_eq!(soon(peer.rest()).await, [], "nothing but the end of the stream");
    settled(&channel).await;
}

/// A9. The answers that cross the good-bye are expected, however many: no fault of the peer.
#[tokio::test]
async fn closing_a_channel_with_many_calls_in_flight_is_no_fault_of_the_peer() {
    let (channel, mut peer) = channel_to_peer(1 << 20, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let calls: Vec<_> = (0..300).map(|a| desk.add(a, a).start()).collect();
    let mut requests = Vec::new();
    for _ in 0..300 {
        requests.push(soon(peer.next_of(REQUEST)).await.id);
    }
    channel.close();
    for outcome in soon(join_all(calls)).await {
        assert_status(&outcome.unwrap_err(), Code::Cancelled, true, "closed here");
    }
    for id in requests {
        peer.answer(id, "0").await;
    }
    peer.send(GO_AWAY, 0, &[], &[]).await;
    let frames = soon(peer.rest()).await;
    let good_byes: Vec<_> = frames.iter().filter(|frame| frame.kind == GO_AWAY).collect();
    assert_eq!(good_byes.len(), 1, "{good_byes:?}");
    assert!(good_byes[0].header.ends_with(&[3, 1, 0]), "an orderly end");
    settled(&channel).await;
}

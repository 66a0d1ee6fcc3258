//! The seven ways in which a call ends, each with its code and whether the method may have run.

use std::time::Duration;

use rpc_runtime::{CallError, Channel, Code, ConnectionState, Server};
use tokio::time::Instant;

use super::{
    a01_a20_desk::{Book, DeskClient, DeskServer, Hall, Refused, Tally, assert_status, settled, soon, spawn},
    peer_a::{GENEROUS, GO_AWAY, REQUEST, channel_to_peer, fields},
};

#[tokio::test]
async fn the_server_answered() {
    for hall in Hall::both("ending-1").await {
        let channel = hall.channel().await;
        assert_eq!(soon(DeskClient::new(channel.clone()).add(1, 2)).await.unwrap(), 3);
        hall.is_sound(&channel).await;
    }
}

#[tokio::test]
async fn the_server_answered_with_an_error() {
    for hall in Hall::both("ending-2").await {
        let channel = hall.channel().await;
        match soon(DeskClient::new(channel.clone()).refuse("no".to_owned())).await {
            Err(CallError::Service(error)) => assert_eq!(error, Refused("no".to_owned())),
            other => panic!("it gave {other:?}"),
        }
        hall.is_sound(&channel).await;
    }
}

#[tokio::test]
async fn the_server_closed_the_connection_for_a_reason() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let call = desk.add(1, 2).start();
    soon(peer.next_of(REQUEST)).await;
    peer.send(GO_AWAY, 0, &fields(&[(2, b"no memory left"), (3, &[8])]), &[]).await;
    drop(peer);
    assert_status(&soon(call).await.unwrap_err(), Code::Unavailable, true, "RESOURCE_EXHAUSTED: no memory left");
    assert_status(&soon(desk.add(1, 2)).await.unwrap_err(), Code::Unavailable, false, "no memory left");
    settled(&channel).await;
}

#[tokio::test]
async fn the_server_closed_the_connection_by_stopping() {
    for address in ["mem://ending-3", "tcp://127.0.0.1:0"] {
        let book = Book::default();
        let server = Server::builder().service(DeskServer::new(book.clone())).bind(address).await.unwrap();
        let handle = server.handle();
        let address = server.local_address().to_owned();
        let serving = spawn(server.serve());
        let channel = Channel::connect(&address).await.unwrap();
        let call = DeskClient::new(channel.clone()).wait(1).start();
        book.until(|tally| tally.started == 1).await;
        handle.stop();
        assert_status(&soon(call).await.unwrap_err(), Code::Unavailable, true, "the connection was lost");
        assert_eq!(soon(serving).await.unwrap().unwrap().cut_calls, 1);
        book.until(|tally| tally.ended == 1).await;
        settled(&channel).await;
    }
}

#[tokio::test]
async fn the_client_closed_the_connection() {
    for hall in Hall::both("ending-4").await {
        let channel = hall.channel().await;
        let call = DeskClient::new(channel.clone()).wait(1).start();
        hall.book.until(|tally| tally.started == 1).await;
        channel.close();
        assert_status(&soon(call).await.unwrap_err(), Code::Cancelled, true, "the connection was closed here");
        hall.is_sound(&channel).await;
    }
}

/// Whoever drops a call wants no outcome; that it ended is seen at the server and in the channel.
#[tokio::test]
async fn the_caller_cancelled() {
    for hall in Hall::both("ending-5").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let (in_task, inline) = (desk.wait(1).start(), desk.wait_inline(1).start());
        hall.book.until(|tally| tally.started == 2).await;
        drop((in_task, inline));
        hall.book.until(|tally| tally == Tally { started: 2, ended: 2 }).await;
        hall.is_sound(&channel).await;
    }
}

#[tokio::test]
async fn the_request_never_reached_the_server_because_nobody_listens() {
    for address in ["mem://ending-6-nobody", "tcp://127.0.0.1:1"] {
        let channel = Channel::lazy(address).unwrap();
        let status = soon(DeskClient::new(channel.clone()).add(1, 2)).await.unwrap_err();
        assert_status(&status, Code::Unavailable, false, &format!("Desk.add at {address}"));
        assert_eq!(channel.outstanding_calls(), 0);
    }
}

#[tokio::test]
async fn the_request_never_reached_the_server_because_the_connection_was_lost_before() {
    let (channel, peer) = channel_to_peer(1 << 16, GENEROUS).await;
    drop(peer);
    let mut states = channel.watch_state();
    soon(states.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await.unwrap();
    let status = soon(DeskClient::new(channel.clone()).add(1, 2)).await.unwrap_err();
    assert_status(&status, Code::Unavailable, false, "the connection was lost");
    assert_eq!(channel.outstanding_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_server_never_replied() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let began = Instant::now();
    let call = DeskClient::new(channel.clone()).add(1, 2).timeout(Duration::from_secs(5)).start();
    let request = peer.next_of(REQUEST).await;
    assert_status(&call.await.unwrap_err(), Code::DeadlineExceeded, true, "Desk.add at pipe://peer");
    assert!(began.elapsed() < Duration::from_millis(5_010), "after {:?}", began.elapsed());
    assert_eq!(channel.outstanding_calls(), 1, "its id is not free before the terminal frame");
    peer.answer(request.id, "3").await;
    settled(&channel).await;
    assert_eq!(channel.late_responses(), 1);
}

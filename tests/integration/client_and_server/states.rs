//! The states of a channel, and its end by its owner.

use std::time::Duration;

use rpc_runtime::{Channel, Code, ConnectionState};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch::Receiver,
};

use super::{Here, ProbeClient, client, serve, within};
use crate::faults::peer_b::{Peer, go_away, kind, response};

async fn reaches(state: &mut Receiver<ConnectionState>, wanted: ConnectionState) -> ConnectionState {
    within("the state", state.wait_for(|state| *state == wanted)).await.expect("the channel is here").clone()
}

#[tokio::test]
async fn a_channel_tells_when_it_connects_is_ready_drains_and_is_closed_and_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let channel = Channel::lazy(&address).unwrap();
    let mut state = channel.watch_state();
    assert_eq!(*state.borrow_and_update(), ConnectionState::Idle);
    let running = ProbeClient::new(channel.clone()).add(1, 2).start();
    reaches(&mut state, ConnectionState::Connecting).await;
    let mut peer = Peer::accept(listener.accept().await.unwrap().0).await;
    reaches(&mut state, ConnectionState::Ready).await;
    let request = peer.next_of(kind::REQUEST).await.unwrap();
    peer.send(&go_away()).await;
    reaches(&mut state, ConnectionState::Draining).await;
    assert_eq!(channel.state(), ConnectionState::Draining);
    peer.send(&response(request.id, &[3])).await;
    assert_eq!(within("the call in flight", running).await.unwrap(), 3);
    peer.io.shutdown().await.unwrap();
    let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
    let closed = within("the end", closed).await.unwrap().clone();
    let ConnectionState::Closed(reason) = closed else { panic!("it is closed") };
    assert_eq!(reason.code(), Code::Unavailable);
    assert!(reason.to_string().contains(&address), "{reason}");
}

#[tokio::test]
async fn a_lost_connection_is_told_with_its_cause_and_so_is_each_later_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (channel, peer) = tokio::join!(Channel::connect(&address), async {
        Peer::accept(listener.accept().await.expect("a connection").0).await
    });
    let channel = channel.unwrap();
    let mut state = channel.watch_state();
    drop(peer);
    let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
    let ConnectionState::Closed(reason) = within("the end", closed).await.unwrap().clone() else { panic!() };
    assert!(reason.message().contains("the connection was lost"), "{reason}");
    let later = ProbeClient::new(channel).add(1, 2).await.unwrap_err();
    assert_eq!((later.code(), later.may_have_run()), (Code::Unavailable, false));
    assert!(later.message().contains(reason.message()), "{later}");
}

#[tokio::test]
async fn a_closed_channel_ends_its_calls_as_closed_here_and_stays_closed() {
    let here = Here::new();
    let (address, _server) = serve(&here, "mem://closed").await;
    let probe = client(&address).await;
    let pending = probe.hang().start();
    here.live(1).await;
    probe.channel().close();
    probe.channel().close();
    let status = within("the pending call", pending).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, true), "{status}");
    let status = within("a later call", probe.add(1, 2)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, false), "{status}");
    assert!(status.message().contains("closed here"), "{status}");
    assert!(matches!(probe.channel().state(), ConnectionState::Closed(_)));
    here.live(0).await;
}

#[tokio::test]
async fn a_lazy_channel_that_was_closed_never_dials() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::lazy(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    channel.close();
    let status = within("the call", ProbeClient::new(channel).add(1, 2)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, false), "{status}");
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn a_channel_that_is_closed_while_it_dials_is_not_opened_by_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::lazy(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let running = ProbeClient::new(channel.clone()).add(1, 2).start();
    let (mut socket, _) = within("the dial", listener.accept()).await.unwrap();
    channel.close();
    let status = tokio::time::timeout(Duration::from_secs(1), running).await.expect("it ends at once").unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, false), "{status}");
    assert!(matches!(channel.state(), ConnectionState::Closed(_)), "{:?}", channel.state());
    let mut hello = Vec::new();
    within("the connection is given up", socket.read_to_end(&mut hello)).await.unwrap();
}

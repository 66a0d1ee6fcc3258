//! What the counters say while things go wrong, and at once after them.

use rpc_runtime::{Channel, Code, CodecKind, ConnectionState, Server, rpc_service};
use tokio::{net::TcpStream, task::JoinSet};

use super::{
    probe::{ProbeClient, Serving, client_and_raw_server},
    raw::{self, INTERNAL, MORE, PING, PONG, Peer, REQUEST, field, frame, names, varint, within},
};

#[tokio::test]
async fn a_request_in_parts_is_counted_once_from_its_first_part_to_its_reply() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let served = || serving.handle.stats().served_in_flight;
    let header = [names("Probe", "echo"), field(5, &varint(4))].concat();
    for id in [2, 4] {
        // The Pong tells that the part before the Ping was taken.
        peer.send(&[frame(REQUEST, MORE, id, &header, b"[\""), frame(PING, 0, id, &[], &[])].concat()).await;
        peer.frame_of(PONG).await;
        assert_eq!(served(), 1, "one part of it has come");
        peer.send(&frame(REQUEST, 0, id, &[], b"\"]")).await;
        assert!(peer.reply(id).await.is_value());
        assert_eq!(served(), 0, "it was answered");
    }
}

#[rpc_service]
trait Inline {
    #[rpc(inline)]
    async fn wait(&self);
}

struct Waiting;

impl Inline for Waiting {
    async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn handlers_that_were_dropped_with_their_connection_do_not_count_as_running() {
    let server = Server::builder().service(InlineServer::new(Waiting)).bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    let mut tasks = JoinSet::new();
    tasks.spawn(server.serve());
    let mut peer = Peer::new(TcpStream::connect(address.trim_start_matches("tcp://")).await.unwrap());
    peer.dial("json").await;
    let waits = |id| frame(REQUEST, 0, id, &names("Inline", "wait"), b"[]");
    peer.send(&[waits(2), waits(4), frame(PING, 0, 1, &[], &[])].concat()).await;
    peer.frame_of(PONG).await;
    within("both handlers", async {
        while handle.stats().running < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A second request of the same id. This side does not close, so that the connection stays for its last second.
    peer.send(&waits(2)).await;
    assert_eq!(raw::frames(&peer.rest().await).pop().map(|last| last.code()), Some(INTERNAL));
    let stats = handle.stats();
    assert_eq!((stats.connections, stats.served_in_flight, stats.running), (1, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn a_channel_whose_peer_broke_the_protocol_keeps_that_reason_when_it_is_closed() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    raw.send(&frame(9, 0, 0, &[0xFF], &[])).await;
    let mut state = channel.watch_state();
    within("its end", state.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await.unwrap();
    let reason = |channel: &Channel| match channel.state() {
        ConnectionState::Closed(reason) => reason,
        other => panic!("{other:?}"),
    };
    let before = reason(&channel);
    assert!(before.message().contains("broke the protocol"), "{before}");
    channel.close();
    assert_eq!(reason(&channel).message(), before.message());
    let later = ProbeClient::new(channel).add(1, 2).await.unwrap_err();
    assert_eq!((later.code(), later.message()), (Code::Unavailable, before.message()));
}

/// Each snapshot looks at the connections that there are and at what the others left: none is in neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_never_becomes_less_while_connections_end() {
    let serving = Serving::start().await;
    let handle = serving.handle.clone();
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let looking = std::thread::spawn(move || {
        let (mut last, mut looks) = (0, 0_u64);
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            let total = handle.stats().served_total;
            assert!(total >= last, "{total} after {last}, at look {looks}");
            (last, looks) = (total, looks + 1);
        }
    });
    for _ in 0..500 {
        let probe = ProbeClient::new(serving.channel().await);
        assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    }
    drop(stop);
    looking.join().unwrap();
}

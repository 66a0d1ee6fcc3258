//! What networks do (G1, G3): connections that are reset at any byte, and answers that do not come through.

use std::time::Duration;

use rpc_runtime::{Channel, Code, CodecKind, Server};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    a01_a20_desk::{Book, DeskClient, DeskServer, assert_status, settled, soon, spawn},
    probe::{ProbeClient, Serving, tasks, tasks_are_back},
    raw::{CANCEL, MORE, PING, PONG, Peer, REQUEST, RESPONSE, field, frame, names, request, varint, within},
};

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Sends these bytes and waits until they were read: a reset throws away what was not.
async fn send_and_be_read(peer: &mut Peer<TcpStream>, bytes: &[u8]) {
    peer.send(&[&frame(PING, 0, 7, &[], &[])[..], bytes].concat()).await;
    while peer.frame().await.kind != PONG {}
}

/// G1 at the server.
#[tokio::test]
async fn a_client_that_resets_at_any_byte_of_its_session_costs_nobody_else_anything() {
    let serving = Serving::start().await;
    let beside = ProbeClient::new(serving.channel().await);
    assert_eq!(beside.add(1, 2).await.unwrap(), 3);
    let before = tasks();
    let begun = [names("Probe", "echo"), field(5, &varint(5))].concat();
    let session = [
        request(2, "wait", b"[]"),
        frame(REQUEST, MORE, 4, &begun, b"[\"x"),
        request(6, "add", b"[1,2]"),
        frame(REQUEST, 0, 4, &[], b"\"]"),
        frame(CANCEL, 0, 2, &[], &[]),
    ];
    let session = session.concat();
    for cut in 0..=session.len() {
        let mut peer = serving.dialled("json").await;
        send_and_be_read(&mut peer, &session[..cut]).await;
        reset(peer.into_io());
        assert_eq!(within("a call beside it", beside.add(1, 2)).await.unwrap(), 3, "reset at {cut}");
    }
    let left = |stats: &rpc_runtime::Stats| (stats.served_in_flight, stats.running, stats.memory_held);
    serving.until("nothing is left", |stats| stats.connections == 1 && left(stats) == (0, 0, 0)).await;
    tasks_are_back(before).await;
    serving.serves_a_fresh_client().await;
}

/// G1 at the client.
#[tokio::test]
async fn a_server_that_resets_at_any_byte_of_an_answer_leaves_the_call_unknown_and_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let answer = |id| frame(RESPONSE, 0, id, &field(4, b"\x03keyvalue"), b"3");
    let whole = answer(0).len();
    for cut in 0..=whole {
        let accepting = async {
            let mut peer = Peer::new(listener.accept().await.unwrap().0);
            peer.accept("json").await;
            peer
        };
        let dialling = Channel::builder().codec(CodecKind::Json).connect(&address);
        let (channel, mut peer) = tokio::join!(dialling, accepting);
        let channel = channel.unwrap();
        let probe = ProbeClient::new(channel.clone());
        let call = probe.add(1, 2).start();
        let id = peer.frame_of(REQUEST).await.id;
        send_and_be_read(&mut peer, &answer(id)[..cut]).await;
        reset(peer.into_io());
        match within("the outcome", call).await {
            Ok(sum) => assert_eq!((sum, cut), (3, whole)),
            Err(status) => {
                assert!(cut < whole, "the whole answer was there: {status}");
                assert_status(&status, Code::Unavailable, true, "reset");
            }
        }
        assert_eq!(channel.outstanding_calls(), 0, "reset at {cut}");
    }
}

/// Hands on what comes, while it may; what comes meanwhile waits.
async fn hand_on(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut may: watch::Receiver<bool>) {
    let mut bytes = [0; 4_096];
    loop {
        let count = from.read(&mut bytes).await.unwrap_or(0);
        let passes = count > 0 && may.wait_for(|may| *may).await.is_ok();
        if !passes || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// G3: requests come through and answers do not.
#[tokio::test(start_paused = true)]
async fn calls_whose_answers_do_not_come_through_are_unknown_and_are_not_sent_again() {
    const CALLS: usize = 10;
    let book = Book::default();
    let ((near, between), (beyond, far)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
    spawn(Server::builder().service(DeskServer::new(book.clone())).serve_connection(far, "pipe://client"));
    let ((from_client, to_client), (from_server, to_server)) = (tokio::io::split(between), tokio::io::split(beyond));
    let (always, answers) = (watch::Sender::new(true), watch::Sender::new(true));
    spawn(hand_on(from_client, to_server, always.subscribe()));
    spawn(hand_on(from_server, to_client, answers.subscribe()));
    let channel = Channel::builder().handshake(near, "pipe://server").await.unwrap();
    let desk = DeskClient::new(channel.clone());
    assert_eq!(soon(desk.add(1, 2)).await.unwrap(), 3);

    answers.send_replace(false);
    let calls = (0..CALLS).map(|_| desk.add(1, 2).timeout(Duration::from_millis(200)).start());
    for call in calls.collect::<Vec<_>>() {
        assert_status(&soon(call).await.unwrap_err(), Code::DeadlineExceeded, true, "Desk.add at pipe://server");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(book.tally().started, 1 + CALLS, "each ran once");

    answers.send_replace(true);
    assert_eq!(soon(desk.add(3, 4)).await.unwrap(), 7, "not what the others were answered");
    settled(&channel).await;
    assert_eq!((channel.late_responses(), book.tally().started), (CALLS as u64, 2 + CALLS));
}

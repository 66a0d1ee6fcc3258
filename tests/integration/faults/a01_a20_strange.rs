//! A18, A19: ids that no call has, or that one has already.

use rpc_runtime::{Code, Server};
use tokio::io::DuplexStream;

use super::{
    a01_a20_desk::{Book, DeskClient, DeskServer, Hall, assert_status, settled, soon, spawn},
    peer_a::{END, GENEROUS, GO_AWAY, Peer, RESPONSE, channel_to_peer, fields, frame},
};

/// A18.
#[tokio::test]
async fn responses_for_ids_that_no_call_has_are_ignored_and_counted() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let call = desk.add(1, 2).start();
    let request = soon(peer.next()).await.unwrap();
    let strange = [0, request.id ^ 1, request.id + 2, request.id ^ (1 << 40), u64::MAX];
    for id in strange {
        peer.answer(id, "7").await;
    }
    peer.answer(request.id, "3").await;
    assert_eq!(soon(call).await.unwrap(), 3);
    assert_eq!(channel.late_responses(), strange.len() as u64);
    settled(&channel).await;
}

/// A18.
#[tokio::test]
async fn a_second_response_for_an_id_is_ignored_and_counted() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let call = desk.add(1, 2).start();
    let request = soon(peer.next()).await.unwrap();
    for reply in ["3", "4", "5"] {
        peer.answer(request.id, reply).await;
    }
    assert_eq!(soon(call).await.unwrap(), 3);
    let next = desk.add(3, 4).start();
    let request = soon(peer.next()).await.unwrap();
    peer.answer(request.id, "7").await;
    assert_eq!(soon(next).await.unwrap(), 7);
    assert_eq!(channel.late_responses(), 2);
    settled(&channel).await;
}

/// A18. Whatever the response is: an error, a status, a part, an End.
#[tokio::test]
async fn strange_responses_of_all_kinds_hurt_no_call() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let call = desk.add(1, 2).start();
    let request = soon(peer.next()).await.unwrap();
    let status = fields(&[(1, &[2]), (2, b"strange"), (3, &[5])]);
    for id in [0, request.id ^ 1, request.id + 2] {
        peer.send(RESPONSE, id, &fields(&[(1, &[1])]), b"\"no\"").await;
        peer.send(RESPONSE, id, &status, &[]).await;
        peer.send(END, id, &status, &[]).await;
        peer.send(RESPONSE, id, &[], &[b'x'; 10_000]).await;
        let mut part = frame(RESPONSE, id, &fields(&[(5, &[100])]), b"part");
        part[5] = 1;
        peer.write(&part).await;
    }
    peer.answer(request.id, "3").await;
    assert_eq!(soon(call).await.unwrap(), 3);
    assert!(channel.late_responses() >= 12, "{}", channel.late_responses());
    settled(&channel).await;
}

/// A18. They are faults, of which a connection allows 100.
#[tokio::test]
async fn a_peer_that_sends_strange_responses_without_end_is_closed() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let call = DeskClient::new(channel.clone()).wait(1).start();
    soon(peer.next()).await.unwrap();
    for _ in 0..101 {
        peer.answer(0, "7").await;
    }
    assert_status(&soon(call).await.unwrap_err(), Code::Unavailable, true, "protocol_errors: 101");
    settled(&channel).await;
}

/// A server that a raw peer has called with `wait`.
async fn a_waiting_call(book: &Book, method: &str) -> (Peer<DuplexStream>, impl Future<Output = rpc_runtime::Status>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let builder = Server::builder().service(DeskServer::new(book.clone()));
    let serving = spawn(builder.serve_connection(theirs, "pipe://caller"));
    let mut peer = soon(Peer::greet(ours)).await;
    peer.call(2, method, "[1]").await;
    book.until(|tally| tally.started == 1).await;
    (peer, async { soon(serving).await.expect("the server serves").expect("the server serves") })
}

/// A19.
#[tokio::test]
async fn a_second_request_with_the_id_of_a_call_in_flight_is_an_error_of_the_connection() {
    for method in ["wait", "wait_inline"] {
        let book = Book::default();
        let (mut peer, serving) = a_waiting_call(&book, method).await;
        peer.call(2, "add", "[1,2]").await;
        let frames = soon(peer.rest()).await;
        assert!(frames.iter().all(|frame| frame.kind != RESPONSE), "an answer would end the first call: {frames:?}");
        let last = frames.last().unwrap();
        assert_eq!((last.kind, last.id), (GO_AWAY, 0));
        assert_eq!(last.header[last.header.len() - 3..], fields(&[(3, &[13])]), "INTERNAL");
        drop(peer);
        assert_status(&serving.await, Code::Unavailable, true, "the id 2 that is in flight");
        book.until(|tally| tally.ended == 1).await;
        assert_eq!(book.tally().started, 1, "the second did not run");
    }
}

/// A19. Once the terminal frame was sent, the id is free.
#[tokio::test]
async fn an_id_is_taken_again_after_its_terminal_frame() {
    let book = Book::default();
    let (mut peer, _serving) = a_waiting_call(&book, "wait").await;
    book.call(1);
    assert_eq!(soon(peer.next_of(RESPONSE)).await.id, 2);
    for _ in 0..100 {
        peer.call(2, "add", "[1,2]").await;
        let answer = soon(peer.next_of(RESPONSE)).await;
        assert_eq!((answer.id, &answer.body[..]), (2, &b"3"[..]));
    }
    book.until(|tally| tally.ended == 101).await;
}

/// A19.
#[tokio::test]
async fn a_request_with_an_id_that_its_sender_can_not_open_is_an_error_of_the_connection() {
    for id in [0, 3] {
        let book = Book::default();
        let (mut peer, serving) = a_waiting_call(&book, "wait").await;
        peer.call(id, "add", "[1,2]").await;
        assert_eq!(soon(peer.rest()).await.last().unwrap().kind, GO_AWAY);
        drop(peer);
        assert_status(&serving.await, Code::Unavailable, true, &format!("the id {id} "));
        book.until(|tally| tally.ended == 1).await;
    }
}

/// A19. Over a real listener, whose other clients notice nothing.
#[tokio::test]
async fn a_client_with_duplicate_ids_costs_its_own_connection_only() {
    let hall = Hall::open("tcp://127.0.0.1:0").await;
    let channel = hall.channel().await;
    let bystander = DeskClient::new(channel.clone()).wait(9).start();
    hall.book.until(|tally| tally.started == 1).await;
    let address = hall.address.strip_prefix("tcp://").unwrap();
    let mut peer = Peer::greet(tokio::net::TcpStream::connect(address).await.unwrap()).await;
    peer.call(2, "wait", "[1]").await;
    hall.book.until(|tally| tally.started == 2).await;
    peer.call(2, "wait", "[1]").await;
    assert_eq!(soon(peer.rest()).await.last().unwrap().kind, GO_AWAY);
    hall.book.until(|tally| tally.ended == 1).await;
    hall.book.call(9);
    assert_eq!(soon(bystander).await.unwrap(), 9);
    hall.is_sound(&channel).await;
}

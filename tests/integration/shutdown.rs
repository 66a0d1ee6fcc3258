//! How connections end: the orderly exchange of GoAway, begun by either side, and the close with a reason that every
//! fault of the protocol is answered by.

use std::time::Duration;

use rpc_runtime::{Code, CodecKind, ConnectionState, Limits};

use tokio::net::TcpStream;

use crate::faults::{
    probe::{self, ProbeClient, Served, Serving, client_and_raw_server},
    raw::{self, CANCEL, CREDIT, END, GO_AWAY, INTERNAL, MORE, PING, PONG, REQUEST, RESOURCE_EXHAUSTED},
    raw::{Peer, UNAVAILABLE, field, frame, names, prefix, request, within, within_time},
};

/// The server begins: its good-bye, the refusal of what crosses it, the answer that it owes, its end.
#[tokio::test]
async fn a_server_that_shuts_down_refuses_what_crosses_and_answers_what_it_took() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    peer.send(&[request(2, "sleep", b"[300]"), frame(PING, 0, 9, &[], &[])].concat()).await;
    assert_eq!(peer.frame_of(PONG).await.id, 9);
    serving.handle.shut_down();
    let goodbye = peer.frame_of(GO_AWAY).await;
    assert_eq!((goodbye.id, goodbye.code(), goodbye.message()), (0, 0, "shutting down"));
    peer.send(&request(4, "add", b"[1,2]")).await;
    let refused = peer.reply(4).await;
    assert_eq!((refused.code(), refused.is_not_executed()), (UNAVAILABLE, true));
    peer.send(&raw::go_away()).await;
    assert_eq!(peer.reply(2).await.body, b"300");
    within_time(Duration::from_secs(1), "the end behind the last answer", peer.is_closed_without_a_word()).await;
    peer.end().await;
    serving.returned().await;
}

/// The client begins and ends its direction at once: it still gets all answers, then the server's end.
#[tokio::test]
async fn a_peer_that_says_good_bye_and_half_closes_gets_its_answers_and_then_the_end() {
    let serving = Serving::start().await;
    for (method, arguments, value) in [("add", &b"[1,2]"[..], &b"3"[..]), ("sleep", b"[100]", b"100")] {
        // The first calls of a method run in tasks, later ones in the connection's runner.
        for _ in 0..3 {
            let mut peer = serving.dialled("json").await;
            peer.send(&[request(2, method, arguments), raw::go_away()].concat()).await;
            peer.end().await;
            let rest = within_time(Duration::from_secs(1), "the end of the connection", peer.rest()).await;
            let frames = raw::frames(&rest);
            assert!(frames.iter().any(|frame| frame.id == 2 && frame.body == value), "{method}: {frames:?}");
            assert_eq!(frames.iter().filter(|frame| frame.kind == GO_AWAY && frame.code() == 0).count(), 1);
        }
    }
    serving.serves_a_fresh_client().await;
}

/// A client that closes says good-bye; a call in flight ends as closed here and the server is told to cancel it.
#[tokio::test]
async fn a_client_that_closes_cancels_its_calls_and_says_good_bye() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let running = ProbeClient::new(channel.clone()).wait().start();
    let request = raw.frame_of(REQUEST).await;
    channel.close();
    channel.close();
    assert_eq!(within("the closed call", running).await.unwrap_err().code(), Code::Cancelled);
    let cancel = raw.frame_of(CANCEL).await;
    assert_eq!(cancel.id, request.id);
    assert_eq!(raw.frame_of(GO_AWAY).await.code(), 0);
    let cancelled = [field(1, &[2]), field(3, &[1])].concat();
    raw.send(&[frame(raw::RESPONSE, 0, request.id, &cancelled, &[]), raw::go_away()].concat()).await;
    raw.is_closed_without_a_word().await;
}

/// The answers to calls that were ended here cross the good-bye: they are no faults, however many.
#[tokio::test]
async fn a_client_that_closes_with_many_calls_in_flight_still_leaves_in_order() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let probe = ProbeClient::new(channel.clone());
    let calls: Vec<_> = (0..300).map(|n| probe.add(n, n).start()).collect();
    let mut answers = Vec::new();
    for _ in &calls {
        answers.push(frame(raw::RESPONSE, 0, raw.frame_of(REQUEST).await.id, &[], b"0"));
    }
    channel.close();
    raw.send(&[answers.concat(), raw::go_away()].concat()).await;
    let frames = raw::frames(&raw.rest().await);
    let goodbyes: Vec<_> = frames.iter().filter(|frame| frame.kind == GO_AWAY).map(raw::Frame::code).collect();
    assert_eq!(goodbyes, [0]);
}

/// The server's good-bye refuses later calls and lets those in flight be answered; the client then leaves too.
#[tokio::test]
async fn a_client_that_reads_a_good_bye_finishes_its_calls_starts_none_and_leaves() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let probe = ProbeClient::new(channel.clone());
    let running = probe.sleep(1).start();
    let request = raw.frame_of(REQUEST).await;
    let reason = [field(2, b"shutting down"), field(3, &[0])].concat();
    raw.send(&frame(GO_AWAY, 0, 0, &reason, &[])).await;
    assert_eq!(raw.frame_of(GO_AWAY).await.code(), 0);
    let refused = probe.add(1, 2).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false));
    assert!(refused.message().contains("shutting down"), "{refused}");
    assert_eq!(channel.state(), ConnectionState::Draining);
    raw.send(&frame(raw::RESPONSE, 0, request.id, &[], b"1")).await;
    assert_eq!(within("the answer", running).await.unwrap(), 1);
    within_time(Duration::from_secs(1), "the client's end", raw.is_closed_without_a_word()).await;
}

/// A GoAway with a code: calls in flight are unknown, and the client names who ended it and why.
#[tokio::test]
async fn a_good_bye_with_a_code_ends_the_calls_in_flight_as_unknown() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let running = ProbeClient::new(channel).sleep(1).start();
    raw.frame_of(REQUEST).await;
    raw.send(&frame(GO_AWAY, 0, 0, &[field(2, b"out of memory"), field(3, &[8])].concat(), &[])).await;
    raw.end().await;
    let failure = within("the failed call", running).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Unavailable, true));
    assert!(failure.message().contains("RESOURCE_EXHAUSTED: out of memory"), "{failure}");
}

/// An end without a good-bye, or in the middle of a frame behind one, is a crash: the peer's calls are dropped.
#[tokio::test(start_paused = true)]
async fn an_end_without_good_bye_or_within_a_frame_is_a_crash() {
    let half = &request(4, "add", b"[1,2]")[..9];
    let table = [
        (vec![], "without a good-bye"),
        (half.to_vec(), "without a good-bye"),
        ([raw::go_away(), frame(PING, 0, 1, &[], &[])[..7].to_vec()].concat(), "within a frame"),
    ];
    for (last, said) in table {
        let (mut peer, served) = Served::pipe(4_096);
        peer.dial("json").await;
        peer.send(&[request(2, "wait", b"[]"), last].concat()).await;
        peer.end().await;
        let reason = within_time(Duration::from_secs(1), "the end", served.ended()).await.unwrap();
        assert_eq!(reason.code(), Code::Unavailable);
        assert!(reason.message().contains(said), "{reason}");
    }
}

/// Calls that do not end in the time for draining are cut off and counted.
#[tokio::test]
async fn what_is_left_after_the_time_for_draining_is_cut_off_and_counted() {
    let server = probe::server(Limits::default()).drain_timeout(Duration::from_millis(50));
    let server = server.bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().trim_start_matches("tcp://").to_owned(), server.handle());
    let hold_a_call = async {
        let mut peer = Peer::new(TcpStream::connect(address).await.unwrap());
        peer.dial("json").await;
        peer.send(&[request(2, "wait", b"[]"), frame(PING, 0, 9, &[], &[])].concat()).await;
        assert_eq!(peer.frame_of(PONG).await.id, 9);
        handle.shut_down();
        peer.rest().await
    };
    let (drained, _) = within("the end", async { tokio::join!(server.serve(), hold_a_call) }).await;
    let drained = drained.unwrap();
    assert_eq!((drained.cut_connections, drained.cut_calls), (1, 1));
}

#[tokio::test]
async fn the_longest_time_for_draining_there_is_lets_a_server_end() {
    let server = probe::server(Limits::default()).drain_timeout(Duration::MAX);
    let server = server.bind("mem://drains-for-ever").await.unwrap();
    server.handle().shut_down();
    assert_eq!(within("the end", server.serve()).await.unwrap().cut_calls, 0);
}

/// Every fault of the connection, and what the good-bye says of it.
fn faults() -> Vec<(Vec<u8>, &'static str)> {
    let add = |id| request(id, "add", b"[1,2]");
    let after_goodbye = |bytes: Vec<u8>| [request(2, "wait", b"[]"), raw::go_away(), bytes].concat();
    vec![
        (frame(0, 0, 2, &[], &[]), "unknown frame kind 0"),
        (frame(10, 0, 2, &[], &[]), "unknown frame kind 10"),
        (frame(127, 0, 2, &[], &[]), "unknown frame kind 127"),
        (frame(REQUEST, 2, 2, &names("Probe", "add"), b"[1,2]"), "flags 0x02"),
        (frame(PING, MORE, 2, &[], &[]), "flags 0x01"),
        (frame(PING, 0, 2, &[], b"x"), "ping"),
        (frame(CANCEL, 0, 2, &field(2, b"x"), &[]), "cancel"),
        (frame(CREDIT, 0, 0, &[], &[1, 0, 0]), "credit"),
        (frame(GO_AWAY, 0, 2, &field(3, &[0]), &[]), "goaway frame with id 2"),
        (frame(GO_AWAY, 0, 0, &field(3, &[0]), b"x"), "goaway"),
        (frame(GO_AWAY, 0, 0, &field(5, &[0]), &[]), "goaway"),
        (frame(GO_AWAY, 0, 0, &field(2, &[0xFF]), &[]), "goaway"),
        (after_goodbye(add(4)), "goaway"),
        (after_goodbye(raw::go_away()), "goaway"),
        (add(0), "the id 0"),
        (add(3), "the id 3"),
        ([request(2, "wait", b"[]"), add(2)].concat(), "the id 2 that is in flight"),
        (frame(CREDIT, 0, 0, &[], &u32::MAX.to_le_bytes()), "credit"),
        (prefix(12 + 65_537, REQUEST, 0, 0, 2), "body of 65537 bytes, the limit is 65536"),
        (prefix(15, REQUEST, 0, 4, 2), "a frame of length 15"),
    ]
}

/// The close with a reason: a GoAway that names it, readable although more was sent behind the fault.
#[tokio::test]
async fn a_fault_of_the_connection_is_answered_by_a_good_bye_that_names_it() {
    let serving = Serving::start().await;
    for (bytes, said) in faults() {
        let mut peer = serving.dialled("json").await;
        peer.send(&[bytes.clone(), request(40, "add", b"[1,1]")].concat()).await;
        let goodbye = peer.broken_off().await;
        assert!(goodbye.message().contains(said), "{:?} does not say {said:?}: {bytes:02x?}", goodbye.message());
        serving.serves_a_fresh_client().await;
    }
}

/// Request bytes beyond the window that was granted.
#[tokio::test]
async fn more_request_bytes_than_the_window_are_a_fault_of_the_connection() {
    let serving = Serving::start_with(Limits::default().max_message(65_536).request_window(65_536).running(1)).await;
    let mut peer = serving.dialled("json").await;
    let waiting = request(2, "wait", b"[]");
    let large = (2..6).flat_map(|n| request(2 * n, "echo", &[b'x'; 65_536]));
    peer.send(&[waiting, large.collect()].concat()).await;
    let goodbye = peer.broken_off().await;
    assert!(goodbye.message().contains("request_window of 196608"), "{}", goodbye.message());
    serving.serves_a_fresh_client().await;
}

/// Faults that cost one call each: a hundred are borne, the next one closes.
#[tokio::test]
async fn a_hundred_faults_that_cost_a_call_are_borne_and_the_next_closes() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let malformed = |id| frame(REQUEST, 0, id, &[1, 200], &[]);
    for n in 1..=100 {
        peer.send(&malformed(2 * n)).await;
        assert_eq!(peer.reply(2 * n).await.code(), INTERNAL);
    }
    peer.send(&request(300, "add", b"[1,2]")).await;
    assert_eq!(peer.reply(300).await.body, b"3");
    peer.send(&malformed(400)).await;
    let goodbye = peer.broken_off().await;
    assert!(goodbye.message().contains("protocol_errors: 101 faults, the limit is 100"), "{}", goodbye.message());
    serving.serves_a_fresh_client().await;
}

/// Answers that nobody waits for cost nothing but are counted.
#[tokio::test]
async fn answers_without_a_call_are_ignored_and_counted_until_they_close() {
    let serving = Serving::start_with(Limits::default().protocol_errors(3)).await;
    for stray in [frame(raw::RESPONSE, 0, 3, &[], b"1"), frame(END, 0, 3, &[], &[]), frame(END, 0, 0, &[], &[])] {
        let mut peer = serving.dialled("json").await;
        peer.send(&[stray.repeat(3), request(2, "add", b"[1,2]")].concat()).await;
        assert_eq!(peer.reply(2).await.body, b"3");
        peer.send(&stray).await;
        let goodbye = peer.broken_off().await;
        assert!(goodbye.message().contains("protocol_errors: 4 faults, the limit is 3"), "{}", goodbye.message());
    }
    serving.serves_a_fresh_client().await;
}

/// Calls beyond `in_flight` are refused one by one and hurt none of those within.
#[tokio::test]
async fn requests_beyond_in_flight_are_refused_one_by_one() {
    let serving = Serving::start_with(Limits::default().in_flight(4)).await;
    let mut peer = serving.dialled("json").await;
    peer.send(&(1..=4).flat_map(|n| request(2 * n, "wait", b"[]")).collect::<Vec<_>>()).await;
    for n in 5..=20 {
        peer.send(&request(2 * n, "add", b"[1,2]")).await;
        let refused = peer.reply(2 * n).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (RESOURCE_EXHAUSTED, true));
        assert!(refused.message().contains("in_flight: 4 calls are in flight, the limit is 4"), "{refused:?}");
    }
    peer.send(&frame(CANCEL, 0, 2, &[], &[])).await;
    assert_eq!(peer.reply(2).await.code(), 1);
    peer.send(&request(2, "add", b"[1,2]")).await;
    assert_eq!(peer.reply(2).await.body, b"3");
    serving.serves_a_fresh_client().await;
}

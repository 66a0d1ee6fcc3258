//! Every limit: it is there without being asked for, can be set, and is named in the error that it causes with both
//! numbers. One test for each that no other file has.

// Elsewhere: `in_flight`: faults/a21_a38_limits (the caller waits), faults/floods (the peer is refused) · messages that
// are too large, whoever finds that: faults/a21_a38_limits · lengths of frames and headers: faults/frames ·
// `protocol_errors`, and a peer that breaks `request_window`: shutdown · handshake, 4 KiB and 5 s: faults/handshake and
// handshake_dialling · `stall_timeout`: faults/floods and a01_a20_stalled · keepalive: client_and_server/liveness ·
// `max_connections` and descriptors: faults/descriptors · `memory`: faults/budget · the decoder's guard: faults/bodies.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, Limits, Stats, Status};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{
    probe::{self, ProbeClient, Served, Serving, client_and_raw_server},
    raw::{self, CREDIT, GO_AWAY, MORE, PING, PONG, Peer, REQUEST, RESOURCE_EXHAUSTED, RESPONSE},
    raw::{field, frame, names, request, varint, within, within_time},
};

/// A status that names a limit and the two numbers.
fn assert_names(status: &Status, code: Code, may_have_run: bool, words: &[&str]) {
    assert_eq!((status.code(), status.may_have_run()), (code, may_have_run), "{status}");
    for word in words {
        assert!(status.message().contains(word), "{word} is in {status}");
    }
}

/// A refusal of a request that names a limit and the two numbers.
fn assert_refuses(reply: &raw::Frame, words: &[&str]) {
    assert_eq!((reply.kind, reply.code(), reply.is_not_executed()), (RESPONSE, RESOURCE_EXHAUSTED, true), "{reply:?}");
    for word in words {
        assert!(reply.message().contains(word), "{word} is in {}", reply.message());
    }
}

async fn granted(limits: Limits) -> Value {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (mut peer, _served) = (Peer::new(near), Served::over(far, limits));
    peer.send(&raw::hello("json")).await;
    peer.handshake().await["welcome"]["grant"].clone()
}

#[tokio::test]
async fn what_is_announced_has_its_defaults_and_can_be_set() {
    let defaults = granted(Limits::default()).await;
    let window = (4 << 20) + (128 << 10);
    let expected = json!({"in_flight": 4096, "request_window": window, "max_message": 4 << 20, "max_header": 16_384,
        "streams": 128, "stream_window": 65_536});
    assert_eq!(defaults, expected);
    let set = Limits::default().in_flight(7).request_window(9 << 20).max_message(1 << 20).max_header(20_000);
    let set = set.streams(9).stream_window(1_000, 2_000);
    let expected = json!({"in_flight": 7, "request_window": 9 << 20, "max_message": 1 << 20, "max_header": 20_000,
        "streams": 9, "stream_window": 1_000});
    assert_eq!(granted(set).await, expected);
}

#[tokio::test]
async fn a_window_of_streams_is_never_larger_than_both_ends_can_count() {
    let granted = granted(Limits::default().stream_window(u32::MAX, 1)).await;
    assert_eq!(granted["stream_window"], (1 << 30) - 1);
}

#[tokio::test]
async fn max_message_is_named_by_the_sender_of_a_request_and_of_a_reply() {
    let serving = Serving::start().await;
    let builder = Channel::builder().limits(Limits::default().max_message(1_000_000));
    let probe = ProbeClient::new(builder.connect(serving.address()).await.unwrap());
    let status = probe.echo("x".repeat(1_000_001)).await.unwrap_err();
    assert_names(&status, Code::ResourceExhausted, false, &["max_message", "1000006", "1000000"]);
    assert_eq!(probe.channel().stats().refused.max_message, 1);
    // A list of numbers comes back longer than it went.
    let mut peer = serving.peer().await;
    peer.send(&raw::hello_granting("json", r#"{"max_message":20000}"#)).await;
    peer.handshake().await;
    peer.send(&request(2, "echo", format!("[\"{}\"]", "\\u0001".repeat(4_000)).as_bytes())).await;
    let reply = peer.reply(2).await;
    assert_eq!((reply.code(), reply.is_not_executed()), (RESOURCE_EXHAUSTED, false), "{reply:?}");
    let text = reply.message();
    assert!(text.contains("max_message") && text.contains("24002") && text.contains("20000"), "{text}");
}

#[tokio::test]
async fn max_header_is_named_by_the_sender_and_by_the_receiver() {
    let serving = Serving::start().await;
    let probe = ProbeClient::new(Channel::connect(serving.address()).await.unwrap());
    let status = probe.add(1, 2).metadata("key", "x".repeat(16_384)).await.unwrap_err();
    assert_names(&status, Code::ResourceExhausted, false, &["max_header", "16384"]);
    assert_eq!(probe.channel().stats().refused.max_header, 1);
    assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    let mut peer = serving.dialled("json").await;
    peer.send(&frame(REQUEST, 0, 2, &vec![0; 16_385], b"[1,2]")).await;
    assert_refuses(&peer.reply(2).await, &["max_header", "16385", "16384"]);
    assert_eq!(serving.handle.stats().refused.max_header, 1);
}

/// A header with so many entries of metadata.
fn entries(count: usize) -> Vec<u8> {
    field(4, b"\x01kv").repeat(count)
}

#[tokio::test]
async fn max_metadata_is_named_by_both_sides_for_requests_and_responses() {
    let serving = Serving::start().await;
    let probe = ProbeClient::new(Channel::connect(serving.address()).await.unwrap());
    let with = |count: usize| (0..count).fold(probe.add(1, 2), |call, n| call.metadata(format!("k{n}"), "v"));
    assert_eq!(with(64).await.unwrap(), 3);
    let status = with(65).await.unwrap_err();
    assert_names(&status, Code::ResourceExhausted, false, &["max_metadata", "65", "64"]);
    let mut peer = serving.dialled("json").await;
    peer.send(&frame(REQUEST, 0, 2, &[names("Probe", "add"), entries(65)].concat(), b"[1,2]")).await;
    assert_refuses(&peer.reply(2).await, &["max_metadata", "65", "64"]);
    assert_eq!(serving.handle.stats().refused.max_metadata, 1);
    let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
    let call = ProbeClient::new(channel).add(1, 2).start();
    let id = raw.frame_of(REQUEST).await.id;
    raw.send(&frame(RESPONSE, 0, id, &entries(65), &[6])).await;
    let status = within("the failure", call).await.unwrap_err();
    assert_names(&status, Code::ResourceExhausted, true, &["max_metadata", "65", "64"]);
}

#[tokio::test]
async fn a_name_above_256_bytes_is_refused_with_both_numbers() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    for (id, service, method, word) in
        [(2, "S".repeat(257), "m".to_owned(), "service"), (4, "S".into(), "m".repeat(257), "method")]
    {
        peer.send(&frame(REQUEST, 0, id, &names(&service, &method), b"[]")).await;
        assert_refuses(&peer.reply(id).await, &[word, "name", "257", "256"]);
    }
    assert_eq!(serving.handle.stats().refused.name, 2);
    let longest = "m".repeat(256);
    peer.send(&frame(REQUEST, 0, 6, &names("Probe", &longest), b"[]")).await;
    assert_eq!(peer.reply(6).await.code(), raw::UNIMPLEMENTED);
}

#[tokio::test]
async fn a_body_above_64_kib_is_no_frame_and_longer_messages_leave_in_parts_of_that() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    peer.send(&frame(REQUEST, 0, 2, &names("Probe", "add"), &vec![b' '; 65_537])).await;
    let text = peer.broken_off().await.message().to_owned();
    assert!(text.contains("65537") && text.contains("65536"), "{text}");
    assert_eq!(serving.handle.stats().closed.protocol, 1);
    let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
    let _call = ProbeClient::new(channel).echo("x".repeat(200_000)).start();
    let parts = [raw.frame().await, raw.frame().await, raw.frame().await, raw.frame().await];
    assert_eq!(parts.each_ref().map(|part| part.flags), [MORE, MORE, MORE, 0]);
    assert_eq!(parts.each_ref().map(|part| part.body.len()), [65_536, 65_536, 65_536, 200_005 - 3 * 65_536]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_request_window_names_it_at_its_deadline() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
    let probe = ProbeClient::new(channel.clone());
    // The peer grants 4 MiB and gives nothing back.
    let first = probe.echo("x".repeat(3 << 20)).start();
    let late = probe.echo("x".repeat(2 << 20)).timeout(Duration::from_secs(1)).start();
    assert_eq!(channel.stats().calls_waiting, 1);
    let status = within_time(Duration::from_secs(5), "its end", late).await.unwrap_err();
    assert_names(&status, Code::DeadlineExceeded, false, &["request_window", "1048571", "4194304"]);
    assert_eq!(raw.frame_of(REQUEST).await.body.len(), 65_536);
    drop(first);
}

#[tokio::test]
async fn as_many_handlers_run_as_is_allowed_and_who_waits_too_long_is_told() {
    for (limits, most) in [(Limits::default(), 256), (Limits::default().running(3), 3)] {
        let serving = Serving::start_with(limits).await;
        let probe = ProbeClient::new(Channel::connect(serving.address()).await.unwrap());
        let running: Vec<_> = (0..most).map(|_| probe.wait().start()).collect();
        let waits: Vec<_> = (0..20).map(|_| probe.wait().start()).collect();
        let all = |stats: &Stats| stats.served_in_flight == most + 20 && stats.running == most;
        serving.until("all are there", all).await;
        // The peer's own clock must not end it first.
        let mut peer = serving.dialled("json").await;
        for id in 1..=most as u64 {
            peer.send(&request(2 * id, "wait", b"[]")).await;
        }
        let timeout = field(2, &varint(100_000));
        let late = [names("Probe", "add"), timeout].concat();
        peer.send(&frame(REQUEST, 0, 9_000, &late, b"[1,2]")).await;
        let reply = peer.reply(9_000).await;
        assert_eq!((reply.code(), reply.is_not_executed()), (raw::DEADLINE_EXCEEDED, true), "{reply:?}");
        let text = reply.message();
        let words = [format!("while {most} handlers ran"), format!("the limit is {most}")];
        assert!(text.starts_with("running: ") && words.iter().all(|word| text.contains(word)), "{text}");
        let stats = serving.handle.stats();
        assert_eq!((stats.running, stats.refused.expired), (2 * most, 1), "{stats:?}");
        drop((running, waits));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_unsent_responses_is_told_so() {
    let (mut peer, _served) = {
        let (near, far) = tokio::io::duplex(1_024);
        (Peer::new(near), Served::over(far, Limits::default().unsent_responses(4_000)))
    };
    peer.dial("json").await;
    let text = "x".repeat(10_000);
    let late = [names("Probe", "add"), field(2, &varint(300_000))].concat();
    peer.send(&request(2, "echo", format!("[\"{text}\"]").as_bytes())).await;
    // Its reply is there, of which the pipe takes a little.
    assert_eq!(peer.head(4).await, (12_u32 + 10_002).to_le_bytes());
    peer.send(&frame(REQUEST, 0, 4, &late, b"[1,2]")).await;
    // Longer than the request may wait.
    tokio::time::sleep(Duration::from_millis(600)).await;
    drop(peer.head(12 + 10_002).await);
    let reply = peer.reply(4).await;
    assert_eq!((reply.code(), reply.is_not_executed()), (raw::DEADLINE_EXCEEDED, true), "{reply:?}");
    let text = reply.message();
    assert!(text.starts_with("unsent_responses: ") && text.contains("the limit is 4000"), "{text}");
}

#[tokio::test]
async fn of_many_pings_that_nobody_reads_the_answers_of_one_pong_is_kept() {
    let (mut peer, _served) = Served::pipe(64);
    peer.dial("json").await;
    let pings: Vec<u8> = (1..=10_000).flat_map(|token| frame(PING, 0, token, &[], &[])).collect();
    peer.send(&pings).await;
    let (mut pongs, mut last) = (0, 0);
    while last != 10_000 {
        let pong = peer.frame_of(PONG).await;
        assert!(pong.id > last, "the newest is answered: {} behind {last}", pong.id);
        (pongs, last) = (pongs + 1, pong.id);
    }
    // What the pipe holds, what is being written, and the one that waits.
    assert!(pongs <= 7, "{pongs} Pongs for pings whose answers nobody read");
}

#[tokio::test(start_paused = true)]
async fn drain_timeout_is_named_to_the_calls_that_it_cuts_off() {
    for (set, expected) in [(None, 30), (Some(Duration::from_secs(3)), 3)] {
        let builder = probe::server(Limits::default());
        let builder = set.into_iter().fold(builder, |builder, timeout| builder.drain_timeout(timeout));
        let server = builder.bind("tcp://127.0.0.1:0").await.unwrap();
        let (address, handle) = (server.local_address().to_owned(), server.handle());
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(server.serve());
        let probe = ProbeClient::new(Channel::connect(&address).await.unwrap());
        let call = probe.wait().no_timeout().start();
        while handle.stats().running == 0 {
            tokio::task::yield_now().await;
        }
        let began = Instant::now();
        handle.shut_down();
        let status = within_time(Duration::from_secs(60), "the call", call).await.unwrap_err();
        assert_eq!(began.elapsed().as_secs(), expected);
        let words = ["drain_timeout", &format!("{expected}s")];
        assert_names(&status, Code::Unavailable, true, &words);
        serving.join_next().await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn what_is_counted_is_told_on_both_sides_and_stays_after_the_end() {
    let serving = Serving::start().await;
    let channel = Channel::connect(serving.address()).await.unwrap();
    let probe = ProbeClient::new(channel.clone());
    let hanging = probe.wait().start();
    join_all((0..10).map(|n| probe.add(n, n))).await.into_iter().for_each(|sum| assert!(sum.is_ok()));
    let stats = channel.stats();
    assert_eq!((stats.connections, stats.connections_total, stats.calls_total, stats.calls_in_flight), (1, 1, 11, 1));
    assert_eq!((stats.memory_limit, stats.memory_held), (256 << 20, 0), "{stats:?}");
    drop(hanging);
    let stats = channel.stats();
    assert_eq!(stats.calls_abandoned, 1, "until the server has answered the Cancel");
    let at_server = serving.handle.stats();
    assert_eq!((at_server.connections, at_server.connections_total), (1, 1));
    // Unknown kinds, an unknown method, a fault, good-bye.
    let mut peer = serving.dialled("json").await;
    peer.send(&[frame(200, 0, 0, &[], b"x"), frame(201, 0, 0, &[], &[]), request(2, "nothing", b"[]")].concat()).await;
    assert_eq!(peer.reply(2).await.code(), raw::UNIMPLEMENTED);
    peer.send(&frame(RESPONSE, 0, 3, &[], &[])).await;
    peer.send(&frame(CREDIT, 0, 0, &[], &1_u32.to_le_bytes())).await;
    peer.send(&request(4, "add", b"[1,2]")).await;
    assert_eq!(raw::frames(&peer.rest().await).pop().unwrap().kind, GO_AWAY, "more credit than was used");
    drop((peer, probe, channel));
    serving.until("the end of the connections", |stats| stats.connections == 0).await;
    let stats = serving.handle.stats();
    assert_eq!((stats.unknown_frames, stats.refused.unimplemented, stats.late_responses), (2, 1, 1), "{stats:?}");
    assert_eq!((stats.protocol_faults, stats.closed.protocol), (1, 1), "{stats:?}");
    assert_eq!((stats.served_total, stats.connections_total), (11, 2), "{stats:?}");
    assert_eq!((stats.served_in_flight, stats.running, stats.handlers_abandoned, stats.memory_held), (0, 0, 0, 0));
}

#[tokio::test]
async fn peers_that_do_not_get_through_their_handshake_are_counted() {
    let serving = Serving::start_with(Limits::default().handshake_timeout(Duration::from_millis(200))).await;
    let silent = serving.peer().await;
    serving.until("the silent one", |stats| stats.handshakes == 1).await;
    let mut foreign = serving.peer().await;
    foreign.send(b"GET / HTTP/1.1\r\n\r\n").await;
    let mut unknown = serving.peer().await;
    unknown.send(&raw::hello("cbor")).await;
    unknown.handshake().await;
    drop(unknown);
    serving.until("the three", |stats| stats.refused.handshake == 3).await;
    assert_eq!(serving.handle.stats().handshakes, 0);
    drop(silent);
    serving.serves_a_fresh_client().await;
}

//! Places of PROTOCOL.md that a peer in another language stumbles over first, tried against the implementation: what an
//! End carries, which faults are counted, what a part may be, and in which order reasons of a refusal are looked at.

use std::time::Duration;

use rpc_runtime::{Channel, Code, CodecKind};

use crate::faults::{
    probe::{ProbeClient, Served, client_and_raw_server},
    raw::{
        self, CANCEL, CREDIT, DEADLINE_EXCEEDED, END, INTERNAL, INVALID_ARGUMENT, MORE, PING, PONG, REQUEST,
        RESOURCE_EXHAUSTED, RESPONSE, UNIMPLEMENTED, field, frame, names, request, varint, within,
    },
};

#[tokio::test]
async fn an_end_brings_message_details_and_metadata_to_its_caller() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let running = ProbeClient::new(channel).add(1, 2).start();
    let id = raw.frame_of(REQUEST).await.id;
    let status = [field(1, &[2]), field(2, b"given up"), field(3, &[10]), field(4, b"\x03keyvalue")].concat();
    let first = frame(RESPONSE, MORE, id, &field(5, &[3]), b"3");
    raw.send(&[first, frame(END, 0, id, &status, b"details")].concat()).await;
    let failure = within("the outcome", running).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Aborted, true));
    assert_eq!((failure.message(), failure.details()), ("given up", &b"details"[..]));
    assert_eq!(failure.metadata().get("key"), Some("value"));
}

/// All faults of a Response and of an End are counted alike.
#[tokio::test]
async fn a_hundred_and_one_faulty_answers_of_any_kind_cost_the_connection() {
    let total = field(5, &varint(u64::MAX));
    let table = [
        (END, 0, vec![1]),
        (END, 0, Vec::new()),
        (END, 0, field(1, &[1])),
        (RESPONSE, 0, vec![1]),
        (RESPONSE, MORE, total),
    ];
    for (kind, flags, header) in table {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let probe = ProbeClient::new(channel);
        for _ in 0..101 {
            let running = probe.add(1, 2).start();
            let id = raw.frame_of(REQUEST).await.id;
            raw.send(&frame(kind, flags, id, &header, b"")).await;
            within("the outcome", running).await.unwrap_err();
            if flags == MORE {
                raw.send(&frame(RESPONSE, 0, id, &[], b"")).await;
            }
        }
        let goodbye = raw.broken_off().await;
        assert!(goodbye.message().contains("protocol_errors: 101"), "{kind} {header:?}: {}", goodbye.message());
    }
}

#[tokio::test]
async fn a_refusal_never_reads_as_ok() {
    let (near, far) = tokio::io::duplex(4_096);
    let mut raw = raw::Peer::new(far);
    let refusing = async {
        raw.handshake().await;
        raw.send(&raw::handshake(r#"{"refusal":{"code":0,"versions":{"min":1,"max":1}}}"#)).await;
    };
    let (shaken, ()) = tokio::join!(Channel::builder().handshake(near, "raw"), refusing);
    assert_eq!(shaken.unwrap_err().code(), Code::Unknown);
}

/// Tokens are free, Cancel and late parts of unknown calls are passed over, and an increment of 0 does nothing.
#[tokio::test]
async fn what_has_no_effect_is_no_fault_however_often_it_comes() {
    let (mut peer, _served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    let nothing = [
        frame(CANCEL, 0, 2, &[], &[]),
        frame(CANCEL, 0, 3, &[], &[]),
        frame(CANCEL, 0, 0, &[], &[]),
        frame(PONG, 0, 9, &[], &[]),
        frame(CREDIT, 0, 0, &[], &[0; 4]),
        frame(REQUEST, 0, 2, &[], b"late"),
        frame(REQUEST, MORE, 2, &[], b"late"),
        frame(255, 0xFF, 0, &[1], b""),
    ];
    peer.send(&nothing.concat().repeat(101)).await;
    peer.send(&[request(2, "add", b"[1,2]"), frame(PING, 0, u64::MAX, &[], &[])].concat()).await;
    let answers = [peer.frame().await, peer.frame().await];
    assert!(answers.iter().any(|answer| answer.kind == PONG && answer.id == u64::MAX), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.id == 2 && answer.body == b"3"), "{answers:?}");
}

/// The order of *A call*: calls, header, total, good-bye, names, size, time.
#[tokio::test]
async fn of_several_reasons_to_refuse_the_first_in_order_is_told() {
    let (mut peer, _served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    let large = field(5, &varint(1 << 40));
    let unknown = names("Nobody", "nothing");
    let late = field(2, &[0]);
    let table = [
        // A malformed header before a total that is missing, that before an unknown service, that before the size, that
        // before the time.
        (MORE, [&unknown[..], &[9]].concat(), INTERNAL),
        (MORE, [&unknown[..], &late].concat(), INTERNAL),
        (MORE, [&unknown[..], &large, &late].concat(), UNIMPLEMENTED),
        (MORE, [names("Probe", "add"), large, late.clone()].concat(), RESOURCE_EXHAUSTED),
        (0, [names("Probe", "add"), late].concat(), DEADLINE_EXCEEDED),
    ];
    for (flags, header, code) in table {
        peer.send(&frame(REQUEST, flags, 2, &header, b"x")).await;
        let refused = peer.reply(2).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (code, true), "{refused:?}");
    }
}

#[tokio::test]
async fn a_part_that_others_follow_has_a_byte_at_least_but_for_the_first() {
    let (mut peer, _served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    let head = [names("Probe", "add"), field(5, &[5])].concat();
    let first = |id, body: &[u8]| frame(REQUEST, MORE, id, &head, body);
    let later = |id, flags, body: &[u8]| frame(REQUEST, flags, id, &[], body);
    peer.send(&[first(2, b""), later(2, MORE, b"[1,"), later(2, 0, b"2]")].concat()).await;
    assert_eq!(peer.reply(2).await.body, b"3");
    peer.send(&[first(2, b"[1,2]"), later(2, 0, b"")].concat()).await;
    assert_eq!(peer.reply(2).await.body, b"3");
    peer.send(&[first(2, b"["), later(2, MORE, b"")].concat()).await;
    assert_eq!(peer.reply(2).await.code(), INTERNAL);
}

/// *Closing*: the side that has ended its direction waits for the other's end, but not for ever.
#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_does_not_end_its_direction_is_closed_a_second_after_the_good_byes() {
    let (mut peer, served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    peer.send(&raw::go_away()).await;
    let began = tokio::time::Instant::now();
    let frames = raw::frames(&peer.rest().await);
    assert_eq!(frames.len(), 1);
    served.ended().await.unwrap();
    assert!((1..=2).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// *Keepalive* is for connections with calls: an idle one may stay as it is.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_neither_probed_nor_closed() {
    let (mut peer, _served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    peer.send(&request(2, "add", b"[1,2]")).await;
    assert_eq!(peer.frame().await.body, b"3");
}

/// A grant is a promise: what it is worth is the smaller of what both sides take.
#[tokio::test]
async fn a_window_below_max_message_bounds_the_messages_too() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut raw = raw::Peer::new(far);
    let accepting = async {
        raw.handshake().await;
        let grant = r#"{"request_window":100,"max_message":1000}"#;
        raw.send(&raw::handshake(&format!(r#"{{"welcome":{{"version":1,"codec":"json","grant":{grant}}}}}"#))).await;
    };
    let dialling = Channel::builder().codec(CodecKind::Json).handshake(near, "raw");
    let (channel, ()) = tokio::join!(dialling, accepting);
    let failure = ProbeClient::new(channel.unwrap()).echo("x".repeat(100)).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::ResourceExhausted, false), "{failure}");
}

/// The rules of the handshake's JSON.
#[tokio::test]
async fn a_null_a_field_twice_and_a_second_value_are_malformed_and_order_and_space_are_free() {
    for (text, code) in [
        (r#" {"later":null,"codec" : "json" , "versions":{"max":9,"min":0} } "#, None),
        (r#"{"versions":{"min":1,"max":1},"codec":"json","features":null}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"max":1},"codec":"json","grant":null}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"max":1},"codec":"json","grant":{"in_flight":null}}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"max":1},"codec":"json","codec":"json"}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"min":1,"max":1},"codec":"json"}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"max":1},"codec":"json"}{}"#, Some(INVALID_ARGUMENT)),
        (r#"[{"min":1,"max":1},"json"]"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":[1,1],"codec":"json"}"#, Some(INVALID_ARGUMENT)),
        (r#"{"versions":{"min":1,"max":1},"codec":"json","grant":[64]}"#, Some(INVALID_ARGUMENT)),
    ] {
        let (mut peer, _served) = Served::pipe(8_192);
        peer.send(&raw::handshake(text)).await;
        let answer = peer.handshake().await;
        assert_eq!(answer["refusal"]["code"].as_u64(), code, "{text}: {answer}");
    }
}

/// *Versions*: what is reserved is a fault.
#[tokio::test]
async fn a_reserved_kind_or_flag_costs_the_connection() {
    let reserved = [0, 10, 127].map(|kind| (kind, 0));
    let flags = [(REQUEST, 2), (REQUEST, 0x80), (RESPONSE, 3), (CANCEL, 1), (PING, 1), (END, 1), (CREDIT, 1)];
    for (kind, flags) in reserved.into_iter().chain(flags) {
        let (mut peer, _served) = Served::pipe(8_192);
        peer.dial("json").await;
        peer.send(&frame(kind, flags, 2, &[], &[])).await;
        peer.broken_off().await;
    }
}

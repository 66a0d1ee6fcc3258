//! What the tables of PROTOCOL.md's section *Streams* say of each frame in each state of a direction, tried against the
//! implementation from both sides: what is legal, what is ignored, and what costs the call and nothing else.

use std::time::Duration;

use futures_util::TryStreamExt;
use rpc_runtime::prelude::*;
use tokio::{io::DuplexStream, net::TcpStream, task::JoinSet};

use super::arith::{ArithServer, Calculator, Started, later::ArithClient};
use crate::faults::raw::{
    self, CANCEL, CREDIT, DEADLINE_EXCEEDED, END, Frame, INTERNAL, MESSAGE, MORE, PING, PONG, Peer, REQUEST,
    RESOURCE_EXHAUSTED, RESPONSE, UNIMPLEMENTED, field, frame, names, varint, within, within_time,
};

const GRANT: &str = r#"{"streams":128,"stream_window":65536}"#;
/// The status of a Response or End.
const SERVICE_ERROR: u8 = 1;
const OPENED: u8 = 3;

struct Serving {
    peer: Peer<TcpStream>,
    started: Started,
    _tasks: JoinSet<()>,
}

impl Serving {
    async fn start(limits: Limits) -> Self {
        let started = Started::none();
        let service = ArithServer::new(Calculator(started.clone()));
        let server = Server::builder().limits(limits).service(service).bind("tcp://127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(server.local_address().trim_start_matches("tcp://")).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { drop(server.serve().await) });
        let mut peer = Peer::new(stream);
        peer.send(&raw::hello_granting("json", GRANT)).await;
        peer.handshake().await;
        Self { peer, started, _tasks: tasks }
    }

    async fn runs(&self) {
        within("the start of the handler", self.started.one_more()).await;
    }

    async fn is_alive(&mut self) {
        self.peer.send(&frame(PING, 0, 77, &[], &[])).await;
        while self.peer.frame().await.kind != PONG {}
    }
}

/// The terminal frame of the call 2, whatever stands before it.
async fn ending(what: &str, serving: &mut Serving) -> Frame {
    let ended = async {
        loop {
            let frame = serving.peer.frame().await;
            let opened = frame.number(1) == Some(u64::from(OPENED));
            if [RESPONSE, END].contains(&frame.kind) && frame.id == 2 && !opened {
                return frame;
            }
        }
    };
    within_time(Duration::from_secs(5), what, ended).await
}

fn call(method: &str, body: &[u8]) -> Vec<u8> {
    frame(REQUEST, 0, 2, &names("Arith", method), body)
}

fn message(body: &[u8]) -> Vec<u8> {
    frame(MESSAGE, 0, 2, &[], body)
}

/// The first part of an item in parts.
fn first_part(total: u64, body: &[u8]) -> Vec<u8> {
    frame(MESSAGE, MORE, 2, &field(5, &varint(total)), body)
}

fn end_with(status: u8) -> Vec<u8> {
    frame(END, 0, 2, &field(1, &[status]), &[])
}

/// Faults of items that are open, whoever sends them, and what they cost their call.
fn faults_of_items() -> Vec<(&'static str, Vec<u8>, u64)> {
    let parts = |parts: &[Vec<u8>]| parts.concat();
    let later = |flags, body: &[u8]| frame(MESSAGE, flags, 2, &[], body);
    vec![
        ("an item that is cut off", message(b"\x03\"a"), INTERNAL),
        ("a length that is cut off", message(b"\x03\"a\"\x80"), INTERNAL),
        ("a length above 64 bits", message(&[0xFF; 11]), INTERNAL),
        ("MORE without total", later(MORE, b"\x03\"a\""), INTERNAL),
        ("total without MORE", frame(MESSAGE, 0, 2, &field(5, &[4]), b"\x03\"a\""), INTERNAL),
        ("an unknown odd field", frame(MESSAGE, MORE, 2, &field(51, &[]), b"\x03"), INTERNAL),
        ("a header that is malformed", frame(MESSAGE, MORE, 2, &[5], b"\x03"), INTERNAL),
        ("a header within an item", parts(&[first_part(4, b"\x03"), first_part(4, b"\x03")]), INTERNAL),
        ("an empty later part", parts(&[first_part(4, b"\x03"), later(MORE, b"")]), INTERNAL),
        ("too few bytes", parts(&[first_part(4, b"\x03"), later(0, b"\"a")]), INTERNAL),
        ("too many bytes", parts(&[first_part(4, b"\x03"), later(MORE, b"\"a\"\x00")]), INTERNAL),
        ("two items in parts", parts(&[first_part(4, b"\x01"), later(0, b"1\x012")]), INTERNAL),
        ("a total above max_message", first_part(1 << 40, b"\x03"), RESOURCE_EXHAUSTED),
    ]
}

#[tokio::test]
async fn a_fault_of_the_callers_items_costs_their_call_alone() {
    let mut table = faults_of_items();
    let two = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    table.extend([
        ("an end with a service error", end_with(SERVICE_ERROR), INTERNAL),
        ("an end that opens", end_with(OPENED), INTERNAL),
        ("an end of an unknown status", end_with(4), INTERNAL),
        ("an end with a malformed header", frame(END, 0, 2, &[1], &[]), INTERNAL),
        ("a second end", two(end_with(0), end_with(0)), INTERNAL),
        ("items behind the end", two(end_with(0), message(b"\x01\"")), INTERNAL),
        ("a part behind the end", two(end_with(0), first_part(4, b"\x03")), INTERNAL),
    ]);
    for (what, bytes, code) in table {
        let mut serving = Serving::start(Limits::default()).await;
        serving.peer.send(&call("unread", b"[]")).await;
        serving.runs().await;
        serving.peer.send(&bytes).await;
        let ended = ending(what, &mut serving).await;
        assert_eq!((ended.code(), ended.is_not_executed()), (code, false), "{what}: {ended:?}");
        serving.is_alive().await;
    }
}

#[tokio::test]
async fn a_message_or_an_end_where_the_caller_has_no_items_costs_the_call() {
    for method in ["slow", "watch"] {
        for bytes in [message(b"\x011"), first_part(4, b"\x03"), message(b""), end_with(0), end_with(OPENED)] {
            let mut serving = Serving::start(Limits::default()).await;
            serving.peer.send(&call(method, b"[]")).await;
            serving.runs().await;
            serving.peer.send(&bytes).await;
            let ended = ending("the terminal frame", &mut serving).await;
            assert_eq!((ended.code(), ended.is_not_executed()), (INTERNAL, false), "{method}: {ended:?}");
            serving.is_alive().await;
        }
    }
}

#[tokio::test]
async fn a_message_or_an_end_before_the_request_is_whole_costs_a_call_that_was_not_executed() {
    for bytes in [message(b"\x011"), end_with(0)] {
        let mut serving = Serving::start(Limits::default()).await;
        let header = [names("Arith", "total"), field(5, &[4])].concat();
        serving.peer.send(&[frame(REQUEST, MORE, 2, &header, b"[1"), bytes].concat()).await;
        let ended = ending("the terminal frame", &mut serving).await;
        assert_eq!((ended.code(), ended.is_not_executed()), (INTERNAL, true), "{ended:?}");
        serving.is_alive().await;
    }
}

/// However often it comes.
#[tokio::test]
async fn what_comes_of_a_caller_for_a_call_that_is_over_is_ignored_and_not_counted() {
    let mut serving = Serving::start(Limits::default()).await;
    serving.peer.send(&[call("first", b"[]"), message(b"\x017")].concat()).await;
    assert_eq!(ending("the terminal frame", &mut serving).await.body, b"7");
    let nothing = [
        message(b"\x018"),
        message(b"\x05"),
        first_part(4, b"\x03"),
        frame(MESSAGE, MORE, 2, &[], b"\x03"),
        end_with(0),
        end_with(SERVICE_ERROR),
        frame(END, 0, 2, &[1], &[]),
        frame(CANCEL, 0, 2, &[], &[]),
        frame(CREDIT, 0, 2, &[], &u32::MAX.to_le_bytes()),
        frame(CREDIT, 0, 3, &[], &u32::MAX.to_le_bytes()),
        frame(CANCEL, 0, 3, &[], &[]),
    ];
    serving.peer.send(&nothing.concat().repeat(101)).await;
    serving.is_alive().await;
}

#[tokio::test]
async fn credit_is_ignored_where_its_reader_sends_no_items() {
    for method in ["slow", "unread"] {
        let mut serving = Serving::start(Limits::default()).await;
        serving.peer.send(&call(method, b"[]")).await;
        serving.runs().await;
        serving.peer.send(&frame(CREDIT, 0, 2, &[], &u32::MAX.to_le_bytes()).repeat(101)).await;
        serving.is_alive().await;
    }
}

#[tokio::test]
async fn an_item_in_parts_may_be_cut_anywhere_and_its_last_part_may_be_empty() {
    let mut serving = Serving::start(Limits::default()).await;
    let later = |flags, body: &[u8]| frame(MESSAGE, flags, 2, &[], body);
    let parts = [first_part(4, b""), later(MORE, b"\x03"), later(MORE, b"\"a\""), later(0, b"")];
    // A length may be longer than it need be, and a message may have nothing in it.
    let long = [first_part(5, b"\x83"), later(0, b"\x00\"b\"")];
    let all = [call("echo_items", b"[]"), parts.concat(), message(b""), long.concat(), message(b"\x83\x00\"c\"")];
    serving.peer.send(&[all.concat(), end_with(0)].concat()).await;
    let mut items = Vec::new();
    loop {
        let frame = serving.peer.frame().await;
        match frame.kind {
            MESSAGE => items.extend(frame.body),
            CREDIT => {}
            _ => {
                assert_eq!((frame.kind, frame.number(1).unwrap_or(0)), (END, 0), "{frame:?}");
                break;
            }
        }
    }
    assert_eq!(items, b"\x03\"a\"\x03\"b\"\x03\"c\"");
}

/// The order of *A call*: an unknown method, then streams, then size and time.
#[tokio::test]
async fn a_stream_above_the_grant_is_refused_behind_an_unknown_method_and_before_size_and_time() {
    let mut serving = Serving::start(Limits::default().streams(1)).await;
    serving.peer.send(&frame(REQUEST, 0, 4, &names("Arith", "watch"), b"[]")).await;
    serving.runs().await;
    let late = field(2, &[0]);
    let large = field(5, &varint(1 << 40));
    for (flags, header, code, what) in [
        (0, [names("Arith", "nothing"), late.clone()].concat(), UNIMPLEMENTED, "nothing"),
        (0, [names("Arith", "watch"), late.clone()].concat(), RESOURCE_EXHAUSTED, "streams"),
        (MORE, [names("Arith", "watch"), large].concat(), RESOURCE_EXHAUSTED, "streams"),
        (0, [names("Arith", "slow"), late].concat(), DEADLINE_EXCEEDED, ""),
    ] {
        serving.peer.send(&frame(REQUEST, flags, 2, &header, b"[]")).await;
        let refused = ending("the terminal frame", &mut serving).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (code, true), "{refused:?}");
        assert!(refused.message().contains(what), "{refused:?}");
    }
}

// The other side.

async fn channel() -> (ArithClient, Peer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut peer = Peer::new(near);
    let answering = async {
        peer.handshake().await;
        peer.send(&raw::handshake(&format!(r#"{{"welcome":{{"version":1,"codec":"json","grant":{GRANT}}}}}"#))).await;
    };
    let dialled = Channel::builder().codec(CodecKind::Json).timeout(None).handshake(far, "raw");
    let (channel, ()) = tokio::join!(dialled, answering);
    (ArithClient::new(channel.unwrap()), peer)
}

/// `frame` has the id 2, and is sent with the id that the caller chose.
fn with_id(frames: &[u8], id: u64) -> Vec<u8> {
    let mut rest = frames;
    let mut all = Vec::new();
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let (frame, behind) = rest.split_at(4 + u32::from_le_bytes(*length) as usize);
        all.extend_from_slice(&[&frame[..8], &id.to_le_bytes(), &frame[16..]].concat());
        rest = behind;
    }
    all
}

#[tokio::test]
async fn a_fault_of_the_callees_items_ends_the_call_and_is_told_by_a_cancel() {
    let mut table = faults_of_items();
    let opened = frame(RESPONSE, 0, 2, &field(1, &[OPENED]), &[]);
    table.extend([
        ("opened twice", opened.repeat(2), INTERNAL),
        ("opened behind items", [message(b"\x03\"a\""), opened].concat(), INTERNAL),
        ("opened with a body", frame(RESPONSE, 0, 2, &field(1, &[OPENED]), b"1"), INTERNAL),
    ]);
    for (what, bytes, code) in table {
        let (client, mut peer) = channel().await;
        let running = client.echo_items(futures_util::stream::pending::<String>()).start();
        let id = peer.frame_of(REQUEST).await.id;
        peer.send(&with_id(&bytes, id)).await;
        let outcome = async { running.await?.try_collect::<Vec<_>>().await };
        let failure = within(what, outcome).await.unwrap_err();
        assert_eq!((failure.code() as u64, failure.may_have_run()), (code, true), "{what}: {failure}");
        assert_eq!(peer.frame_of(CANCEL).await.id, id, "{what}");
        // What still comes is expected, and its terminal frame, too.
        peer.send(&with_id(&[message(b"\x03\"a\""), end_with(0)].concat(), id)).await;
        let sum = client.sum(super::arith::Args::of(1, 2)).start();
        let next = peer.frame_of(REQUEST).await.id;
        peer.send(&frame(RESPONSE, 0, next, &[], b"3")).await;
        assert_eq!(within("the next call", sum).await.unwrap(), 3, "{what}");
    }
}

#[tokio::test]
async fn messages_of_a_callee_without_a_call_are_counted() {
    let (client, mut peer) = channel().await;
    let _running = client.slow().start();
    peer.frame_of(REQUEST).await;
    peer.send(&frame(MESSAGE, 0, 1 << 40, &[], b"\x011").repeat(101)).await;
    let goodbye = peer.broken_off().await;
    assert!(goodbye.message().contains("protocol_errors: 101"), "{}", goodbye.message());
}

#[tokio::test]
async fn items_that_came_before_a_lost_connection_are_taken_first() {
    let (client, mut peer) = channel().await;
    let mut items = client.count(0, 9).await.unwrap();
    let id = peer.frame_of(REQUEST).await.id;
    peer.send(&frame(MESSAGE, 0, id, &[], b"\x010\x011")).await;
    drop(peer);
    assert_eq!([items.next().await.unwrap().unwrap(), items.next().await.unwrap().unwrap()], [0, 1]);
    let failure = within("the end", items.next()).await.unwrap().unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Unavailable, true), "{failure}");
    assert!(items.next().await.is_none());
}

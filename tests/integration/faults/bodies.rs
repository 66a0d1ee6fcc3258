//! Bodies that are not what they should be (D1 to D6): an error of that call alone, at once, without memory or stack
//! for what was only announced; a bystander on the same connection is answered.

use std::collections::BTreeMap;

use rpc_runtime::{Channel, Code, CodecKind, Status};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    log::Log,
    probe::{CODECS, ProbeClient, Serving, Unguarded, add_arguments, client_and_raw_server, kind, sum},
    raw::{self, INTERNAL, INVALID_ARGUMENT, Peer, REQUEST, RESPONSE, UNIMPLEMENTED, field, frame, names, within},
};

/// All codecs whose lengths come ahead of the elements.
const ANNOUNCING: [&str; 4] = ["bincode", "messagepack", "postcard", "unguarded"];
const DEPTH: usize = 100_000;

/// What begins with a length.
#[derive(Clone, Copy)]
enum Head {
    List,
    Map,
    Text,
}

/// A length as the codec writes it.
fn head(codec: &str, head: Head, length: u64) -> Vec<u8> {
    match (codec, length) {
        ("messagepack", _) => {
            let marker = match head {
                Head::List => 0xDD,
                Head::Map => 0xDF,
                Head::Text => 0xDB,
            };
            [&[marker][..], &u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()].concat()
        }
        ("bincode", 0..=250) => vec![length as u8],
        ("bincode", 251..=0xFFFF) => [&[0xFB][..], &(length as u16).to_le_bytes()].concat(),
        ("bincode", _) => [&[0xFD][..], &length.to_le_bytes()].concat(),
        _ => raw::varint(length),
    }
}

/// The arguments of a method that has one.
fn argument(codec: &str, value: &[u8]) -> Vec<u8> {
    match codec {
        "json" => [b"[", value, b"]"].concat(),
        "messagepack" => [&[0x91], value].concat(),
        _ => value.to_vec(),
    }
}

/// D1, and D3 with lengths that the bytes could just hold.
#[tokio::test]
async fn lengths_without_bytes_are_refused_at_once() {
    let padded = |bytes: &[u8], length: usize| [bytes, &vec![1; length - bytes.len()]].concat();
    let serving = Serving::start().await;
    for codec in ANNOUNCING {
        let (endless, plenty) = (|what| head(codec, what, 1 << 60), |what| head(codec, what, 60_000));
        let nested = [plenty(Head::Map), vec![1], plenty(Head::List), plenty(Head::List)].concat();
        let table = [
            ("count", padded(&endless(Head::List), 20)),
            ("units", padded(&endless(Head::List), 20)),
            ("units", endless(Head::List)),
            ("units", head(codec, Head::List, 65_600)),
            ("echo", padded(&endless(Head::Text), 20)),
            ("depth", padded(&endless(Head::List), 20)),
            ("table", padded(&endless(Head::Map), 20)),
            ("table", padded(&nested, 60_000)),
        ];
        let mut peer = serving.dialled(codec).await;
        for (method, value) in table {
            let request = raw::request(2, method, &argument(codec, &value));
            let refused = call_beside_a_bystander(&mut peer, codec, &request).await;
            assert_is_refused(&refused, INVALID_ARGUMENT);
        }
    }
    serving.serves_a_fresh_client().await;
}

/// D1: what has its bytes is no fault, in a codec whose elements all have some.
#[tokio::test]
async fn many_elements_that_have_bytes_are_taken() {
    let serving = Serving::start().await;
    let as_json = format!("[{}null]", "null,".repeat(99_999)).into_bytes();
    let as_messagepack = [head("messagepack", Head::List, 100_000), vec![0xC0; 100_000]].concat();
    for (codec, value, count) in
        [("json", as_json, &b"100000"[..]), ("messagepack", as_messagepack, b"\xCE\x00\x01\x86\xA0")]
    {
        let mut peer = serving.dialled(codec).await;
        let request = raw::long_request(2, "units", &argument(codec, &value));
        let answer = call_beside_a_bystander(&mut peer, codec, &request).await;
        assert_eq!((answer.is_value(), &answer.body[..]), (true, count), "{answer:?}");
    }
}

/// D1 in an answer: the caller gets an error and its connection goes on.
#[tokio::test]
async fn answers_with_lengths_without_bytes_fail_their_calls_alone() {
    for codec in ANNOUNCING {
        for rest in [0, 11] {
            let body = |what| [head(codec, what, 1 << 60), vec![1; rest]].concat();
            let (channel, mut raw) = client_and_raw_server(kind(codec)).await;
            let probe = ProbeClient::new(channel.clone());
            assert_fails(&channel, &mut raw, &body(Head::List), probe.numbers().start()).await;
            assert_fails(&channel, &mut raw, &body(Head::List), probe.nothings().start()).await;
            assert_fails(&channel, &mut raw, &body(Head::List), probe.bytes().start()).await;
            assert_fails(&channel, &mut raw, &body(Head::Text), probe.echo(String::new()).start()).await;
        }
    }
}

/// D3 in an answer: lengths within lengths, each of which its bytes could just hold.
#[tokio::test]
async fn answers_with_lengths_within_lengths_fail_their_calls_alone() {
    let sixty_thousand = [0xFB, 0x60, 0xEA];
    let mut body = [&sixty_thousand[..], &[1], &sixty_thousand, &sixty_thousand].concat();
    body.resize(60_000, 1);
    let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
    let probe = ProbeClient::new(channel.clone());
    assert_fails(&channel, &mut raw, &body, probe.tables().start()).await;
}

/// D8: a map with a great many keys, in a request and in an answer; others are served meanwhile. No message of 4 MiB
/// holds more than some 700,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_of_very_many_keys_is_decoded_while_others_are_served() {
    const KEYS: u32 = 200_000;
    let mut body = [&[0xFC][..], &KEYS.to_le_bytes()].concat();
    for key in 0..KEYS {
        body.extend([&[0xFC][..], &(1_000_000 + key).to_le_bytes(), &[0]].concat());
    }
    let serving = Serving::start().await;
    let mut peer = serving.dialled("bincode").await;
    peer.send(&raw::long_request(2, "table", &body)).await;
    serving.serves_a_fresh_client().await;
    let answer = peer.reply(2).await;
    assert_eq!((answer.is_value(), &answer.body[..]), (true, &[0xFC, 0x40, 0x0D, 0x03, 0x00][..]), "{answer:?}");

    let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
    let call = ProbeClient::new(channel).tables().start();
    let id = raw.frame_of(REQUEST).await.id;
    raw.send(&raw::in_parts(RESPONSE, id, &field(5, &raw::varint(body.len() as u64)), &body)).await;
    assert_eq!(within("the outcome", call).await.unwrap().len(), KEYS as usize);
    serving.serves_a_fresh_client().await;
}

/// D2, in requests and in answers.
#[tokio::test]
async fn values_that_nest_without_end_are_refused() {
    let serving = Serving::start().await;
    for codec in CODECS {
        for closed in [true, false] {
            let value = tree(codec, DEPTH, closed);
            let arguments = if codec == "json" || closed { argument(codec, &value) } else { value.clone() };
            let mut peer = serving.dialled(codec).await;
            let refused = call_beside_a_bystander(&mut peer, codec, &raw::long_request(2, "depth", &arguments)).await;
            assert_is_refused(&refused, INVALID_ARGUMENT);

            let (channel, mut raw) = client_and_raw_server(kind(codec)).await;
            assert_fails(&channel, &mut raw, &value, ProbeClient::new(channel.clone()).grow().start()).await;
        }
    }
    serving.serves_a_fresh_client().await;
}

/// D2: what nests less is taken.
#[tokio::test]
async fn values_that_nest_a_hundred_deep_are_taken() {
    let serving = Serving::start().await;
    for codec in CODECS {
        let mut peer = serving.dialled(codec).await;
        let request = raw::request(2, "depth", &argument(codec, &tree(codec, 50, true)));
        let answer = call_beside_a_bystander(&mut peer, codec, &request).await;
        let depth = if codec == "json" { &b"51"[..] } else { &[51] };
        assert_eq!((answer.is_value(), &answer.body[..]), (true, depth), "{answer:?}");
    }
}

/// D4 and D5.
#[tokio::test]
async fn arguments_of_another_type_and_bytes_left_over_are_refused() {
    let table = [
        ("json", "add", &b""[..]),
        ("json", "add", b"null"),
        ("json", "add", b"7"),
        ("json", "add", b"[]"),
        ("json", "add", b"[1]"),
        ("json", "add", b"[1,\"2\"]"),
        ("json", "add", b"[1,2.5]"),
        ("json", "add", b"[1,9223372036854775808]"),
        ("json", "add", b"{\"a\":1}"),
        ("json", "add", b"[1,2"),
        ("json", "echo", b"[7]"),
        ("json", "add", b"[1,2,3]"),
        ("json", "add", b"[1,2] 3"),
        ("json", "add", b"[1,2][1,2]"),
        ("json", "add", b"[1,2]\0"),
        ("bincode", "add", b""),
        ("bincode", "add", b"\x02"),
        ("bincode", "add", b"\xFF\xFF"),
        ("bincode", "echo", b"\x05abc"),
        ("bincode", "add", b"\x02\x04\x06"),
        ("bincode", "echo", b"\x01ab"),
        ("messagepack", "add", b""),
        ("messagepack", "add", b"\xC0"),
        ("messagepack", "add", b"\x07"),
        ("messagepack", "add", b"\x90"),
        ("messagepack", "add", b"\x91\x01"),
        ("messagepack", "add", b"\x92\x01\xA12"),
        ("messagepack", "add", b"\x92\x01\xCF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        ("messagepack", "add", b"\x81\xA1a\x01"),
        ("messagepack", "add", b"\x92\x01"),
        ("messagepack", "echo", b"\x91\x07"),
        ("messagepack", "echo", b"\x91\xA5abc"),
        ("messagepack", "add", b"\x93\x01\x02\x03"),
        ("messagepack", "add", b"\x92\x01\x02\x03"),
        ("postcard", "add", b""),
        ("postcard", "add", b"\x02"),
        ("postcard", "add", b"\xFF\xFF"),
        ("postcard", "echo", b"\x05abc"),
        ("postcard", "add", b"\x02\x04\x06"),
        ("postcard", "echo", b"\x01ab"),
        ("unguarded", "add", b"\x02"),
        ("unguarded", "echo", b"\x05abc"),
        ("unguarded", "add", b"\x02\x04\x06"),
    ];
    let serving = Serving::start().await;
    for (codec, method, body) in table {
        let mut peer = serving.dialled(codec).await;
        let refused = call_beside_a_bystander(&mut peer, codec, &raw::request(2, method, body)).await;
        assert_is_refused(&refused, INVALID_ARGUMENT);
    }
    serving.serves_a_fresh_client().await;
}

#[tokio::test]
async fn arguments_by_name_are_taken_by_the_codecs_that_know_names() {
    let serving = Serving::start().await;
    for (codec, arguments, sum) in
        [("json", &br#"{"b":2,"a":1}"#[..], &b"3"[..]), ("messagepack", b"\x82\xA1b\x02\xA1a\x01", b"\x03")]
    {
        let mut peer = serving.dialled(codec).await;
        peer.send(&raw::request(2, "add", arguments)).await;
        assert_eq!(peer.reply(2).await.body, sum);
    }
}

/// D4 and D5 in an answer.
#[tokio::test]
async fn answers_of_another_type_or_with_bytes_left_over_fail_their_calls_alone() {
    let table = [
        (CodecKind::Json, &b"7"[..]),
        (CodecKind::Json, b""),
        (CodecKind::Json, b"null"),
        (CodecKind::Json, b"\"a\" \"b\""),
        (CodecKind::Json, b"\"a\"]"),
        (CodecKind::Bincode, b""),
        (CodecKind::Bincode, b"\x05abc"),
        (CodecKind::Bincode, b"\x01ab"),
        (CodecKind::MessagePack, b""),
        (CodecKind::MessagePack, b"\x07"),
        (CodecKind::MessagePack, b"\xC0"),
        (CodecKind::MessagePack, b"\xA5abc"),
        (CodecKind::MessagePack, b"\xA1a\xA1b"),
        (CodecKind::Postcard, b""),
        (CodecKind::Postcard, b"\x05abc"),
        (CodecKind::Postcard, b"\x01ab"),
        (CodecKind::Custom(&Unguarded), b"\x05abc"),
        (CodecKind::Custom(&Unguarded), b"\x01ab"),
    ];
    for (codec, body) in table {
        let (channel, mut raw) = client_and_raw_server(codec).await;
        assert_fails(&channel, &mut raw, body, ProbeClient::new(channel.clone()).echo(String::new()).start()).await;
    }
}

/// D6 in arguments and answers.
#[tokio::test]
async fn text_that_is_not_utf_8_is_refused() {
    let serving = Serving::start().await;
    for codec in CODECS {
        let value = match codec {
            "json" => b"\"a\xFFb\"".to_vec(),
            "messagepack" => b"\xA3a\xFFb".to_vec(),
            _ => b"\x03a\xFFb".to_vec(),
        };
        let mut peer = serving.dialled(codec).await;
        let request = raw::request(2, "echo", &argument(codec, &value));
        let refused = call_beside_a_bystander(&mut peer, codec, &request).await;
        assert_is_refused(&refused, INVALID_ARGUMENT);
        let (channel, mut raw) = client_and_raw_server(kind(codec)).await;
        assert_fails(&channel, &mut raw, &value, ProbeClient::new(channel.clone()).echo(String::new()).start()).await;
    }
    serving.serves_a_fresh_client().await;
}

/// D6 in names: refused, and no control character of a peer reaches the log.
#[tokio::test]
async fn names_that_are_no_text_are_refused_and_names_with_control_characters_stay_out_of_the_log() {
    let (log, _listening) = Log::listen();
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let raw_names = |service: &[u8], method: &[u8]| [field(1, service), field(3, method)].concat();
    let table = [
        (raw_names(b"Probe", b"add\xFF"), INTERNAL),
        (raw_names(b"\xC0\x80", b"add"), INTERNAL),
        (names("Probe", "add\r\nERROR forged\u{1b}[2J"), UNIMPLEMENTED),
        (names("Pro\nbe", "add"), UNIMPLEMENTED),
        (names("Probe", "add\0"), UNIMPLEMENTED),
    ];
    for (header, code) in table {
        let refused = call_beside_a_bystander(&mut peer, "json", &frame(REQUEST, 0, 2, &header, b"[1,2]")).await;
        assert_is_refused(&refused, code);
    }
    peer.send(&frame(raw::GO_AWAY, 0, 0, &[field(2, b"bye\nERROR forged\x1b[2J"), field(3, &[13])].concat(), &[]))
        .await;
    peer.end().await;
    peer.rest().await;
    serving.serves_a_fresh_client().await;
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("bye")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{lines:?}");
}

/// So many values in one another.
fn tree(codec: &str, depth: usize, closed: bool) -> Vec<u8> {
    match (codec, closed) {
        ("json", true) => ["[".repeat(depth + 1), "]".repeat(depth + 1)].concat().into_bytes(),
        ("json", false) => "[".repeat(depth).into_bytes(),
        ("messagepack", true) => [vec![0x91; depth], vec![0x90]].concat(),
        ("messagepack", false) => vec![0x91; depth],
        (_, true) => [vec![1; depth], vec![0]].concat(),
        (_, false) => vec![1; depth],
    }
}

/// Sends a request with the id 2 and, in the same write, a good one; gives the answer to the first.
async fn call_beside_a_bystander<T: AsyncRead + AsyncWrite + Unpin>(
    peer: &mut Peer<T>,
    codec: &str,
    call: &[u8],
) -> raw::Frame {
    let bystander = raw::request(40, "add", &add_arguments(codec, 20, 22));
    peer.send(&[call, &bystander[..]].concat()).await;
    let mut answers = BTreeMap::new();
    while answers.len() < 2 {
        let answer = peer.frame().await;
        if answer.kind == RESPONSE {
            answers.insert(answer.id, answer);
        } else {
            assert_eq!(answer.kind, raw::CREDIT, "{answer:?}");
        }
    }
    assert_eq!(answers[&40].body, sum(codec, 42));
    answers.remove(&2).expect("the call is answered")
}

fn assert_is_refused(answer: &raw::Frame, code: u64) {
    assert_eq!((answer.code(), answer.is_not_executed()), (code, true), "{answer:?}");
    assert!(!answer.message().is_empty());
}

/// Answers `call`, which was started, with `body`: it fails at its caller, and a bystander is answered.
async fn assert_fails<V: std::fmt::Debug>(
    channel: &Channel,
    raw: &mut Peer<impl AsyncRead + AsyncWrite + Unpin>,
    body: &[u8],
    call: impl Future<Output = Result<V, Status>>,
) {
    let id = raw.frame_of(REQUEST).await.id;
    let bystander = ProbeClient::new(channel.clone()).add(20, 22).start();
    let other = raw.frame_of(REQUEST).await;
    let codec = CODECS.iter().find(|codec| add_arguments(codec, 20, 22) == other.body).expect("it is one of them");
    let header = if body.len() > 65_536 { field(5, &raw::varint(body.len() as u64)) } else { Vec::new() };
    let answer = match body {
        [] => frame(RESPONSE, 0, id, &[], &[]),
        body => raw::in_parts(RESPONSE, id, &header, body),
    };
    raw.send(&answer).await;
    let failure = within("the outcome", call).await.unwrap_err();
    assert_eq!((failure.code(), failure.may_have_run()), (Code::Internal, true), "{failure}");
    raw.send(&frame(RESPONSE, 0, other.id, &[], &sum(codec, 42))).await;
    assert_eq!(within("the bystander", bystander).await.unwrap(), 42);
}

//! Handshakes: whole, cut, false, and those of other protocols.

use std::collections::BTreeMap;

use super::super::{handshake::MAGIC, *};
use crate::status::Code;

fn framed(text: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &(text.len() as u16).to_le_bytes(), text].concat()
}

fn hello() -> Hello {
    Hello {
        versions: Versions { min: 1, max: 2 },
        codec: "bincode".to_owned(),
        grant: Grant { in_flight: 7, streams: 3, ..Grant::default() },
        features: vec!["x".to_owned()],
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
    }
}

#[track_caller]
fn malformed(text: &str) -> String {
    match parse_hello(&framed(text.as_bytes())) {
        Err(HandshakeError::Malformed(cause)) => cause,
        other => panic!("not malformed: {other:?}"),
    }
}

#[test]
fn a_hello_is_magic_length_and_json() {
    let text = concat!(
        r#"{"versions":{"min":1,"max":2},"codec":"bincode","grant":{"in_flight":7,"request_window":65536,"#,
        r#""max_message":16384,"max_header":16384,"streams":3,"stream_window":0},"features":["x"],"#,
        r#""metadata":{"k":"v"}}"#
    );
    let encoded = encode_hello(&hello()).expect("a short hello");
    assert_eq!(encoded[..10], [0xf5, b'R', b'P', b'C', 0x0d, 0x0a, 0x1a, 0x0a, text.len() as u8, 0]);
    assert_eq!(&encoded[10..], text.as_bytes());
    assert_eq!(parse_hello(&encoded), Ok(Handshake::Done { value: hello(), length: encoded.len() }));
}

#[test]
fn every_truncation_is_incomplete_and_the_bytes_behind_are_left_alone() {
    let mut input = encode_hello(&hello()).expect("a short hello");
    let length = input.len();
    for end in 0..length {
        let needed = if end < 10 { 10 } else { length };
        assert_eq!(parse_hello(&input[..end]), Ok(Handshake::Incomplete { needed }), "{end} bytes");
    }
    input.extend([0xff; 30]);
    assert_eq!(parse_hello(&input), Ok(Handshake::Done { value: hello(), length }));
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_have_their_floor() {
    let text = r#"{"versions":{"min":1,"max":1,"x":0},"codec":"c","grant":{"streams":5,"y":{}},"z":[[]]}"#;
    let Ok(Handshake::Done { value, .. }) = parse_hello(&framed(text.as_bytes())) else { panic!("not a hello") };
    let grant = Grant {
        in_flight: 64,
        request_window: 65_536,
        max_message: 16_384,
        max_header: 16_384,
        streams: 5,
        stream_window: 0,
    };
    assert_eq!((value.grant, value.features.len(), value.metadata.len()), (grant, 0, 0));
}

#[test]
fn a_text_above_4_kib_is_cut_off_by_its_length() {
    let announce = |length: u16| [&MAGIC[..], &length.to_le_bytes()].concat();
    assert_eq!(parse_hello(&announce(4_096)), Ok(Handshake::Incomplete { needed: 4_106 }));
    for announced in [4_097, u16::MAX] {
        let error = HandshakeError::TooLong { announced: usize::from(announced), limit: 4_096 };
        assert_eq!(parse_hello(&announce(announced)), Err(error.clone()));
        assert_eq!(parse_answer(&announce(announced)), Err(error));
    }
    let full = format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"c"{}}}"#, " ".repeat(4_096 - 42));
    assert_eq!(full.len(), 4_096);
    assert!(matches!(parse_hello(&framed(full.as_bytes())), Ok(Handshake::Done { length: 4_106, .. })));
}

#[test]
fn a_hello_that_is_too_long_is_not_sent() {
    let metadata = BTreeMap::from([("k".to_owned(), "v".repeat(4_096))]);
    let error = encode_hello(&Hello { metadata, ..hello() }).expect_err("it is too long");
    assert!(matches!(error, HandshakeError::TooLong { announced: 4_097.., limit: 4_096 }));
    assert!(error.to_string().ends_with("bytes, the limit is 4096"), "{error}");
}

#[test]
fn a_reason_that_is_too_long_is_cut() {
    let refusal = Answer::Refusal(Refusal {
        code: Code::Unavailable,
        reason: "\u{1}".repeat(5_000),
        versions: Versions { min: 1, max: 1 },
        codecs: vec![],
    });
    let Ok(Handshake::Done { value: Answer::Refusal(cut), .. }) = parse_answer(&encode_answer(&refusal)) else {
        panic!("not a refusal")
    };
    assert_eq!((cut.code, cut.reason), (Code::Unavailable, "\u{1}".repeat(512)));
}

#[test]
fn other_protocols_are_recognised_however_few_bytes_have_come() {
    for (start, decided, protocol, name) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n"[..], 5, ForeignProtocol::Http, "an http request"),
        (b"M-SEARCH * HTTP/1.1\r\n", 10, ForeignProtocol::Http, "an http request"),
        (b"PURGE http://example.org/ HTTP/1.1\r\n", 10, ForeignProtocol::Http, "an http request"),
        (b"CONNECT example.org:443 HTTP/1.1\r\n", 9, ForeignProtocol::Http, "an http request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 14, ForeignProtocol::Http2, "the preface of an http/2 client"),
        (b"HTTP/1.1 400 Bad Request\r\n", 5, ForeignProtocol::HttpAnswer, "an http answer"),
        (b"\x16\x03\x01\x02\x00\x01", 2, ForeignProtocol::Tls, "a tls client hello"),
        (b"\x15\x03\x03\x00\x02\x02\x0a", 2, ForeignProtocol::TlsAlert, "a tls alert"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 4, ForeignProtocol::Ssh, "an ssh banner"),
        (b"{\"MagicNumber\":3927900}", 1, ForeignProtocol::Json, "json without the magic bytes"),
    ] {
        for end in 1..decided {
            let parsed = parse_hello(&start[..end]);
            assert_eq!(parsed, Ok(Handshake::Incomplete { needed: 32 }), "{name}, {end} bytes");
        }
        for end in decided..=start.len() {
            let error = parse_answer(&start[..end]).expect_err("it is no answer");
            assert_eq!(error, HandshakeError::Foreign(protocol), "{end} bytes");
            assert_eq!(error.to_string(), format!("expected a handshake, the peer sent {name}"));
        }
    }
}

#[test]
fn what_only_looks_like_another_protocol_is_none() {
    for start in
        [&b"EHLO mail.example.org"[..], b"GET\r\n", b"get / HTTP/1.1", b" / HTTP/1.1", b"*1\r\n", &[b'A'; 21], b"SSH1"]
    {
        assert!(matches!(parse_hello(start), Err(HandshakeError::Magic { .. })), "{start:?}");
    }
    let error = parse_answer(b"220 mail.example.org ESMTP").expect_err("it is no answer");
    assert!(error.to_string().ends_with("the peer sent \"220 mail\""), "{error}");
}

#[test]
fn a_wrong_magic_is_decided_at_the_first_wrong_byte() {
    for position in 0..MAGIC.len() {
        let mut input = MAGIC.to_vec();
        input[position] ^= 0x80;
        assert_eq!(parse_hello(&input[..position]), Ok(Handshake::Incomplete { needed: 10 }));
        for end in position + 1..=MAGIC.len() {
            let error = HandshakeError::Magic { found: input[..end].to_vec() };
            assert_eq!(parse_hello(&input[..end]), Err(error));
        }
    }
    let error = parse_hello(&[0xde; 100]).expect_err("it is no hello");
    assert!(error.to_string().ends_with("the peer sent [de, de, de, de, de, de, de, de]"), "{error}");
}

#[test]
fn a_magic_whose_line_ends_were_changed_is_wrong() {
    assert!(matches!(parse_hello(b"\xF5RPC\n\x1A\n"), Err(HandshakeError::Magic { .. })));
    assert!(matches!(parse_hello(b"\xF5RPC\r\n\x1A\r\n"), Err(HandshakeError::Magic { .. })));
}

#[test]
fn a_text_that_is_no_hello_is_malformed() {
    for text in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"versions":{"min":1},"codec":"c"}"#,
        r#"{"versions":{"min":-1,"max":1},"codec":"c"}"#,
        r#"{"versions":{"min":1,"max":4294967296},"codec":"c"}"#,
        r#"{"versions":{"min":1,"max":1},"codec":"c","grant":{"streams":"many"}}"#,
        r#"{"versions":{"min":1,"max":1},"codec":"c"} x"#,
    ] {
        assert!(!malformed(text).is_empty(), "{text}");
    }
    assert_eq!(malformed(r#"{"versions":{"min":2,"max":1},"codec":"c"}"#), "versions from 2 to 1");
    let bytes = framed(b"{\"codec\":\"\xff\"}");
    assert!(matches!(parse_hello(&bytes), Err(HandshakeError::Malformed(_))));
}

#[test]
fn deep_nesting_is_no_stack_overflow_and_causes_are_safe_to_log() {
    assert!(!malformed(&"[".repeat(4_096)).is_empty());
    malformed(&format!(r#"{{"x":{}"#, "[".repeat(4_000)));
    let cause = malformed(&format!(r#"{{"versions":"\u001b[31m\n{}"}}"#, "x".repeat(2_000)));
    assert!(cause.chars().count() <= 200 && !cause.chars().any(char::is_control), "{cause:?}");
}

#[test]
fn an_answer_is_exactly_one_of_welcome_and_refusal() {
    let welcome = r#""welcome":{"version":1,"codec":"json"}"#;
    let refusal = r#""refusal":{"code":99,"versions":{"min":1,"max":1}}"#;
    let parsed = |text: String| parse_answer(&framed(text.as_bytes()));
    assert!(matches!(
        parsed(format!("{{{welcome},\"later\":1}}")),
        Ok(Handshake::Done { value: Answer::Welcome(Welcome { version: 1, .. }), .. })
    ));
    assert!(matches!(
        parsed(format!("{{{refusal}}}")),
        Ok(Handshake::Done { value: Answer::Refusal(Refusal { code: Code::Unknown, .. }), .. })
    ));
    for text in [format!("{{{welcome},{refusal}}}"), "{}".to_owned()] {
        assert!(matches!(parsed(text), Err(HandshakeError::Malformed(_))));
    }
}

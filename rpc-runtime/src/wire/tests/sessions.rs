//! Frames as in the golden sessions of PROTOCOL.md, written and read. That the document has them, and that both sides
//! play them, is tested in `tests/integration/protocol`.

use std::{borrow::Cow, time::Duration};

use super::{super::*, MAX_HEADER, hex, whole};
use crate::{metadata::Metadata, status::Code};

const HELLO: &str = r#"{"versions":{"min":1,"max":1},"codec":"json"}"#;
const WELCOME: &str = concat!(
    r#"{"welcome":{"version":1,"codec":"json","grant":{"in_flight":4096,"request_window":4194304,"#,
    r#""max_message":4194304,"max_header":16384,"streams":0,"stream_window":0},"features":[]}}"#
);
const REFUSAL: &str = concat!(
    r#"{"refusal":{"code":12,"reason":"unknown codec cbor","versions":{"min":1,"max":1},"#,
    r#""codecs":["bincode","json"]}}"#
);

const SUM: &str = "2D 00 00 00 01 00 12 00 02 00 00 00 00 00 00 00 \
    01 05 41 72 69 74 68 02 04 80 87 A7 0E 03 03 73 75 6D 5B 7B 22 61 22 3A 31 2C 22 62 22 3A 32 7D 5D";
const SUM_REPLY: &str = "0D 00 00 00 02 00 00 00 02 00 00 00 00 00 00 00 33";
const SUM_CREDIT: &str = "10 00 00 00 06 00 00 00 00 00 00 00 00 00 00 00 0F 00 00 00";

const DIV: &str = "27 00 00 00 01 00 0C 00 04 00 00 00 00 00 00 00 \
    01 05 41 72 69 74 68 03 03 64 69 76 5B 7B 22 61 22 3A 31 2C 22 62 22 3A 30 7D 5D";
const DIV_ERROR: &str = "1D 00 00 00 02 00 03 00 04 00 00 00 00 00 00 00 \
    01 01 01 22 44 69 76 69 64 65 42 79 5A 65 72 6F 22";

const MUL: &str = "1A 00 00 00 01 00 0C 00 06 00 00 00 00 00 00 00 01 05 41 72 69 74 68 03 03 6D 75 6C 5B 5D";
const MUL_REFUSED: &str = "29 00 00 00 02 00 1D 00 06 00 00 00 00 00 00 00 01 01 02 \
    02 13 6E 6F 20 6D 65 74 68 6F 64 20 41 72 69 74 68 2E 6D 75 6C 03 01 0C 07 00";

const SLOW: &str = "1B 00 00 00 01 00 0D 00 08 00 00 00 00 00 00 00 01 05 41 72 69 74 68 03 04 73 6C 6F 77 5B 5D";
const SLOW_CANCEL: &str = "0C 00 00 00 05 00 00 00 08 00 00 00 00 00 00 00";
const SLOW_CANCELLED: &str = "12 00 00 00 02 00 06 00 08 00 00 00 00 00 00 00 01 01 02 03 01 01";

const SERVER_GO_AWAY: &str = "1E 00 00 00 09 00 12 00 00 00 00 00 00 00 00 00 \
    02 0D 73 68 75 74 74 69 6E 67 20 64 6F 77 6E 03 01 00";
const CROSSING: &str = "1B 00 00 00 01 00 0D 00 0A 00 00 00 00 00 00 00 01 05 41 72 69 74 68 03 04 73 6C 6F 77 5B 5D";
const CROSSING_REFUSED: &str = "14 00 00 00 02 00 08 00 0A 00 00 00 00 00 00 00 01 01 02 03 01 0E 07 00";
const CLIENT_GO_AWAY: &str = "0F 00 00 00 09 00 03 00 00 00 00 00 00 00 00 00 03 01 00";

const PART_ONE: &str = "23 00 00 00 01 01 0F 00 0C 00 00 00 00 00 00 00 \
    01 05 41 72 69 74 68 03 03 73 75 6D 05 01 0F 5B 7B 22 61 22 3A 31 2C";
const PART_TWO: &str = "13 00 00 00 01 00 00 00 0C 00 00 00 00 00 00 00 22 62 22 3A 32 7D 5D";

const BINCODE: &str = "23 00 00 00 01 00 15 00 0E 00 00 00 00 00 00 00 \
    01 05 41 72 69 74 68 03 03 73 75 6D 04 07 03 6B 65 79 61 62 63 02 04";
const BINCODE_REPLY: &str = "16 00 00 00 02 00 09 00 0E 00 00 00 00 00 00 00 04 07 03 6B 65 79 61 62 63 06";

const PING: &str = "0C 00 00 00 07 00 00 00 EF CD AB 89 67 45 23 01";
const PONG: &str = "0C 00 00 00 08 00 00 00 EF CD AB 89 67 45 23 01";

fn request<'a>(service: &'a str, method: &'a str) -> RequestHeader<'a> {
    RequestHeader { service, method, timeout: None, total: None, metadata: Cow::Owned(Metadata::new()) }
}

fn response(ending: Ending) -> ResponseHeader<'static> {
    ResponseHeader { ending, total: None, metadata: Cow::Owned(Metadata::new()) }
}

fn refusal(code: Code, not_executed: bool, message: &str) -> ResponseHeader<'static> {
    response(Ending::Status { code, not_executed, message: message.to_owned() })
}

/// Writes the frame, compares it with the golden one, and reads that back.
#[track_caller]
fn request_is(golden: &str, id: u64, header: &RequestHeader<'_>, body: &[u8], more: bool) {
    let golden = hex(golden);
    let mut out = Vec::new();
    put_request(&mut out, id, header, body, more);
    assert_eq!(out, golden);
    let frame = whole(&golden);
    assert_eq!((frame.kind, frame.more, frame.id, frame.body), (Kind::Request, more, id, body));
    assert_eq!(RequestHeader::decode(frame.header, 64).as_ref(), Ok(header));
}

/// Like [`request_is`].
#[track_caller]
fn response_is(golden: &str, id: u64, header: &ResponseHeader<'_>, body: &[u8]) {
    let golden = hex(golden);
    let mut out = Vec::new();
    put_response(&mut out, id, header, body, false);
    assert_eq!(out, golden);
    let frame = whole(&golden);
    assert_eq!((frame.kind, frame.more, frame.id, frame.body), (Kind::Response, false, id, body));
    assert_eq!(ResponseHeader::decode(frame.header, 64).as_ref(), Ok(header));
}

#[track_caller]
fn frame_is(golden: &str, out: &[u8], frame: Frame<'_>) {
    let golden = hex(golden);
    assert_eq!(out, golden);
    assert_eq!(whole(&golden), frame);
}

fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    out
}

const fn bare(kind: Kind, id: u64) -> Frame<'static> {
    Frame { kind, more: false, id, header: &[], body: &[] }
}

#[test]
fn the_handshake_is_as_specified() {
    let hello = [&hex("F5 52 50 43 0D 0A 1A 0A 2D 00")[..], HELLO.as_bytes()].concat();
    let Ok(Handshake::Done { value, length }) = parse_hello(&hello) else { panic!("not a hello") };
    assert_eq!((value.codec.as_str(), value.grant, length), ("json", Grant::default(), 55));

    let grant = Grant {
        in_flight: 4_096,
        request_window: 4_194_304,
        max_message: 4_194_304,
        max_header: 16_384,
        streams: 0,
        stream_window: 0,
    };
    let welcome = Answer::Welcome(Welcome { version: 1, codec: "json".to_owned(), grant, features: vec![] });
    let golden = [&hex("F5 52 50 43 0D 0A 1A 0A B1 00")[..], WELCOME.as_bytes()].concat();
    assert_eq!(encode_answer(&welcome), golden);
    assert_eq!(parse_answer(&golden), Ok(Handshake::Done { value: welcome, length: 187 }));
}

#[test]
fn a_refusal_is_as_specified() {
    let refusal = Answer::Refusal(Refusal {
        code: Code::Unimplemented,
        reason: "unknown codec cbor".to_owned(),
        versions: Versions { min: 1, max: 1 },
        codecs: vec!["bincode".to_owned(), "json".to_owned()],
    });
    let golden = [&hex("F5 52 50 43 0D 0A 1A 0A 6E 00")[..], REFUSAL.as_bytes()].concat();
    assert_eq!(encode_answer(&refusal), golden);
    assert_eq!(parse_answer(&golden), Ok(Handshake::Done { value: refusal, length: 120 }));
}

#[test]
fn a_unary_call_is_as_specified() {
    let sum = RequestHeader { timeout: Some(Duration::from_secs(30)), ..request("Arith", "sum") };
    request_is(SUM, 2, &sum, br#"[{"a":1,"b":2}]"#, false);
    response_is(SUM_REPLY, 2, &response(Ending::Ok), b"3");
    let body = [15, 0, 0, 0];
    let credit = Frame { body: &body, ..bare(Kind::Credit, 0) };
    frame_is(SUM_CREDIT, &written(|out| put_credit(out, 0, 15)), credit);
    assert_eq!(credit_increment(&body), Some(15));
}

#[test]
fn an_application_error_is_as_specified() {
    request_is(DIV, 4, &request("Arith", "div"), br#"[{"a":1,"b":0}]"#, false);
    response_is(DIV_ERROR, 4, &response(Ending::ServiceError), br#""DivideByZero""#);
}

#[test]
fn an_unknown_method_is_as_specified() {
    request_is(MUL, 6, &request("Arith", "mul"), b"[]", false);
    response_is(MUL_REFUSED, 6, &refusal(Code::Unimplemented, true, "no method Arith.mul"), b"");
}

#[test]
fn a_cancel_is_as_specified() {
    request_is(SLOW, 8, &request("Arith", "slow"), b"[]", false);
    frame_is(SLOW_CANCEL, &written(|out| put_cancel(out, 8)), bare(Kind::Cancel, 8));
    response_is(SLOW_CANCELLED, 8, &refusal(Code::Cancelled, false, ""), b"");
}

#[test]
fn a_goaway_exchange_is_as_specified() {
    for (golden, message) in [(SERVER_GO_AWAY, "shutting down"), (CLIENT_GO_AWAY, "")] {
        let header = GoAwayHeader::encode(Code::Ok, message);
        let frame = Frame { header: &header, ..bare(Kind::GoAway, 0) };
        frame_is(golden, &written(|out| put_go_away(out, Code::Ok, message)), frame);
        let expected = GoAwayHeader { code: Code::Ok, message: message.to_owned() };
        assert_eq!(GoAwayHeader::decode(&header), Ok(expected));
    }
    request_is(CROSSING, 10, &request("Arith", "slow"), b"[]", false);
    response_is(CROSSING_REFUSED, 10, &refusal(Code::Unavailable, true, ""), b"");
}

#[test]
fn a_request_in_parts_is_as_specified() {
    let first = RequestHeader { total: Some(15), ..request("Arith", "sum") };
    request_is(PART_ONE, 12, &first, br#"[{"a":1,"#, true);
    let rest = br#""b":2}]"#;
    let mut out = written(|out| put_head(out, Kind::Request, 12, false, &[], rest.len()));
    out.extend_from_slice(rest);
    frame_is(PART_TWO, &out, Frame { body: rest, ..bare(Kind::Request, 12) });
}

#[test]
fn a_bincode_call_with_metadata_is_as_specified() {
    let mut metadata = Metadata::new();
    metadata.append("key", "abc");
    let sum = RequestHeader { metadata: Cow::Borrowed(&metadata), ..request("Arith", "sum") };
    request_is(BINCODE, 14, &sum, &[2, 4], false);
    let reply = ResponseHeader { metadata: Cow::Borrowed(&metadata), ..response(Ending::Ok) };
    response_is(BINCODE_REPLY, 14, &reply, &[6]);
}

#[test]
fn a_ping_and_its_pong_are_as_specified() {
    let token = 0x0123_4567_89ab_cdef;
    frame_is(PING, &written(|out| put_ping(out, token)), bare(Kind::Ping, token));
    frame_is(PONG, &written(|out| put_pong(out, token)), bare(Kind::Pong, token));
}

#[test]
fn a_recorded_session_with_any_bit_flipped_is_an_error_or_stays_in_step() {
    let session = hex(&[SUM, SUM_CREDIT, MUL_REFUSED, SLOW_CANCEL, SERVER_GO_AWAY, PART_ONE, PING].join(" "));
    for bit in 0..session.len() * 8 {
        let mut flipped = session.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let mut rest = &flipped[..];
        while let Ok(parsed) = parse(rest, MAX_HEADER) {
            let length = match parsed {
                Parsed::Incomplete { .. } => break,
                Parsed::Frame { frame, length } => {
                    assert_eq!(length, PREFIX + frame.header.len() + frame.body.len());
                    // Whatever they say: they must not panic.
                    let _ = RequestHeader::decode(frame.header, 64);
                    let _ = ResponseHeader::decode(frame.header, 64);
                    let _ = GoAwayHeader::decode(frame.header);
                    length
                }
                Parsed::Ignored { length } | Parsed::HeaderTooLong { length, .. } => length,
            };
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

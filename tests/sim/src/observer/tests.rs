//! Sessions made by hand: good ones pass in every split, and each rule is found broken by the frame that breaks it.

mod calls;
mod connections;
mod frames;
mod real;
mod streams;

use super::{Endpoint, Rule, Side, Summary, Violation};

const MORE: u8 = 1;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const MESSAGE: u8 = 3;
const END: u8 = 4;
const CANCEL: u8 = 5;
const CREDIT: u8 = 6;
const PING: u8 = 7;
const PONG: u8 = 8;
const GO_AWAY: u8 = 9;

/// Four calls, two of them with streams of 100 bytes, messages of up to 70,000 and headers of up to 64.
const GRANT: &str = r#""grant":{"in_flight":4,"request_window":100000,"max_message":70000,"max_header":64,"streams":2,
    "stream_window":100}"#;

/// A status with the code UNAVAILABLE.
const STATUS: [u8; 6] = [1, 1, 2, 3, 1, 14];
/// A status that opens a stream.
const OPENED: [u8; 3] = [1, 1, 3];
/// A code that is no orderly end.
const REASON: [u8; 3] = [3, 1, 13];

fn handshake(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [&[0xF5, 0x52, 0x50, 0x43, 0x0D, 0x0A, 0x1A, 0x0A][..], &length, text.as_bytes()].concat()
}

fn hello() -> Vec<u8> {
    handshake(&format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"json",{GRANT}}}"#))
}

fn welcome() -> Vec<u8> {
    handshake(&format!(r#"{{"welcome":{{"version":1,"codec":"json",{GRANT},"features":[]}}}}"#))
}

fn frame(kind: u8, flags: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + header.len() + body.len()).unwrap().to_le_bytes();
    let header_length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [&length[..], &[kind, flags], &header_length, &id.to_le_bytes(), header, body].concat()
}

fn bare(kind: u8, id: u64) -> Vec<u8> {
    frame(kind, 0, id, &[], &[])
}

/// A whole Request for the method `m` of the service `s`.
fn request(id: u64, size: usize) -> Vec<u8> {
    frame(REQUEST, 0, id, &[1, 1, b's', 3, 1, b'm'], &vec![0; size])
}

/// Field 5.
fn total(total: usize) -> Vec<u8> {
    let number = varint(total);
    [&[5, u8::try_from(number.len()).unwrap()][..], &number].concat()
}

fn varint(number: usize) -> Vec<u8> {
    let low = u8::try_from(number & 0x7F).unwrap();
    if number < 0x80 { vec![low] } else { [&[low | 0x80][..], &varint(number >> 7)].concat() }
}

/// The first part of a Request.
fn first_part(id: u64, whole: usize, size: usize) -> Vec<u8> {
    frame(REQUEST, MORE, id, &[&[1, 1, b's', 3, 1, b'm'][..], &total(whole)].concat(), &vec![0; size])
}

fn part(kind: u8, flags: u8, id: u64, size: usize) -> Vec<u8> {
    frame(kind, flags, id, &[], &vec![0; size])
}

fn response(id: u64) -> Vec<u8> {
    bare(RESPONSE, id)
}

/// A Message with one item of `size` bytes, below 128.
fn item(id: u64, size: u8) -> Vec<u8> {
    frame(MESSAGE, 0, id, &[], &[&[size][..], &vec![0; usize::from(size)]].concat())
}

fn credit(id: u64, increment: u32) -> Vec<u8> {
    frame(CREDIT, 0, id, &[], &increment.to_le_bytes())
}

/// What happens to one end of a connection, in order.
struct Session {
    end: Endpoint,
    verdict: Result<(), Violation>,
}

impl Session {
    fn dialled() -> Self {
        Self::new(Side::Dialled).sends(&hello()).gets(&welcome())
    }

    fn accepted() -> Self {
        Self::new(Side::Accepted).gets(&hello()).sends(&welcome())
    }

    fn new(side: Side) -> Self {
        Self { end: Endpoint::new(side), verdict: Ok(()) }
    }

    fn sends(mut self, bytes: &[u8]) -> Self {
        assert_eq!(self.verdict, Ok(()), "before the last frame");
        self.verdict = self.end.sent(bytes);
        self
    }

    fn gets(mut self, bytes: &[u8]) -> Self {
        assert_eq!(self.verdict, Ok(()), "before the last frame");
        self.end.received(bytes).unwrap();
        self
    }

    fn ends(mut self) -> Self {
        self.end.ended();
        self
    }

    #[track_caller]
    fn passes(&self) {
        assert_eq!(self.verdict, Ok(()));
    }

    /// The last bytes break `rule`, with both numbers.
    #[track_caller]
    fn breaks(&self, rule: Rule, id: u64, was: u64, allowed: u64) {
        assert_eq!(self.verdict, Err(Violation { rule, id, was, allowed }));
    }
}

/// What both ends of one connection send and get, from a call each way to the end.
fn good_session() -> Vec<(Side, Vec<u8>)> {
    use Side::{Accepted, Dialled};
    let streamed = [frame(RESPONSE, 0, 4, &OPENED, &[]), item(4, 50), item(4, 30)].concat();
    vec![
        (Dialled, hello()),
        (Accepted, welcome()),
        (Dialled, [request(2, 10), first_part(6, 60_005, 60_000), bare(PING, 7)].concat()),
        (Accepted, [bare(PONG, 7), response(2), credit(0, 10)].concat()),
        (Dialled, [part(REQUEST, 0, 6, 5), request(4, 0), item(4, 80)].concat()),
        (Accepted, [streamed, request(1, 3), credit(4, 112)].concat()),
        (Dialled, [credit(4, 82), item(4, 1), bare(END, 4), frame(RESPONSE, 0, 1, &STATUS, &[])].concat()),
        (Accepted, [bare(CANCEL, 4), item(4, 0), bare(END, 4), bare(GO_AWAY, 0)].concat()),
        (Dialled, [bare(CANCEL, 6), bare(GO_AWAY, 0)].concat()),
        (Accepted, frame(RESPONSE, 0, 6, &STATUS, &[])),
    ]
}

//! What the targets in `fuzz/` reach of the inside; only with `--cfg fuzzing`. The laws of the wire stand here, because
//! its types are nobody's but this crate's: each takes any bytes and panics when a law is broken.

#![expect(clippy::panic, reason = "that is how a fuzzer is told")]

use std::{borrow::Cow, io};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    codec::CodecKind,
    descriptor::ArgumentDescriptor,
    transport::{self, Address, Writer},
    wire::{
        self, Ending, Frame, GoAwayHeader, Handshake, Kind, MAX_PART, PREFIX, Parsed, RequestHeader, ResponseHeader,
    },
};

/// The longest that a handshake may be in all, in bytes.
const MAX_HANDSHAKE: usize = 4_106;
/// So many entries of metadata are read, as by default.
const MAX_METADATA: usize = 64;

/// The halves of a pipe.
pub type Pipe = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// The bytes' side of a `mem://` address: what a channel would dial, without its handshake.
pub async fn dial(address: &str) -> io::Result<Pipe> {
    let address = address.parse::<Address>().map_err(io::Error::other)?;
    let transport = transport::connect(&address).await?;
    match transport.writer {
        Writer::Owned(writer) => Ok((transport.reader, writer)),
        Writer::Shared(_) => Err(io::Error::other("only a pipe in memory has a writer of its own")),
    }
}

/// Arguments by name, put in their order.
pub fn in_order(codec: CodecKind, body: &[u8], arguments: &[ArgumentDescriptor]) -> Result<Option<Vec<u8>>, String> {
    codec.in_order(body, arguments).map_err(|error| error.to_string())
}

/// What can be read as a Hello can be written, and is the same when it is read again; never is more asked for than the
/// longest.
pub fn a_hello_comes_back(input: &[u8]) {
    match wire::parse_hello(input) {
        Ok(Handshake::Incomplete { needed }) => assert!(needed > input.len() && needed <= MAX_HANDSHAKE),
        Ok(Handshake::Done { value, length }) => {
            assert!(length <= input.len() && length <= MAX_HANDSHAKE);
            // It may have been shorter, such as one that left out what is a default.
            let Ok(bytes) = wire::encode_hello(&value) else { return };
            let length = bytes.len();
            assert_eq!(wire::parse_hello(&bytes), Ok(Handshake::Done { value, length }));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The same for the answer to it, of which the reason may be cut.
pub fn an_answer_comes_back(input: &[u8]) {
    match wire::parse_answer(input) {
        Ok(Handshake::Incomplete { needed }) => assert!(needed > input.len() && needed <= MAX_HANDSHAKE),
        Ok(Handshake::Done { value: wire::Answer::Welcome(_), length }) => {
            assert!(length <= input.len() && length <= MAX_HANDSHAKE);
        }
        Ok(Handshake::Done { value: wire::Answer::Refusal(refusal), .. }) => {
            // This side names few codecs; what it does not write need not fit.
            let refusal = wire::Refusal { codecs: Vec::new(), ..refusal };
            let bytes = wire::encode_answer(&wire::Answer::Refusal(refusal.clone()));
            let Ok(Handshake::Done { value: wire::Answer::Refusal(read), length }) = wire::parse_answer(&bytes) else {
                panic!("an answer of this side can not be read");
            };
            assert_eq!((length, read.code, read.versions), (bytes.len(), refusal.code, refusal.versions));
            assert!(refusal.reason.starts_with(&read.reason));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Every frame that is read out of `input` is the same when it was written and is read again; its beginnings are no
/// frame, and tell the same error or none. Its header keeps its own law.
pub fn frames_come_back(mut input: &[u8], max_header: usize) {
    loop {
        let parsed = wire::parse(input, max_header);
        // The prefix and what is around the end of the frame decide all.
        for end in (0..input.len().min(PREFIX + 4)).chain([input.len().saturating_sub(1)]) {
            let beginning = wire::parse(&input[..end], max_header);
            match (&beginning, &parsed) {
                (Ok(Parsed::Incomplete { needed }), _) => assert!(*needed > end),
                (Ok(_), _) => assert_eq!(beginning, parsed, "bytes behind a frame change it"),
                (Err(early), _) => assert_eq!(Err(early), parsed.as_ref(), "an error that more bytes take back"),
            }
        }
        let length = match parsed {
            Err(_) | Ok(Parsed::Incomplete { .. }) => return,
            Ok(Parsed::Frame { frame, length }) => {
                a_frame_comes_back(&frame, length);
                length
            }
            Ok(Parsed::Ignored { length }) => length,
            Ok(Parsed::HeaderTooLong { header, body, length, .. }) => {
                assert!(header > max_header && length == PREFIX + header + body);
                length
            }
        };
        let Some(rest) = input.get(length..) else { return };
        input = rest;
    }
}

/// What can be read as a header of any kind can be written in as many bytes as announced, and is read the same again.
pub fn headers_come_back(header: &[u8]) {
    if let Ok(request) = RequestHeader::decode(header, MAX_METADATA) {
        let bytes = written(request.encoded_len(), |out| request.put(out));
        assert_eq!(RequestHeader::decode(&bytes, MAX_METADATA), Ok(request));
    }
    if let Ok(response) = ResponseHeader::decode(header, MAX_METADATA) {
        let bytes = written(response.encoded_len(), |out| response.put(out));
        assert_eq!(ResponseHeader::decode(&bytes, MAX_METADATA), Ok(response));
    }
    if let Ok(goodbye) = GoAwayHeader::decode(header) {
        assert_eq!(GoAwayHeader::decode(&GoAwayHeader::encode(goodbye.code, &goodbye.message)), Ok(goodbye));
    }
    if let Ok(Some(total)) = wire::decode_total(header) {
        assert_eq!(wire::decode_total(&wire::total_header(total)), Ok(Some(total)));
    }
}

/// Items end where their bytes do, and come back when they are written again.
pub fn items_come_back(body: &[u8]) {
    let (mut rest, mut items, mut out) = (body, Vec::new(), Vec::new());
    while let Some(item) = wire::take_item(&mut rest) {
        let start = out.len();
        // A width that is rarely the right one.
        out.resize(start + 1 + items.len() % 3, 0);
        out.extend_from_slice(item);
        wire::close_item(&mut out, start, 1 + items.len() % 3);
        items.push(item);
    }
    let mut again = &out[..];
    for item in items {
        assert_eq!(wire::take_item(&mut again), Some(item));
    }
    assert!(again.is_empty());
}

fn a_frame_comes_back(frame: &Frame<'_>, length: usize) {
    assert!(frame.body.len() <= MAX_PART && length == PREFIX + frame.header.len() + frame.body.len());
    let mut bytes = Vec::new();
    match frame.kind {
        Kind::Cancel => wire::put_cancel(&mut bytes, frame.id),
        Kind::Ping => wire::put_ping(&mut bytes, frame.id),
        Kind::Pong => wire::put_pong(&mut bytes, frame.id),
        Kind::Credit => {
            let increment = wire::credit_increment(frame.body).expect("its shape was checked");
            wire::put_credit(&mut bytes, frame.id, increment);
        }
        kind => {
            wire::put_head(&mut bytes, kind, frame.id, frame.more, frame.header, frame.body.len());
            bytes.extend_from_slice(frame.body);
        }
    }
    assert_eq!(wire::parse(&bytes, usize::from(u16::MAX)), Ok(Parsed::Frame { frame: *frame, length }));
    headers_come_back(frame.header);
    shortcuts_agree(frame);
}

/// What is written in one go is what would be written in pieces.
fn shortcuts_agree(frame: &Frame<'_>) {
    let Frame { kind, id, more, body, .. } = *frame;
    let (mut whole, mut header) = (Vec::new(), Vec::new());
    match kind {
        Kind::Request => {
            let Ok(read) = RequestHeader::decode(frame.header, MAX_METADATA) else { return };
            read.put(&mut header);
            wire::put_request(&mut whole, id, &read, body, more);
        }
        Kind::Response => {
            let Ok(read) = ResponseHeader::decode(frame.header, MAX_METADATA) else { return };
            let read = ResponseHeader { metadata: Cow::Borrowed(&read.metadata), ..read.clone() };
            read.put(&mut header);
            assert!(!header.is_empty() || read.ending == Ending::Ok);
            wire::put_response(&mut whole, id, &read, body, more);
        }
        _ => return,
    }
    let mut pieces = Vec::new();
    wire::put_head(&mut pieces, kind, id, more, &header, body.len());
    pieces.extend_from_slice(body);
    assert_eq!(whole, pieces);
}

fn written(length: usize, put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    assert_eq!(out.len(), length, "the announced length is another");
    out
}

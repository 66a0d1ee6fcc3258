//! A peer made of bytes: handshakes and frames written and read by hand from PROTOCOL.md, so that a mistake of the
//! runtime's encoder is not made again by its tests. Every wait has a bound.

use std::{future::Future, io, time::Duration};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) const MAGIC: [u8; 8] = [0xF5, b'R', b'P', b'C', 0x0D, 0x0A, 0x1A, 0x0A];

pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const MESSAGE: u8 = 3;
pub(crate) const END: u8 = 4;
pub(crate) const CANCEL: u8 = 5;
pub(crate) const CREDIT: u8 = 6;
pub(crate) const PING: u8 = 7;
pub(crate) const PONG: u8 = 8;
pub(crate) const GO_AWAY: u8 = 9;
/// The flag of all parts of a message but the last.
pub(crate) const MORE: u8 = 1;

pub(crate) const INVALID_ARGUMENT: u64 = 3;
pub(crate) const DEADLINE_EXCEEDED: u64 = 4;
pub(crate) const RESOURCE_EXHAUSTED: u64 = 8;
pub(crate) const UNIMPLEMENTED: u64 = 12;
pub(crate) const INTERNAL: u64 = 13;
pub(crate) const UNAVAILABLE: u64 = 14;

/// Magic, length and text of either side's handshake.
pub(crate) fn handshake(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a text of a test is short");
    [&MAGIC[..], &length.to_le_bytes(), text.as_bytes()].concat()
}

pub(crate) fn hello(codec: &str) -> Vec<u8> {
    handshake(&format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"{codec}"}}"#))
}

/// A Hello with a grant of its own, as JSON.
pub(crate) fn hello_granting(codec: &str, grant: &str) -> Vec<u8> {
    handshake(&format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"{codec}","grant":{grant}}}"#))
}

pub(crate) fn welcome(codec: &str) -> Vec<u8> {
    let grant = r#"{"in_flight":4096,"request_window":4194304,"max_message":4194304,"max_header":16384}"#;
    handshake(&format!(r#"{{"welcome":{{"version":1,"codec":"{codec}","grant":{grant},"features":[]}}}}"#))
}

/// A frame whose length is right.
pub(crate) fn frame(kind: u8, flags: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + header.len() + body.len()).expect("a frame of a test is short");
    [&prefix(length, kind, flags, header.len(), id), header, body].concat()
}

/// The first 16 bytes of a frame, which may lie.
pub(crate) fn prefix(length: u32, kind: u8, flags: u8, header: usize, id: u64) -> Vec<u8> {
    let header = u16::try_from(header).expect("a header has a length of two bytes");
    [&length.to_le_bytes()[..], &[kind, flags], &header.to_le_bytes(), &id.to_le_bytes()].concat()
}

/// One field of a header.
pub(crate) fn field(tag: u64, value: &[u8]) -> Vec<u8> {
    [varint(tag), varint(value.len() as u64), value.to_vec()].concat()
}

pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Service and method.
pub(crate) fn names(service: &str, method: &str) -> Vec<u8> {
    [field(1, service.as_bytes()), field(3, method.as_bytes())].concat()
}

/// A whole request to the service `Probe`.
pub(crate) fn request(id: u64, method: &str, body: &[u8]) -> Vec<u8> {
    frame(REQUEST, 0, id, &names("Probe", method), body)
}

/// A request to the service `Probe` in as many parts as it needs.
pub(crate) fn long_request(id: u64, method: &str, body: &[u8]) -> Vec<u8> {
    if body.len() <= 65_536 {
        return request(id, method, body);
    }
    let header = [names("Probe", method), field(5, &varint(body.len() as u64))].concat();
    in_parts(REQUEST, id, &header, body)
}

/// The parts of one message, the first with `header`.
pub(crate) fn in_parts(kind: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = body.chunks(65_536).collect();
    let last = parts.len() - 1;
    let flags = |n| if n < last { MORE } else { 0 };
    let header_of = |n| if n == 0 { header } else { &[] };
    parts.iter().enumerate().flat_map(|(n, part)| frame(kind, flags(n), id, header_of(n), part)).collect()
}

/// An orderly end.
pub(crate) fn go_away() -> Vec<u8> {
    frame(GO_AWAY, 0, 0, &field(3, &[0]), &[])
}

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u64,
    pub(crate) fields: Vec<(u64, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn number(&self, tag: u64) -> Option<u64> {
        let mut value = self.field(tag)?;
        Some(take_varint(&mut value))
    }

    fn field(&self, tag: u64) -> Option<&[u8]> {
        self.fields.iter().find(|(found, _)| *found == tag).map(|(_, value)| &value[..])
    }

    /// The code of a status or good-bye, 0 when there is none.
    pub(crate) fn code(&self) -> u64 {
        self.number(3).unwrap_or(0)
    }

    pub(crate) fn message(&self) -> &str {
        std::str::from_utf8(self.field(2).unwrap_or_default()).expect("a message is text")
    }

    pub(crate) fn is_not_executed(&self) -> bool {
        self.field(7).is_some()
    }

    /// A Response of one frame that carries a value.
    pub(crate) fn is_value(&self) -> bool {
        self.kind == RESPONSE && self.flags == 0 && self.number(1).unwrap_or(0) == 0
    }

    fn is_terminal(&self) -> bool {
        [RESPONSE, END].contains(&self.kind) && self.flags == 0
    }
}

fn take_varint(input: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first().expect("a varint is whole");
        *input = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return number;
        }
    }
    panic!("a varint of more than ten bytes");
}

/// Takes the first frame off `input`; `None` when there is no whole one.
pub(crate) fn take_frame(input: &mut &[u8]) -> Option<Frame> {
    let (length, rest) = input.split_first_chunk::<4>()?;
    let (counted, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *input = rest;
    let (&[kind, flags, low, high, ref id @ ..], counted) = counted.split_first_chunk::<12>().expect("a whole prefix");
    let (mut header, body) = counted.split_at(usize::from(u16::from_le_bytes([low, high])));
    let mut fields = Vec::new();
    while !header.is_empty() {
        let tag = take_varint(&mut header);
        let length = take_varint(&mut header) as usize;
        fields.push((tag, header[..length].to_vec()));
        header = &header[length..];
    }
    Some(Frame { kind, flags, id: u64::from_le_bytes(*id), fields, body: body.to_vec() })
}

/// All frames of `input`, which has whole ones only.
pub(crate) fn frames(mut input: &[u8]) -> Vec<Frame> {
    let frames = std::iter::from_fn(|| take_frame(&mut input)).collect();
    assert!(input.is_empty(), "half a frame at the end: {input:02x?}");
    frames
}

/// Divides what an accepting side has sent into its answer to the Hello and its frames.
pub(crate) fn answer_and_frames(bytes: &[u8]) -> (Value, Vec<Frame>) {
    let (prefix, rest) = bytes.split_first_chunk::<10>().expect("an answer to the handshake");
    assert_eq!(prefix[..8], MAGIC);
    let (text, rest) = rest.split_at(usize::from(u16::from_le_bytes([prefix[8], prefix[9]])));
    (serde_json::from_slice(text).expect("the answer is json"), frames(rest))
}

/// The result of `future`, which has ten seconds.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    within_time(Duration::from_secs(10), what, future).await
}

/// The same with a time of its own, such as a second for a fresh client, or a minute of a paused clock.
pub(crate) async fn within_time<F: Future>(time: Duration, what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(time, future).await else { panic!("{what}: not within {time:?}") };
    output
}

/// One end of a pipe, in the hands of a test.
pub(crate) struct Peer<T> {
    io: T,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io }
    }

    /// The end itself.
    pub(crate) fn into_io(self) -> T {
        self.io
    }

    /// Sends bytes that the other side must take.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the other side takes the bytes");
    }

    /// Sends bytes, if the other side still takes them.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("sending", async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        })
        .await
    }

    /// Ends this side's direction.
    pub(crate) async fn end(&mut self) {
        // It may have gone already.
        let _ = self.io.shutdown().await;
    }

    /// The text of the other side's handshake.
    pub(crate) async fn handshake(&mut self) -> Value {
        let prefix = self.bytes(10).await;
        assert_eq!(prefix[..8], MAGIC);
        let text = self.bytes(usize::from(u16::from_le_bytes([prefix[8], prefix[9]]))).await;
        serde_json::from_slice(&text).expect("the text of a handshake is json")
    }

    /// Shakes hands as the side that dialled.
    pub(crate) async fn dial(&mut self, codec: &str) {
        self.send(&hello(codec)).await;
        let answer = self.handshake().await;
        assert_eq!(answer["welcome"]["codec"], codec, "{answer}");
    }

    /// Shakes hands as the side that accepted.
    pub(crate) async fn accept(&mut self, codec: &str) {
        let hello = self.handshake().await;
        assert_eq!(hello["codec"], codec, "{hello}");
        self.send(&welcome(codec)).await;
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        let length = self.bytes(4).await;
        let counted = u32::from_le_bytes(length[..].try_into().expect("four bytes"));
        let rest = self.bytes(counted as usize).await;
        frames(&[length, rest].concat()).remove(0)
    }

    /// The next frame of this kind; Credit before it is passed over.
    pub(crate) async fn frame_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.kind != CREDIT || kind == CREDIT {
                assert_eq!(frame.kind, kind, "{frame:?}");
                return frame;
            }
        }
    }

    /// The next terminal frame, which must be of the call `id`.
    pub(crate) async fn reply(&mut self, id: u64) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.is_terminal() {
                assert_eq!(frame.id, id, "{frame:?}");
                return frame;
            }
            assert_eq!(frame.kind, CREDIT, "{frame:?}");
        }
    }

    /// All that comes until the other side ends its direction; a reset is an end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match within("the end of the connection", self.io.read_to_end(&mut bytes)).await {
            Ok(_) => {}
            Err(error) => assert!([io::ErrorKind::ConnectionReset].contains(&error.kind()), "{error}"),
        }
        bytes
    }

    /// The other side ends its direction without sending anything more.
    pub(crate) async fn is_closed_without_a_word(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "{rest:02x?}");
    }

    /// The good-bye of a side that closes because of a fault, and then its end. Terminal frames and Credit before it
    /// are passed over.
    pub(crate) async fn broken_off(&mut self) -> Frame {
        let mut frames = frames(&self.rest().await);
        let last = frames.pop().expect("a good-bye before the end");
        assert_eq!((last.kind, last.id, last.code()), (GO_AWAY, 0, INTERNAL), "{last:?}");
        assert!(frames.iter().all(|frame| frame.kind != GO_AWAY), "{frames:?}");
        last
    }

    /// The next bytes, whatever they are.
    pub(crate) async fn head(&mut self, count: usize) -> Vec<u8> {
        self.bytes(count).await
    }

    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        within("reading", self.io.read_exact(&mut bytes)).await.expect("the other side sends on");
        bytes
    }
}

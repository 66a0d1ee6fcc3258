//! A peer that speaks the wire by bytes, as PROTOCOL.md has it, and so can do what a real one never would.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAGIC: [u8; 8] = [0xF5, b'R', b'P', b'C', 0x0D, 0x0A, 0x1A, 0x0A];
/// What this peer grants to the other side.
const GRANT: &str = r#"{"in_flight":4096,"request_window":8388608,"max_message":4194304,"max_header":16384}"#;

/// The kinds of frames.
pub(crate) mod kind {
    pub(crate) const REQUEST: u8 = 1;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const END: u8 = 4;
    pub(crate) const CANCEL: u8 = 5;
    pub(crate) const CREDIT: u8 = 6;
    pub(crate) const PING: u8 = 7;
    pub(crate) const PONG: u8 = 8;
    pub(crate) const GO_AWAY: u8 = 9;
}

/// One end of a connection after its handshake.
pub(crate) struct Peer<T> {
    pub(crate) io: T,
    input: Vec<u8>,
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) more: bool,
    pub(crate) id: u64,
    pub(crate) header: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// How a Response ends its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Ok(Vec<u8>),
    ServiceError,
    Status { code: u64, message: String, not_executed: bool },
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// The dialling side, which speaks bincode.
    pub(crate) async fn dial(mut io: T) -> Self {
        let hello = format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"bincode","grant":{GRANT}}}"#);
        write_text(&mut io, &hello).await;
        let welcome = read_text(&mut io).await;
        assert!(welcome.contains(r#""welcome""#), "{welcome}");
        Self { io, input: Vec::new() }
    }

    /// The same; nothing when it is refused.
    pub(crate) async fn dial_or_refused(mut io: T) -> Option<Self> {
        write_text(&mut io, &format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"bincode","grant":{GRANT}}}"#)).await;
        let answer = read_text(&mut io).await;
        answer.contains(r#""welcome""#).then(|| Self { io, input: Vec::new() })
    }

    /// The accepting side, which takes whatever codec is asked for.
    pub(crate) async fn accept(io: T) -> Self {
        Self::accept_granting(io, GRANT).await
    }

    /// The accepting side with a grant of its own, as JSON.
    pub(crate) async fn accept_granting(mut io: T, grant: &str) -> Self {
        let hello: serde_json::Value = serde_json::from_str(&read_text(&mut io).await).expect("the Hello is JSON");
        let welcome = format!(r#"{{"welcome":{{"version":1,"codec":{},"grant":{grant}}}}}"#, hello["codec"]);
        write_text(&mut io, &welcome).await;
        Self { io, input: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the other side takes bytes");
    }

    /// The next frame; nothing when the other side has ended its stream.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = self.input.first_chunk().map(|length| u32::from_le_bytes(*length) as usize + 4) {
                if self.input.len() >= length {
                    let bytes: Vec<u8> = self.input.drain(..length).collect();
                    return Some(Frame::parse(&bytes));
                }
            }
            let mut block = vec![0; 64 << 10];
            match self.io.read(&mut block).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.input.extend_from_slice(&block[..count]),
            }
        }
    }

    /// The next frame of this kind; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

impl Frame {
    fn parse(bytes: &[u8]) -> Self {
        let header = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
        Self {
            kind: bytes[4],
            more: bytes[5] == 1,
            id: u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes")),
            header: bytes[16..16 + header].to_vec(),
            body: bytes[16 + header..].to_vec(),
        }
    }

    /// How a Response ends its call.
    pub(crate) fn ending(&self) -> Ending {
        let (mut status, mut message, mut code, mut not_executed) = (0, String::new(), 0, false);
        for (tag, value) in fields(&self.header) {
            match tag {
                1 => status = varint(&mut &value[..]),
                2 => message = String::from_utf8(value).expect("a message is text"),
                3 => code = varint(&mut &value[..]),
                7 => not_executed = true,
                _ => {}
            }
        }
        match status {
            0 => Ending::Ok(self.body.clone()),
            1 => Ending::ServiceError,
            _ => Ending::Status { code, message, not_executed },
        }
    }
}

/// A call whose whole body is in this frame.
pub(crate) fn request(id: u64, name: &str, timeout_us: Option<u64>, body: &[u8]) -> Vec<u8> {
    let (service, method) = name.split_once('.').expect("Service.Method");
    let mut header = Vec::new();
    put_field(&mut header, 1, service.as_bytes());
    put_field(&mut header, 3, method.as_bytes());
    if let Some(timeout_us) = timeout_us {
        let mut number = Vec::new();
        put_varint(&mut number, timeout_us);
        put_field(&mut header, 2, &number);
    }
    frame(kind::REQUEST, 0, id, &header, body)
}

/// An answer with a value.
pub(crate) fn response(id: u64, body: &[u8]) -> Vec<u8> {
    frame(kind::RESPONSE, 0, id, &[], body)
}

/// An answer with a value in parts of 64 KiB.
pub(crate) fn response_in_parts(id: u64, body: &[u8]) -> Vec<u8> {
    let mut total = Vec::new();
    put_varint(&mut total, body.len() as u64);
    let mut header = Vec::new();
    put_field(&mut header, 5, &total);
    let parts: Vec<&[u8]> = body.chunks(65_536).collect();
    let mut bytes = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let more = u8::from(index + 1 < parts.len());
        let header = if index == 0 { &header[..] } else { &[] };
        bytes.extend(frame(kind::RESPONSE, more, id, header, part));
    }
    bytes
}

/// The end of a call with the status `ABORTED`, as of a callee that gave up.
pub(crate) fn end(id: u64) -> Vec<u8> {
    frame(kind::END, 0, id, &[1, 1, 2, 3, 1, 10], &[])
}

/// An answer with a header of so many bytes, which may be more than the caller accepts.
pub(crate) fn response_with_header(id: u64, length: usize) -> Vec<u8> {
    let mut header = Vec::new();
    put_field(&mut header, 2, &vec![b'x'; length]);
    frame(kind::RESPONSE, 0, id, &header, &[3])
}

/// An orderly end.
pub(crate) fn go_away() -> Vec<u8> {
    frame(kind::GO_AWAY, 0, 0, &[], &[])
}

/// Nobody waits for the answer.
pub(crate) fn cancel(id: u64) -> Vec<u8> {
    frame(kind::CANCEL, 0, id, &[], &[])
}

pub(crate) fn ping(token: u64) -> Vec<u8> {
    frame(kind::PING, 0, token, &[], &[])
}

pub(crate) fn credit(bytes: u32) -> Vec<u8> {
    frame(kind::CREDIT, 0, 0, &[], &bytes.to_le_bytes())
}

fn frame(kind: u8, flags: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = 12 + header.len() + body.len();
    let mut bytes = u32::try_from(length).expect("a frame is short").to_le_bytes().to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(u16::try_from(header.len()).expect("a header is short").to_le_bytes());
    bytes.extend(id.to_le_bytes());
    bytes.extend(header);
    bytes.extend(body);
    bytes
}

async fn write_text<T: AsyncWrite + Unpin>(io: &mut T, text: &str) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u16::try_from(text.len()).expect("the text is short").to_le_bytes());
    bytes.extend(text.as_bytes());
    io.write_all(&bytes).await.expect("the other side takes the handshake");
}

async fn read_text<T: AsyncRead + Unpin>(io: &mut T) -> String {
    let mut head = [0; 10];
    io.read_exact(&mut head).await.expect("the other side shakes hands");
    assert_eq!(head[..8], MAGIC);
    let mut text = vec![0; usize::from(u16::from_le_bytes([head[8], head[9]]))];
    io.read_exact(&mut text).await.expect("the handshake is whole");
    String::from_utf8(text).expect("the handshake is text")
}

fn put_field(header: &mut Vec<u8>, tag: u8, value: &[u8]) {
    header.push(tag);
    put_varint(header, value.len() as u64);
    header.extend(value);
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn fields(mut header: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !header.is_empty() {
        let tag = varint(&mut header);
        let length = varint(&mut header) as usize;
        let (value, rest) = header.split_at(length);
        fields.push((tag, value.to_vec()));
        header = rest;
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a number is whole");
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

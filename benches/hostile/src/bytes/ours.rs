//! Handshakes and frames of this project, after PROTOCOL.md.

/// The kinds of frames.
pub const REQUEST: u8 = 1;
/// Items of a stream.
pub const MESSAGE: u8 = 3;
/// The caller wants no answer any more.
pub const CANCEL: u8 = 5;
/// Room for items or requests.
pub const CREDIT: u8 = 6;
/// Asks for a sign of life.
pub const PING: u8 = 7;
/// A kind that nobody knows and everybody passes over.
pub const UNKNOWN: u8 = 200;
/// The flag of all parts of a message but the last.
pub const MORE: u8 = 1;
/// The largest body of a frame.
pub const PART: usize = 65_536;

const MAGIC: [u8; 8] = [0xF5, b'R', b'P', b'C', 0x0D, 0x0A, 0x1A, 0x0A];

/// Magic, length and text of a handshake.
pub fn handshake(length: u16, text: &str) -> Vec<u8> {
    [&MAGIC[..], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// What an honest peer says first, granting as much as it may.
pub fn hello(codec: &str) -> Vec<u8> {
    let grant = concat!(
        r#"{"in_flight":4096,"request_window":4325376,"max_message":4194304,"#,
        r#""max_header":16384,"streams":128,"stream_window":65536}"#
    );
    let text = format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"{codec}","grant":{grant}}}"#);
    handshake(text.len() as u16, &text)
}

/// A frame that is what it says.
pub fn frame(kind: u8, flags: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (12 + header.len() + body.len()) as u32;
    [&prefix(length, kind, flags, header.len() as u16, id), header, body].concat()
}

/// The first 16 bytes of a frame, which may lie.
pub fn prefix(length: u32, kind: u8, flags: u8, header: u16, id: u64) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind, flags], &header.to_le_bytes(), &id.to_le_bytes()].concat()
}

/// A field of a header.
pub fn field(tag: u64, value: &[u8]) -> Vec<u8> {
    [varint(tag), varint(value.len() as u64), value.to_vec()].concat()
}

/// The header of a request: service and method.
pub fn names(method: &str) -> Vec<u8> {
    [field(1, b"Target"), field(3, method.as_bytes())].concat()
}

/// A request, in as many parts as it needs.
pub fn request(id: u64, method: &str, body: &[u8]) -> Vec<u8> {
    if body.len() <= PART {
        return frame(REQUEST, 0, id, &names(method), body);
    }
    let first = [names(method), field(5, &varint(body.len() as u64))].concat();
    let last = (body.len() - 1) / PART;
    let part = |(n, part)| {
        let (flags, header) = (if n < last { MORE } else { 0 }, if n == 0 { &first[..] } else { &[] });
        frame(REQUEST, flags, id, header, part)
    };
    body.chunks(PART).enumerate().flat_map(part).collect()
}

/// The beginning of a request of which `total` bytes are announced.
pub fn begun(id: u64, method: &str, total: usize, part: &[u8]) -> Vec<u8> {
    let header = [names(method), field(5, &varint(total as u64))].concat();
    frame(REQUEST, MORE, id, &header, part)
}

/// A LEB128 number.
pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

//! Frames of HTTP/2 and calls of gRPC, after RFC 9113 and 7541: headers without compression.

/// The kinds of frames that are sent here.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const CONTINUATION: u8 = 9;
/// The last frame of a stream's direction.
pub const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What an honest client says first: the preface and its settings.
pub fn hello() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// A frame that is what it says.
pub fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    [&prefix(body.len() as u32, kind, flags, stream)[..], body].concat()
}

/// The first nine bytes of a frame, which may lie.
pub fn prefix(length: u32, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes()].concat()
}

/// The headers of a call.
pub fn headers(path: &str) -> Vec<u8> {
    let text = |value: &str| [&[value.len() as u8][..], value.as_bytes()].concat();
    [
        vec![0x83, 0x86, 0x04],
        text(path),
        vec![0x01],
        text("localhost"),
        vec![0x0F, 0x10],
        text("application/grpc"),
        vec![0x00],
        text("te"),
        text("trailers"),
    ]
    .concat()
}

/// The beginning of a call: its headers alone.
pub fn open(stream: u32, method: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &headers(&format!("/hostile.Target/{method}")))
}

/// A whole call, its message in as many frames as it needs.
pub fn call(stream: u32, method: &str, message: &[u8]) -> Vec<u8> {
    let message = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
    let last = (message.len() - 1) / 16_384;
    let data = |(n, part)| frame(DATA, if n == last { END_STREAM } else { 0 }, stream, part);
    [open(stream, method), message.chunks(16_384).enumerate().flat_map(data).collect()].concat()
}

/// A field of protobuf that has a length.
pub fn field(number: u8, length: u64, bytes: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(length), bytes.to_vec()].concat()
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

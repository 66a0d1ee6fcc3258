//! A frame: `u32 length | u8 kind | u8 flags | u16 header length | u64 id | header | body`, little-endian.
//! Whether a frame may come now, and from this side, is for the connection to judge.

use std::{error::Error, fmt};

use super::header::{GoAwayHeader, RequestHeader, ResponseHeader};
use crate::status::Code;

/// The bytes before the header.
pub(crate) const PREFIX: usize = 16;
/// The largest body of one frame, in bytes; longer messages come in parts.
pub(crate) const MAX_PART: usize = 65_536;

/// The bytes of the prefix that `length` does not count: itself.
const UNCOUNTED: usize = 4;
/// The bytes of the prefix that `length` counts.
const COUNTED: usize = PREFIX - UNCOUNTED;
const MAX_LENGTH: usize = COUNTED + u16::MAX as usize + MAX_PART;
/// The flag of all parts of a message but the last.
const MORE: u8 = 1;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Request = 1,
    Response = 2,
    Message = 3,
    End = 4,
    Cancel = 5,
    Credit = 6,
    Ping = 7,
    Pong = 8,
    GoAway = 9,
}

/// One whole frame, borrowed from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) more: bool,
    pub(crate) id: u64,
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
}

/// What stands at the front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// Not yet a whole frame.
    Incomplete {
        /// The bytes that it will have in all; [`PREFIX`] while that is not known.
        needed: usize,
    },
    /// A frame of `length` bytes.
    Frame { frame: Frame<'a>, length: usize },
    /// A whole frame of a later version that may be passed over.
    Ignored { length: usize },
    /// A frame whose header is above the limit. Told as soon as its prefix is there: `length` bytes, prefix
    /// included, are to be passed over as they come.
    HeaderTooLong { kind: Kind, id: u64, more: bool, header: usize, body: usize, length: usize },
}

/// Looks at the front of `input`. Errors are told by the first byte that makes them certain.
#[inline]
pub(crate) fn parse(input: &[u8], max_header: usize) -> Result<Parsed<'_>, ProtocolError> {
    let Some(prefix) = input.first_chunk::<PREFIX>() else { return parse_start(input) };
    let &[l0, l1, l2, l3, kind, flags, h0, h1, ref id @ ..] = prefix;
    let length = counted([l0, l1, l2, l3])?;
    let whole = UNCOUNTED + length;
    let Some(kind) = known(kind)? else {
        let ignored = Parsed::Ignored { length: whole };
        return Ok(if input.len() < whole { Parsed::Incomplete { needed: whole } } else { ignored });
    };
    let more = has_more(kind, flags)?;
    let id = u64::from_le_bytes(*id);
    let (header, body) = lengths(kind, length, [h0, h1])?;
    if kind == Kind::GoAway && id != 0 {
        return Err(ProtocolError::GoAwayId(id));
    }
    if header > max_header {
        return Ok(Parsed::HeaderTooLong { kind, id, more, header, body, length: whole });
    }
    let Some(rest) = input.get(PREFIX..whole) else { return Ok(Parsed::Incomplete { needed: whole }) };
    // Can not panic: `rest` has `header + body` bytes.
    let (header, body) = rest.split_at(header);
    Ok(Parsed::Frame { frame: Frame { kind, more, id, header, body }, length: whole })
}

/// Appends a whole Request, or its first part when there is `more`. `header` must fit the peer's limit, so
/// never more than 65,535 bytes, and `body` one part.
#[inline]
pub(crate) fn put_request(out: &mut Vec<u8>, id: u64, header: &RequestHeader<'_>, body: &[u8], more: bool) {
    let header_len = header.encoded_len();
    out.reserve(PREFIX + header_len + body.len());
    put_prefix(out, Kind::Request, id, more, header_len, body.len());
    header.put(out);
    out.extend_from_slice(body);
}

/// Appends a whole Response, or its first part when there is `more`, on the terms of [`put_request`].
#[inline]
pub(crate) fn put_response(out: &mut Vec<u8>, id: u64, header: &ResponseHeader<'_>, body: &[u8], more: bool) {
    let header_len = header.encoded_len();
    out.reserve(PREFIX + header_len + body.len());
    put_prefix(out, Kind::Response, id, more, header_len, body.len());
    header.put(out);
    out.extend_from_slice(body);
}

/// Appends a frame without its body, whose `body_len` bytes must follow. `header` is at most 65,535 bytes.
#[inline]
pub(crate) fn put_head(out: &mut Vec<u8>, kind: Kind, id: u64, more: bool, header: &[u8], body_len: usize) {
    put_prefix(out, kind, id, more, header.len(), body_len);
    out.extend_from_slice(header);
}

/// Appends a Cancel of the call `id`.
pub(crate) fn put_cancel(out: &mut Vec<u8>, id: u64) {
    put_prefix(out, Kind::Cancel, id, false, 0, 0);
}

/// Appends a Credit of `increment` bytes for the stream `id`, or for the request window when it is 0.
pub(crate) fn put_credit(out: &mut Vec<u8>, id: u64, increment: u32) {
    put_prefix(out, Kind::Credit, id, false, 0, size_of::<u32>());
    out.extend_from_slice(&increment.to_le_bytes());
}

/// Appends a Ping, which the peer answers with a Pong of the same `token`.
pub(crate) fn put_ping(out: &mut Vec<u8>, token: u64) {
    put_prefix(out, Kind::Ping, token, false, 0, 0);
}

/// Appends the answer to a Ping.
pub(crate) fn put_pong(out: &mut Vec<u8>, token: u64) {
    put_prefix(out, Kind::Pong, token, false, 0, 0);
}

/// Appends a GoAway; `message` has some hundred bytes at most.
pub(crate) fn put_go_away(out: &mut Vec<u8>, code: Code, message: &str) {
    put_head(out, Kind::GoAway, 0, false, &GoAwayHeader::encode(code, message), 0);
}

/// The increment in the body of a Credit.
pub(crate) fn credit_increment(body: &[u8]) -> Option<u32> {
    body.try_into().ok().map(u32::from_le_bytes)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Message => "message",
            Self::End => "end",
            Self::Cancel => "cancel",
            Self::Credit => "credit",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::GoAway => "goaway",
        })
    }
}

/// Why the input can not be read as frames any more: the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    /// The length is above every frame's.
    TooLong { length: u32 },
    /// The length does not cover the prefix and the header.
    TooShort { length: u32, needed: usize },
    /// The body is above [`MAX_PART`].
    PartTooLong { body: usize },
    /// A kind that no version may pass over.
    UnknownKind(u8),
    /// A flag that is not defined, or MORE on a kind that never has parts.
    Flags { kind: Kind, flags: u8 },
    /// A header or body of a length that the kind does not have.
    Shape { kind: Kind, header: usize, body: usize },
    /// A GoAway belongs to the connection, not to a call.
    GoAwayId(u64),
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "a frame of length {length}, the limit is {MAX_LENGTH}"),
            Self::TooShort { length, needed } => {
                write!(f, "a frame of length {length}, its prefix and header have {needed}")
            }
            Self::PartTooLong { body } => write!(f, "a frame with a body of {body} bytes, the limit is {MAX_PART}"),
            Self::UnknownKind(kind) => write!(f, "unknown frame kind {kind}"),
            Self::Flags { kind, flags } => write!(f, "a {kind} frame with flags {flags:#04x}"),
            Self::Shape { kind, header, body } => {
                write!(f, "a {kind} frame with a header of {header} and a body of {body} bytes")
            }
            Self::GoAwayId(id) => write!(f, "a goaway frame with id {id}, not 0"),
        }
    }
}

impl Error for ProtocolError {}

/// Judges what there is of a prefix, in the order of [`parse`].
#[cold]
fn parse_start(input: &[u8]) -> Result<Parsed<'_>, ProtocolError> {
    let incomplete = Ok(Parsed::Incomplete { needed: PREFIX });
    let Some((&length, rest)) = input.split_first_chunk::<UNCOUNTED>() else { return incomplete };
    let length = counted(length)?;
    let [kind, rest @ ..] = rest else { return incomplete };
    let Some(kind) = known(*kind)? else { return incomplete };
    let [flags, rest @ ..] = rest else { return incomplete };
    has_more(kind, *flags)?;
    if let Some(&header) = rest.first_chunk::<2>() {
        lengths(kind, length, header)?;
    }
    incomplete
}

/// The bytes behind the length: at least the rest of the prefix.
#[inline]
fn counted(length: [u8; UNCOUNTED]) -> Result<usize, ProtocolError> {
    let length = u32::from_le_bytes(length);
    match usize::try_from(length) {
        Ok(bytes @ COUNTED..=MAX_LENGTH) => Ok(bytes),
        Ok(0..COUNTED) => Err(ProtocolError::TooShort { length, needed: COUNTED }),
        _ => Err(ProtocolError::TooLong { length }),
    }
}

/// The kind; `None` when it is one to pass over.
#[inline]
fn known(kind: u8) -> Result<Option<Kind>, ProtocolError> {
    Ok(Some(match kind {
        1 => Kind::Request,
        2 => Kind::Response,
        3 => Kind::Message,
        4 => Kind::End,
        5 => Kind::Cancel,
        6 => Kind::Credit,
        7 => Kind::Ping,
        8 => Kind::Pong,
        9 => Kind::GoAway,
        128.. => return Ok(None),
        _ => return Err(ProtocolError::UnknownKind(kind)),
    }))
}

#[inline]
fn has_more(kind: Kind, flags: u8) -> Result<bool, ProtocolError> {
    match (flags, kind) {
        (0, _) => Ok(false),
        (MORE, Kind::Request | Kind::Response | Kind::Message) => Ok(true),
        _ => Err(ProtocolError::Flags { kind, flags }),
    }
}

/// The lengths of header and body, if they are such as the kind may have.
#[inline]
fn lengths(kind: Kind, length: usize, header: [u8; 2]) -> Result<(usize, usize), ProtocolError> {
    let header = usize::from(u16::from_le_bytes(header));
    let Some(body) = length.checked_sub(COUNTED + header) else {
        // `length` was read from 32 bits.
        return Err(ProtocolError::TooShort { length: length as u32, needed: COUNTED + header });
    };
    if body > MAX_PART {
        return Err(ProtocolError::PartTooLong { body });
    }
    let allowed = match kind {
        Kind::Request | Kind::Response | Kind::Message | Kind::End => true,
        Kind::Cancel | Kind::Ping | Kind::Pong => header == 0 && body == 0,
        Kind::Credit => header == 0 && body == size_of::<u32>(),
        Kind::GoAway => body == 0,
    };
    if allowed { Ok((header, body)) } else { Err(ProtocolError::Shape { kind, header, body }) }
}

#[inline]
fn put_prefix(out: &mut Vec<u8>, kind: Kind, id: u64, more: bool, header_len: usize, body_len: usize) {
    debug_assert!(body_len <= MAX_PART, "a body of {body_len} bytes is sent in parts of {MAX_PART}");
    let header = u16::try_from(header_len).expect("a header is checked against a limit of 65,535 before it is sent");
    let length = u32::try_from(COUNTED + header_len + body_len).expect("a part is at most 65,536 bytes");
    let mut prefix = [0; PREFIX];
    prefix[..4].copy_from_slice(&length.to_le_bytes());
    prefix[4] = kind as u8;
    prefix[5] = u8::from(more) * MORE;
    prefix[6..8].copy_from_slice(&header.to_le_bytes());
    prefix[8..].copy_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&prefix);
}

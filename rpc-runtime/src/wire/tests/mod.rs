//! The wire against its specification: bytes worked out by hand from PROTOCOL.md, and hostile input.

mod frames;
mod handshakes;
mod headers;
mod sessions;

use super::{Frame, Parsed, parse};

const MAX_HEADER: usize = 16_384;

/// The bytes that are written as pairs of hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).expect("two hexadecimal digits")).collect()
}

/// A frame of any fields, true or not.
fn raw(length: u32, kind: u8, flags: u8, header_len: u16, id: u64, rest: &[u8]) -> Vec<u8> {
    let mut out = length.to_le_bytes().to_vec();
    out.extend([kind, flags]);
    out.extend(header_len.to_le_bytes());
    out.extend(id.to_le_bytes());
    out.extend(rest);
    out
}

/// The one frame that `bytes` are.
#[track_caller]
fn whole(bytes: &[u8]) -> Frame<'_> {
    match parse(bytes, MAX_HEADER) {
        Ok(Parsed::Frame { frame, length }) if length == bytes.len() => frame,
        other => panic!("not one whole frame: {other:?}"),
    }
}

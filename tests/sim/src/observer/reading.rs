//! Bytes of one direction, split in any way, to its handshake and its frames. What a length says is judged by the
//! byte that tells it; what a frame means is not looked at here.

use super::{Rule, Violation};

/// What each direction begins with.
const MAGIC: [u8; 8] = [0xF5, 0x52, 0x50, 0x43, 0x0D, 0x0A, 0x1A, 0x0A];
/// The longest text of a handshake.
const TEXT: usize = 4_096;
/// What of a frame its length counts before the header begins.
const FIXED: usize = 12;
/// The largest body of a frame.
const BODY: usize = 65_536;
/// The largest length: the fixed part, the longest header and the largest body.
const LONGEST: usize = FIXED + 65_535 + BODY;

/// The next thing that a direction holds.
#[derive(Debug)]
pub(super) enum Piece {
    /// The text of the handshake.
    Handshake(Vec<u8>),
    /// A whole frame.
    Frame(Frame),
}

/// A frame as it stands, whatever it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) id: u64,
    pub(super) header: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Frame {
    /// Further parts of its message follow.
    pub(super) fn more(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The length of its body.
    pub(super) fn size(&self) -> u64 {
        self.body.len() as u64
    }
}

/// The bytes of one direction that make no whole piece yet.
#[derive(Debug, Default)]
pub(super) struct Reading {
    bytes: Vec<u8>,
    begin: usize,
    greeted: bool,
}

impl Reading {
    /// Adds what came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// No piece is begun.
    pub(super) fn between_pieces(&self) -> bool {
        self.begin == self.bytes.len()
    }

    /// The next piece, if it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Violation> {
        if self.greeted {
            return Ok(self.frame()?.map(Piece::Frame));
        }
        let text = self.handshake()?;
        self.greeted = text.is_some();
        Ok(text.map(Piece::Handshake))
    }

    fn handshake(&mut self) -> Result<Option<Vec<u8>>, Violation> {
        let rest = &self.bytes[self.begin..];
        if let Some((is, expected)) = rest.iter().zip(MAGIC).find(|(is, expected)| **is != *expected) {
            return Err(Violation::new(Rule::Handshake, 0, u64::from(*is), u64::from(expected)));
        }
        let Some(length) = number(rest, 8, 2) else { return Ok(None) };
        if length > TEXT {
            return Err(Violation::new(Rule::Handshake, 0, length as u64, TEXT as u64));
        }
        let text = rest.get(10..10 + length).map(<[u8]>::to_vec);
        if text.is_some() {
            self.begin += 10 + length;
        }
        Ok(text)
    }

    fn frame(&mut self) -> Result<Option<Frame>, Violation> {
        let rest = &self.bytes[self.begin..];
        let Some(length) = number(rest, 0, 4) else { return Ok(None) };
        if !(FIXED..=LONGEST).contains(&length) {
            let nearest = if length < FIXED { FIXED } else { LONGEST };
            return Err(Violation::new(Rule::Length, 0, length as u64, nearest as u64));
        }
        let Some(header) = number(rest, 6, 2) else { return Ok(None) };
        let Some(body) = length.checked_sub(FIXED + header) else {
            return Err(Violation::new(Rule::Length, 0, header as u64, (length - FIXED) as u64));
        };
        if body > BODY && rest[4] < 128 {
            return Err(Violation::new(Rule::Length, 0, body as u64, BODY as u64));
        }
        let Some(whole) = rest.get(..4 + length) else { return Ok(None) };
        let id = number(whole, 8, 8).map_or(0, |id| id as u64);
        let (header, body) = whole[16..].split_at(header);
        let frame = Frame { kind: whole[4], flags: whole[5], id, header: header.to_vec(), body: body.to_vec() };
        self.begin += 4 + length;
        Ok(Some(frame))
    }
}

/// The little-endian number of `size` bytes that stands at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + size)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

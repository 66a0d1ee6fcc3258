//! Bytes that came against bytes of the document: exact but for what the document marks as examples, and numbers that
//! count these. And the ids that a side chooses itself, from the document's to those that came.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Chunk, Piece, Shape};

const REQUEST: u8 = 1;
const MESSAGE: u8 = 3;
const CREDIT: u8 = 6;
const PING: u8 = 7;
const PONG: u8 = 8;

/// How many bytes were compared exactly; an error says which were wrong.
pub(super) fn compare(chunk: &Chunk, found: &[u8]) -> Result<usize, String> {
    let compared = match chunk.shape {
        Shape::Handshake => handshake(chunk, found),
        Shape::Frame => frame(chunk, found),
        Shape::Other => text(chunk, found),
    };
    compared.map_err(|what| format!("{}: {what}; {} bytes came: {}", chunk.what, found.len(), shown(found)))
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
    format!("{:02x?} {text:?}", &bytes[..bytes.len().min(60)])
}

fn handshake(chunk: &Chunk, found: &[u8]) -> Result<usize, String> {
    let [Piece::Exact(magic), Piece::Count(_), Piece::Json(text, examples)] = &chunk.pieces[..] else {
        return Err("a handshake is magic, length and text".to_owned());
    };
    let rest = found.strip_prefix(&magic[..]).ok_or("another magic")?;
    let (length, found_text) = rest.split_first_chunk::<2>().ok_or("no length")?;
    if usize::from(u16::from_le_bytes(*length)) != found_text.len() {
        return Err("another length than that of the text".to_owned());
    }
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).map_err(|error| error.to_string());
    let (mut expected, mut found) = (parse(text.as_bytes())?, parse(found_text)?);
    for path in examples {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (Some(expected), Some(found)) = (expected.pointer_mut(&pointer), found.pointer_mut(&pointer)) else {
            return Err(format!("no {path}"));
        };
        if std::mem::discriminant(expected) != std::mem::discriminant(found) {
            return Err(format!("{path} is of another type"));
        }
        (*expected, *found) = (Value::Null, Value::Null);
    }
    if expected == found { Ok(magic.len() + text.len()) } else { Err(format!("{found} is not {expected}")) }
}

/// A count of one byte is a varint and that of the example behind it; wider ones count the whole frame's.
fn frame(chunk: &Chunk, found: &[u8]) -> Result<usize, String> {
    let grown = found.len() as i128 - chunk.bytes().len() as i128;
    let (mut rest, mut compared, mut counted) = (found, 0, None);
    for piece in &chunk.pieces {
        match piece {
            Piece::Exact(bytes) => {
                let at = found.len() - rest.len();
                rest = rest.strip_prefix(&bytes[..]).ok_or_else(|| format!("not {} at {at}", shown(bytes)))?;
                compared += bytes.len();
            }
            Piece::Count(bytes) if bytes.len() == 1 => counted = Some(take_varint(&mut rest).ok_or("no number")?),
            Piece::Count(bytes) => {
                let (number, behind) = rest.split_at_checked(bytes.len()).ok_or("it is too short")?;
                if little_endian(number) != little_endian(bytes) + grown {
                    return Err(format!("{} does not count what is there", shown(number)));
                }
                (rest, compared) = (behind, compared + bytes.len());
            }
            Piece::AtLeast(bytes) => {
                let (number, behind) = rest.split_at_checked(bytes.len()).ok_or("it is too short")?;
                if little_endian(number) < little_endian(bytes) {
                    return Err(format!("{} is less than {}", shown(number), shown(bytes)));
                }
                (rest, compared) = (behind, compared + bytes.len());
            }
            Piece::Example(_) => {
                let length = counted.take().ok_or("an example whose length nobody tells")?;
                rest = rest.get(length..).ok_or("the example reaches beyond the frame")?;
            }
            Piece::Json(..) => return Err("a text within a frame".to_owned()),
        }
    }
    if !rest.is_empty() || counted.is_some() {
        return Err(format!("{} bytes more than expected", rest.len()));
    }
    Ok(compared)
}

/// An example goes up to the first place where what follows it can stand.
fn text(chunk: &Chunk, found: &[u8]) -> Result<usize, String> {
    let (mut rest, mut compared, mut example) = (found, 0, false);
    for piece in &chunk.pieces {
        match piece {
            Piece::Exact(bytes) => {
                let at =
                    rest.windows(bytes.len()).position(|window| window == bytes).ok_or("something is not there")?;
                if (at > 0) != example {
                    return Err(format!("{} is elsewhere", shown(bytes)));
                }
                rest = &rest[at + bytes.len()..];
                (example, compared) = (false, compared + bytes.len());
            }
            Piece::Example(_) => example = true,
            Piece::Count(_) | Piece::AtLeast(_) | Piece::Json(..) => {
                return Err("a count or JSON outside of a frame".to_owned());
            }
        }
    }
    if rest.is_empty() == example {
        return Err(format!("{} bytes behind it", rest.len()));
    }
    Ok(compared)
}

fn little_endian(bytes: &[u8]) -> i128 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | i128::from(*byte))
}

fn take_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0, 7, 14] {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The items of a whole Message that has nothing else.
pub(super) fn items(frame: &[u8]) -> Result<Vec<&[u8]>, String> {
    let (head, mut rest) = frame.split_at_checked(16).ok_or("no frame")?;
    let length = little_endian(&head[..4]);
    if head[4..8] != [MESSAGE, 0, 0, 0] || length != frame.len() as i128 - 4 {
        return Err(format!("not a Message of items: {}", shown(head)));
    }
    let mut items = Vec::new();
    while !rest.is_empty() {
        let length = take_varint(&mut rest).ok_or("the length of an item is cut off")?;
        let (item, behind) = rest.split_at_checked(length).ok_or("an item reaches beyond its Message")?;
        items.push(item);
        rest = behind;
    }
    Ok(items)
}

/// Credit for a stream, which may come wherever its sender likes.
pub(super) fn is_credit_of_a_call(frame: &[u8]) -> bool {
    let (kind, id) = kind_and_id(frame);
    kind == CREDIT && id != 0 && frame.len() == 20 && frame[5..8] == [0, 0, 0]
}

/// The ids that the tested side has chosen, by the document's.
#[derive(Default)]
pub(super) struct Ids {
    calls: BTreeMap<u64, u64>,
    tokens: BTreeMap<u64, u64>,
}

impl Ids {
    /// The document's `bytes` with the ids that the tested side chose. `opener` is the lowest bit of its ids.
    pub(super) fn substitute(&self, bytes: &mut [u8], opener: u64) {
        let (kind, id) = kind_and_id(bytes);
        let chosen = match kind {
            PONG => self.tokens.get(&id),
            2..=6 if id & 1 == opener && id != 0 => self.calls.get(&id),
            _ => None,
        };
        bytes[8..16].copy_from_slice(&chosen.unwrap_or(&id).to_le_bytes());
    }

    /// `found` with the ids of the document's `chunk` where they are the tested side's choice.
    pub(super) fn restore(&mut self, chunk: &Chunk, found: &mut [u8], opener: u64) -> Result<(), String> {
        let expected = chunk.bytes();
        let ((kind, id), (found_kind, found_id)) = (kind_and_id(&expected), kind_and_id(found));
        if kind != found_kind {
            return Err(format!("{}: not a frame of kind {kind}, but {found_kind}", chunk.what));
        }
        let header = expected[6..8] != [0, 0];
        let known = match kind {
            PING => found_id == *self.tokens.entry(id).or_insert(found_id),
            REQUEST if header => {
                self.calls.insert(id, found_id);
                found_id & 1 == opener && id & 1 == opener && found_id != 0
            }
            1..=6 if id & 1 == opener && id != 0 => self.calls.get(&id) == Some(&found_id),
            _ => id == found_id,
        };
        if !known {
            return Err(format!("{}: the id {found_id}, where the document has {id}", chunk.what));
        }
        found[8..16].copy_from_slice(&id.to_le_bytes());
        Ok(())
    }
}

pub(super) fn kind_and_id(frame: &[u8]) -> (u8, u64) {
    (frame[4], u64::from_le_bytes(frame[8..16].try_into().expect("a frame has sixteen bytes at least")))
}

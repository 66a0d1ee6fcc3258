//! The fields of the headers, read as strictly as their writer must write them.

use super::{Rule, Violation};

/// The longest name of a service or method.
const NAME: usize = 256;
/// The most entries of metadata.
const ENTRIES: usize = 64;

pub(super) const OK: u64 = 0;
pub(super) const SERVICE_ERROR: u64 = 1;
pub(super) const STATUS: u64 = 2;
pub(super) const OPENED: u64 = 3;

/// The key of the entry that numbers a call.
pub(crate) const CALL: &str = "call";

/// What the header of an answer says: of a Response, or of an End.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u64,
    pub(super) total: Option<u64>,
}

/// The length of the whole body that the header of a Request announces.
pub(super) fn request(id: u64, header: &[u8]) -> Result<Option<u64>, Violation> {
    let fields = Fields::read(id, header)?;
    fields.only(&[1, 2, 3, 4, 5])?;
    for tag in [1, 3] {
        let name = fields.text(tag)?.unwrap_or_default().len();
        if !(1..=NAME).contains(&name) {
            return Err(Violation::new(Rule::Header, id, name as u64, NAME as u64));
        }
    }
    if fields.number(2)? == Some(0) {
        return Err(Violation::new(Rule::Header, id, 0, 1));
    }
    fields.metadata()?;
    fields.number(5)
}

/// The entry of metadata by which the simulation knows a call.
pub(super) fn call(id: u64, header: &[u8]) -> Option<u64> {
    let fields = Fields::read(id, header).ok()?;
    let entries = fields.fields.iter().filter(|(tag, _)| *tag == 4);
    let (_, number) = entries.filter_map(|(_, entry)| counted(entry)).find(|(key, _)| *key == CALL.as_bytes())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// What an answer says.
pub(super) fn outcome(id: u64, header: &[u8]) -> Result<Outcome, Violation> {
    let fields = Fields::read(id, header)?;
    fields.only(&[1, 2, 3, 4, 5, 7])?;
    let status = fields.number(1)?.unwrap_or(OK);
    let code = fields.number(3)?;
    if status > OPENED {
        return Err(Violation::new(Rule::Header, id, status, OPENED));
    }
    let of_status = [2, 3, 7].into_iter().find(|tag| fields.get(*tag).is_some());
    match of_status {
        Some(tag) if status != STATUS => return Err(Violation::new(Rule::Header, id, tag, status)),
        _ if status == STATUS && code.unwrap_or(0) == 0 => return Err(Violation::new(Rule::Header, id, 0, 3)),
        _ => {}
    }
    fields.text(2)?;
    if let Some(value) = fields.get(7).filter(|value| !value.is_empty()) {
        return Err(Violation::new(Rule::Header, id, value.len() as u64, 0));
    }
    fields.metadata()?;
    Ok(Outcome { status, total: fields.number(5)? })
}

/// The code of a GoAway.
pub(super) fn go_away(header: &[u8]) -> Result<u64, Violation> {
    let fields = Fields::read(0, header)?;
    fields.only(&[2, 3])?;
    fields.text(2)?;
    Ok(fields.number(3)?.unwrap_or(0))
}

/// The length that the first part of an item announces.
pub(super) fn item(id: u64, header: &[u8]) -> Result<Option<u64>, Violation> {
    let fields = Fields::read(id, header)?;
    fields.only(&[5])?;
    fields.number(5)
}

/// A number in its shortest form at the beginning of `bytes`, and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (last, shortest) = (bytes[length - 1], length == 1 || bytes[length - 1] != 0);
    if length > 10 || (length == 10 && last > 1) || !shortest {
        return None;
    }
    let value = bytes[..length].iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7F));
    Some((value, length))
}

/// Fields of one header, in the order in which they stand.
struct Fields<'a> {
    id: u64,
    fields: Vec<(u64, &'a [u8])>,
}

impl<'a> Fields<'a> {
    fn read(id: u64, header: &'a [u8]) -> Result<Self, Violation> {
        let mut rest = header;
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let cut = || Violation::new(Rule::Header, id, rest.len() as u64, header.len() as u64);
            let (tag, length) = varint(rest).ok_or_else(cut)?;
            let (value, behind) = counted(&rest[length..]).ok_or_else(cut)?;
            if tag != 4 && fields.iter().any(|(other, _)| *other == tag) {
                return Err(Violation::new(Rule::Header, id, tag, tag));
            }
            fields.push((tag, value));
            rest = behind;
        }
        Ok(Self { id, fields })
    }

    /// No odd field stands here but those of `known`.
    fn only(&self, known: &[u64]) -> Result<(), Violation> {
        match self.fields.iter().find(|(tag, _)| tag % 2 == 1 && !known.contains(tag)) {
            Some((tag, _)) => Err(self.fault(*tag)),
            None => Ok(()),
        }
    }

    fn get(&self, tag: u64) -> Option<&'a [u8]> {
        self.fields.iter().find(|(other, _)| *other == tag).map(|(_, value)| *value)
    }

    fn number(&self, tag: u64) -> Result<Option<u64>, Violation> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        match varint(value) {
            Some((number, length)) if length == value.len() => Ok(Some(number)),
            _ => Err(self.fault(tag)),
        }
    }

    fn text(&self, tag: u64) -> Result<Option<&'a str>, Violation> {
        let Some(value) = self.get(tag) else { return Ok(None) };
        std::str::from_utf8(value).map(Some).map_err(|_| self.fault(tag))
    }

    fn metadata(&self) -> Result<(), Violation> {
        let entries = || self.fields.iter().filter(|(tag, _)| *tag == 4);
        let is_text = |text: &[u8]| std::str::from_utf8(text).is_ok();
        let is_entry = |entry: &[u8]| counted(entry).is_some_and(|(key, value)| is_text(key) && is_text(value));
        if entries().count() > ENTRIES {
            return Err(Violation::new(Rule::Header, self.id, entries().count() as u64, ENTRIES as u64));
        }
        if entries().all(|(_, entry)| is_entry(entry)) { Ok(()) } else { Err(self.fault(4)) }
    }

    fn fault(&self, tag: u64) -> Violation {
        Violation::new(Rule::Header, self.id, tag, 0)
    }
}

/// The bytes that a varint before them counts, and those behind them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, length) = varint(bytes)?;
    bytes[length..].split_at_checked(usize::try_from(count).ok()?)
}

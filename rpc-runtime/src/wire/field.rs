//! The fields of a header: `varint tag | varint length | bytes`, in any order. What a tag means is told in
//! `header.rs`; here are only the shapes that a field's bytes have.

use std::str;

use super::{header::HeaderError, varint};
use crate::metadata::Metadata;

/// Takes the next field off the front of a header: its tag and its bytes.
#[inline]
pub(super) fn take<'a>(header: &mut &'a [u8]) -> Result<Option<(u64, &'a [u8])>, HeaderError> {
    if header.is_empty() {
        return Ok(None);
    }
    let tag = varint::take(header).ok_or(HeaderError::Malformed("a field's tag is cut off or too large"))?;
    let length = varint::take(header).ok_or(HeaderError::Malformed("a field's length is cut off or too large"))?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let (value, rest) =
        header.split_at_checked(length).ok_or(HeaderError::Malformed("a field reaches beyond its header"))?;
    *header = rest;
    Ok(Some((tag, value)))
}

/// What a field with an unknown tag means: nothing when the tag is even, an error when it is odd.
pub(super) fn unknown(tag: u64) -> Result<(), HeaderError> {
    if tag % 2 == 0 { Ok(()) } else { Err(HeaderError::UnknownField { tag }) }
}

/// Keeps the value of a field that may be given once.
#[inline]
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), HeaderError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(HeaderError::Malformed("a field is given twice")),
    }
}

/// A field that is one varint and nothing else.
#[inline]
pub(super) fn number(mut value: &[u8]) -> Result<u64, HeaderError> {
    match varint::take(&mut value) {
        Some(number) if value.is_empty() => Ok(number),
        _ => Err(HeaderError::Malformed("a number field is not one varint")),
    }
}

/// A field of text.
#[inline]
pub(super) fn text(value: &[u8]) -> Result<&str, HeaderError> {
    str::from_utf8(value).map_err(|_| HeaderError::Malformed("a text field is not utf-8"))
}

/// Metadata while a header is read: entries beyond the limit are counted and not kept.
#[derive(Default)]
pub(super) struct Entries {
    kept: Metadata,
    seen: usize,
}

impl Entries {
    /// Reads `varint key length | key | value`.
    pub(super) fn add(&mut self, mut field: &[u8], limit: usize) -> Result<(), HeaderError> {
        const CUT: HeaderError = HeaderError::Malformed("a metadata key reaches beyond its entry");
        let length = varint::take(&mut field).ok_or(CUT)?;
        let (key, value) = field.split_at_checked(usize::try_from(length).unwrap_or(usize::MAX)).ok_or(CUT)?;
        let (key, value) = (text(key)?, text(value)?);
        self.seen += 1;
        if self.seen <= limit {
            self.kept.append(key, value);
        }
        Ok(())
    }

    /// What was read, unless there was more than `limit`.
    pub(super) fn finish(self, limit: usize) -> Result<Metadata, HeaderError> {
        if self.seen > limit {
            return Err(HeaderError::TooManyEntries { entries: self.seen, limit });
        }
        Ok(self.kept)
    }
}

/// The length of a field whose tag is below 128.
#[inline]
pub(super) const fn len(value: usize) -> usize {
    1 + varint::len(value as u64) + value
}

/// The length of a field of one number.
#[inline]
pub(super) const fn number_len(value: u64) -> usize {
    len(varint::len(value))
}

/// The length of all metadata fields.
#[inline]
pub(super) fn metadata_len(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| len(entry_len(key, value))).sum()
}

#[inline]
pub(super) fn put(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    put_start(out, tag, value.len());
    out.extend_from_slice(value);
}

#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, tag: u8, value: u64) {
    put_start(out, tag, varint::len(value));
    varint::put(out, value);
}

#[inline]
pub(super) fn put_metadata(out: &mut Vec<u8>, tag: u8, metadata: &Metadata) {
    for (key, value) in metadata.iter() {
        put_start(out, tag, entry_len(key, value));
        varint::put(out, key.len() as u64);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

#[inline]
fn put_start(out: &mut Vec<u8>, tag: u8, length: usize) {
    debug_assert!(tag < 0x80, "a tag is one byte");
    out.push(tag);
    varint::put(out, length as u64);
}

#[inline]
fn entry_len(key: &str, value: &str) -> usize {
    varint::len(key.len() as u64) + key.len() + value.len()
}

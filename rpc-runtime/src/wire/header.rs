//! The headers of requests, responses (and ends), and goodbyes. Whether a header fits its frame, and whether
//! `total` stands where the frame says MORE, is for the caller to check: a header does not know its frame.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use super::field;
use crate::{metadata::Metadata, status::Code};

/// The longest name of a service or method, in bytes.
pub(crate) const MAX_NAME: usize = 256;

/// The fields of requests, responses, ends and goodbyes. Odd ones are critical.
mod tag {
    pub(super) const SERVICE: u8 = 1;
    pub(super) const TIMEOUT: u8 = 2;
    pub(super) const METHOD: u8 = 3;

    pub(super) const STATUS: u8 = 1;
    pub(super) const MESSAGE: u8 = 2;
    pub(super) const CODE: u8 = 3;
    pub(super) const NOT_EXECUTED: u8 = 7;

    pub(super) const METADATA: u8 = 4;
    pub(super) const TOTAL: u8 = 5;
}

/// The values of the field `status`.
mod outcome {
    pub(super) const OK: u64 = 0;
    pub(super) const SERVICE_ERROR: u64 = 1;
    pub(super) const STATUS: u64 = 2;
    pub(super) const OPENED: u64 = 3;
}

/// What the first frame of a request says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestHeader<'a> {
    /// 1 to [`MAX_NAME`] bytes.
    pub(crate) service: &'a str,
    /// 1 to [`MAX_NAME`] bytes.
    pub(crate) method: &'a str,
    /// The time that remains, cut to whole microseconds. A peer may send any: add it to a clock with care.
    pub(crate) timeout: Option<Duration>,
    /// The length of the whole body, where it comes in parts.
    pub(crate) total: Option<u64>,
    pub(crate) metadata: Cow<'a, Metadata>,
}

impl<'a> RequestHeader<'a> {
    /// Reads a header with at most `max_entries` of metadata. Allocates only for metadata.
    pub(crate) fn decode(mut header: &'a [u8], max_entries: usize) -> Result<Self, HeaderError> {
        let (mut service, mut method, mut timeout, mut total) = (None, None, None, None);
        let mut entries = field::Entries::default();
        while let Some((tag, value)) = field::take(&mut header)? {
            match u8::try_from(tag) {
                Ok(tag::SERVICE) => field::once(&mut service, value)?,
                Ok(tag::METHOD) => field::once(&mut method, value)?,
                Ok(tag::TIMEOUT) => field::once(&mut timeout, field::number(value)?)?,
                Ok(tag::METADATA) => entries.add(value, max_entries)?,
                Ok(tag::TOTAL) => field::once(&mut total, field::number(value)?)?,
                _ => field::unknown(tag)?,
            }
        }
        Ok(Self {
            service: name("service", service)?,
            method: name("method", method)?,
            timeout: timeout.map(Duration::from_micros),
            total,
            metadata: Cow::Owned(entries.finish(max_entries)?),
        })
    }

    /// How many bytes [`put`](Self::put) writes.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        field::len(self.service.len())
            + self.timeout.map_or(0, |timeout| field::number_len(micros(timeout)))
            + field::len(self.method.len())
            + field::metadata_len(&self.metadata)
            + self.total.map_or(0, field::number_len)
    }

    /// Appends the header, its fields in the order of their tags.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        field::put(out, tag::SERVICE, self.service.as_bytes());
        if let Some(timeout) = self.timeout {
            field::put_number(out, tag::TIMEOUT, micros(timeout));
        }
        field::put(out, tag::METHOD, self.method.as_bytes());
        field::put_metadata(out, tag::METADATA, &self.metadata);
        if let Some(total) = self.total {
            field::put_number(out, tag::TOTAL, total);
        }
    }
}

/// How a call or a stream ended, as its Response or End says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The body is the value.
    Ok,
    /// The body is the service's own error.
    ServiceError,
    /// The body is the detail bytes.
    Status {
        /// Never [`Code::Ok`]: that is written as [`Code::Unknown`].
        code: Code,
        /// Whether it is certain that the method did not run.
        not_executed: bool,
        message: String,
    },
    /// Not an end: the items of a stream follow.
    Opened,
}

/// The header of a Response or End.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHeader<'a> {
    pub(crate) ending: Ending,
    /// The length of the whole body, where it comes in parts.
    pub(crate) total: Option<u64>,
    pub(crate) metadata: Cow<'a, Metadata>,
}

impl ResponseHeader<'_> {
    /// Reads a header with at most `max_entries` of metadata; an empty one is an `Ok`.
    #[inline]
    pub(crate) fn decode(header: &[u8], max_entries: usize) -> Result<ResponseHeader<'static>, HeaderError> {
        if header.is_empty() {
            let metadata = Cow::Owned(Metadata::new());
            return Ok(ResponseHeader { ending: Ending::Ok, total: None, metadata });
        }
        decode_response(header, max_entries)
    }

    /// How many bytes [`put`](Self::put) writes: none for an `Ok` in one part without metadata.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        ending_len(&self.ending) + field::metadata_len(&self.metadata) + self.total.map_or(0, field::number_len)
    }

    /// Appends the header, its fields in the order of their tags.
    #[inline]
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let not_executed = match &self.ending {
            Ending::Ok => false,
            ending => put_ending(out, ending),
        };
        field::put_metadata(out, tag::METADATA, &self.metadata);
        if let Some(total) = self.total {
            field::put_number(out, tag::TOTAL, total);
        }
        if not_executed {
            field::put(out, tag::NOT_EXECUTED, &[]);
        }
    }
}

/// Why a peer closes its connection for new requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoAwayHeader {
    /// [`Code::Ok`] for an orderly end.
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl GoAwayHeader {
    /// Reads a header; without a code it is an orderly end.
    pub(crate) fn decode(mut header: &[u8]) -> Result<Self, HeaderError> {
        let (mut code, mut message) = (None, None);
        while let Some((tag, value)) = field::take(&mut header)? {
            match u8::try_from(tag) {
                Ok(tag::CODE) => field::once(&mut code, Code::from_number(field::number(value)?))?,
                Ok(tag::MESSAGE) => field::once(&mut message, field::text(value)?)?,
                _ => field::unknown(tag)?,
            }
        }
        Ok(Self { code: code.unwrap_or(Code::Ok), message: message.unwrap_or_default().to_owned() })
    }

    /// The header's bytes.
    pub(crate) fn encode(code: Code, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        if !message.is_empty() {
            field::put(&mut out, tag::MESSAGE, message.as_bytes());
        }
        field::put_number(&mut out, tag::CODE, u64::from(code.number()));
        out
    }
}

/// Why a header can not be read. It costs the call that it belongs to, not the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It breaks the format.
    Malformed(&'static str),
    /// The name of a service or method is above [`MAX_NAME`].
    NameTooLong {
        /// `service` or `method`.
        field: &'static str,
        length: usize,
    },
    /// There is more metadata than is taken.
    TooManyEntries { entries: usize, limit: usize },
    /// A field that this side does not know and may not ignore.
    UnknownField { tag: u64 },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(cause) => write!(f, "malformed header: {cause}"),
            Self::NameTooLong { field, length } => {
                write!(f, "the {field} name has {length} bytes, the limit is {MAX_NAME}")
            }
            Self::TooManyEntries { entries, limit } => {
                write!(f, "{entries} metadata entries, more than max_metadata, {limit}")
            }
            Self::UnknownField { tag } => write!(f, "header field {tag} is required by the peer and unknown here"),
        }
    }
}

impl Error for HeaderError {}

#[inline]
fn name<'a>(field: &'static str, value: Option<&'a [u8]>) -> Result<&'a str, HeaderError> {
    match value {
        None => Err(HeaderError::Malformed("the service or method name is missing")),
        Some([]) => Err(HeaderError::Malformed("the service or method name is empty")),
        Some(value) if value.len() > MAX_NAME => Err(HeaderError::NameTooLong { field, length: value.len() }),
        Some(value) => field::text(value),
    }
}

fn decode_response(mut header: &[u8], max_entries: usize) -> Result<ResponseHeader<'static>, HeaderError> {
    let (mut status, mut message, mut code, mut not_executed, mut total) = (None, None, None, None, None);
    let mut entries = field::Entries::default();
    while let Some((tag, value)) = field::take(&mut header)? {
        match u8::try_from(tag) {
            Ok(tag::STATUS) => field::once(&mut status, field::number(value)?)?,
            Ok(tag::MESSAGE) => field::once(&mut message, field::text(value)?)?,
            Ok(tag::CODE) => field::once(&mut code, field::number(value)?)?,
            Ok(tag::METADATA) => entries.add(value, max_entries)?,
            Ok(tag::TOTAL) => field::once(&mut total, field::number(value)?)?,
            Ok(tag::NOT_EXECUTED) if value.is_empty() => field::once(&mut not_executed, ())?,
            Ok(tag::NOT_EXECUTED) => return Err(HeaderError::Malformed("not executed carries no bytes")),
            _ => field::unknown(tag)?,
        }
    }
    let metadata = Cow::Owned(entries.finish(max_entries)?);
    let of_status = message.is_some() || code.is_some() || not_executed.is_some();
    let ending = match status.unwrap_or(outcome::OK) {
        outcome::STATUS => Ending::Status {
            code: match code {
                None | Some(0) => return Err(HeaderError::Malformed("a status without a code")),
                Some(number) => Code::from_number(number),
            },
            not_executed: not_executed.is_some(),
            message: message.unwrap_or_default().to_owned(),
        },
        _ if of_status => return Err(HeaderError::Malformed("fields of a status where there is none")),
        outcome::OK => Ending::Ok,
        outcome::SERVICE_ERROR => Ending::ServiceError,
        outcome::OPENED => Ending::Opened,
        _ => return Err(HeaderError::Malformed("an unknown kind of status")),
    };
    Ok(ResponseHeader { ending, total, metadata })
}

/// The header of the first part of an item: the length of all parts together.
pub(crate) fn total_header(total: u64) -> Vec<u8> {
    let mut out = Vec::new();
    field::put_number(&mut out, tag::TOTAL, total);
    out
}

/// What the header of a Message announces.
pub(crate) fn decode_total(header: &[u8]) -> Result<Option<u64>, HeaderError> {
    let (mut total, mut rest) = (None, header);
    while let Some((tag, value)) = field::take(&mut rest)? {
        match u8::try_from(tag) {
            Ok(tag::TOTAL) => field::once(&mut total, field::number(value)?)?,
            _ => field::unknown(tag)?,
        }
    }
    Ok(total)
}

#[inline]
fn ending_len(ending: &Ending) -> usize {
    match ending {
        Ending::Ok => 0,
        Ending::ServiceError => field::number_len(outcome::SERVICE_ERROR),
        Ending::Opened => field::number_len(outcome::OPENED),
        Ending::Status { code, not_executed, message } => {
            let message = if message.is_empty() { 0 } else { field::len(message.len()) };
            let not_executed = if *not_executed { field::len(0) } else { 0 };
            field::number_len(outcome::STATUS) + message + field::number_len(failure(*code)) + not_executed
        }
    }
}

/// Appends all fields of an ending but *not executed*, whose tag comes later; returns whether it belongs there.
fn put_ending(out: &mut Vec<u8>, ending: &Ending) -> bool {
    match ending {
        Ending::Ok => {}
        Ending::ServiceError => field::put_number(out, tag::STATUS, outcome::SERVICE_ERROR),
        Ending::Opened => field::put_number(out, tag::STATUS, outcome::OPENED),
        Ending::Status { code, not_executed, message } => {
            field::put_number(out, tag::STATUS, outcome::STATUS);
            if !message.is_empty() {
                field::put(out, tag::MESSAGE, message.as_bytes());
            }
            field::put_number(out, tag::CODE, failure(*code));
            return *not_executed;
        }
    }
    false
}

/// The number of a code that says of a failure; a handler can make a `Status` even of `OK`.
fn failure(code: Code) -> u64 {
    match code {
        Code::Ok => u64::from(Code::Unknown.number()),
        code => u64::from(code.number()),
    }
}

#[inline]
fn micros(timeout: Duration) -> u64 {
    timeout.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(timeout.subsec_micros()))
}

//! Frames on their way out: small ones whole in one buffer, large messages beside it in parts. Pure.

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use bytes::Bytes;

use crate::{
    buffer::{self, Reused},
    call::{Ending, OutgoingRequest, Reply, ServiceName},
    metadata::Metadata,
    router::Finished,
    status::{Code, Status},
    wire::{self, Grant, Kind, MAX_PART, RequestHeader, ResponseHeader},
};

/// The largest body that is copied into the buffer of small frames.
const SMALL: usize = 4_096;
/// About what one write takes: the small frames and one part of each of the next large messages.
const BATCH: usize = 256 * 1_024;

/// Whole small frames, and large messages that leave in parts.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) small: Vec<u8>,
    /// In turn, each with what waits of one call.
    large: VecDeque<Lane>,
    large_bytes: usize,
    /// What the large messages hold: each all of its memory until its last part leaves.
    large_held: usize,
}

/// The large messages of one call, and what must not overtake them.
#[derive(Debug)]
struct Lane {
    first: Large,
    behind: VecDeque<Large>,
}

impl Lane {
    fn iter(&self) -> impl Iterator<Item = &Large> {
        std::iter::once(&self.first).chain(&self.behind)
    }
}

/// A message of which some parts may have left.
#[derive(Debug)]
struct Large {
    kind: Kind,
    id: u64,
    /// Of the first part; the others have none.
    header: Vec<u8>,
    body: Bytes,
    /// The memory of the body, of which the parts that have left are a piece.
    held: usize,
    begun: bool,
}

impl Large {
    /// The next frame: what stands before its body, and that.
    fn next_part(&mut self, length: usize) -> [Bytes; 2] {
        let part = self.body.split_to(length);
        let header = std::mem::take(&mut self.header);
        let mut prefix = Vec::with_capacity(wire::PREFIX + header.len());
        wire::put_head(&mut prefix, self.kind, self.id, !self.body.is_empty(), &header, part.len());
        self.begun = true;
        [Bytes::from(prefix), part]
    }
}

/// What became of a large message that is taken back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TakenBack {
    /// It had left whole, or never was there.
    Gone,
    /// None of its bytes, so many, had left.
    Whole(usize),
    /// So many bytes had not left.
    Rest(usize),
}

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }

    /// Bytes that wait here, headers of large messages aside.
    pub(super) fn len(&self) -> usize {
        self.small.len() + self.large_bytes
    }

    /// The memory that they take.
    pub(super) fn held(&self) -> usize {
        self.small.capacity() + self.large_held
    }

    pub(super) fn has_large(&self) -> bool {
        !self.large.is_empty()
    }

    /// Whether a request is leaving in parts, or waits to.
    pub(super) fn has_large_requests(&self) -> bool {
        self.large.iter().flat_map(Lane::iter).any(|large| large.kind == Kind::Request)
    }

    /// Takes out the large messages with what has not left of them, to be dropped without a lock.
    pub(super) fn take_large(&mut self) -> Self {
        let small = std::mem::take(&mut self.small);
        std::mem::replace(self, Self { small, ..Self::default() })
    }

    /// Moves all frames of `other`, which are of other calls, behind those that are here.
    pub(super) fn append(&mut self, other: &mut Self) {
        if self.small.is_empty() {
            std::mem::swap(&mut self.small, &mut other.small);
        } else {
            self.small.extend_from_slice(&other.small);
            other.small.clear();
        }
        self.large.append(&mut other.large);
        self.large_bytes += std::mem::take(&mut other.large_bytes);
        self.large_held += std::mem::take(&mut other.large_held);
    }

    /// A request. `true`: it stands in the small frames; `false`: it waits among the large messages. The buffer
    /// of a small request stays with the caller, to be used again.
    pub(super) fn push_request(&mut self, id: u64, header: &mut RequestHeader<'_>, body: &mut Vec<u8>) -> bool {
        if body.len() <= SMALL {
            wire::put_request(&mut self.small, id, header, body, false);
            return true;
        }
        header.total = total(body);
        let mut bytes = Vec::new();
        header.put(&mut bytes);
        self.push_large(Kind::Request, id, bytes, std::mem::take(body));
        false
    }

    /// The terminal frame of a call that was served here, within what the peer accepts.
    pub(super) fn push_reply(
        &mut self,
        id: u64,
        method: &str,
        finished: Finished,
        remote: &Grant,
        max_metadata: usize,
    ) {
        let limit = remote.max_message as usize;
        let Finished { reply, metadata } = finished;
        let (ending, metadata, body) = match reply {
            Reply::Value(body) if body.len() <= limit => (Ending::Ok, metadata, body),
            Reply::ServiceError(body) if body.len() <= limit => (Ending::ServiceError, metadata, body),
            Reply::Value(body) | Reply::ServiceError(body) => {
                let size = body.len();
                let text =
                    format!("the reply of {method} has {size} bytes, more than max_message of its caller, {limit}");
                (Ending::Status(Status::of_call(Code::ResourceExhausted, text)), metadata, Vec::new())
            }
            Reply::Finished => (Ending::Ok, metadata, Vec::new()),
            Reply::Status(status) | Reply::Unsendable(status) => failed(status, metadata, limit),
        };
        let header = response_header(&ending, metadata, &body, remote);
        let Err(refused) = check_header(method, &header, remote, max_metadata) else {
            return self.push_response(id, &header, body);
        };
        // What a failure says of itself is worth more than what travels beside it.
        let (ending, body) = match ending {
            Ending::Status(status) => (Ending::Status(status), body),
            Ending::Ok | Ending::Opened(_) | Ending::ServiceError => (Ending::Status(refused), Vec::new()),
        };
        let header = response_header(&ending, Metadata::new(), &body, remote);
        self.push_response(id, &header, body);
    }

    fn push_response(&mut self, id: u64, header: &ResponseHeader<'_>, body: Vec<u8>) {
        if body.len() <= SMALL {
            wire::put_response(&mut self.small, id, header, &body, false);
            buffer::give(body);
            return;
        }
        let mut bytes = Vec::new();
        header.put(&mut bytes);
        self.push_large(Kind::Response, id, bytes, body);
    }

    fn push_large(&mut self, kind: Kind, id: u64, header: Vec<u8>, body: Vec<u8>) {
        let held = body.capacity() + header.capacity();
        self.push_held(kind, id, header, Bytes::from(body), held);
    }

    fn push_held(&mut self, kind: Kind, id: u64, header: Vec<u8>, body: Bytes, held: usize) {
        self.large_bytes += body.len();
        self.large_held += held;
        let large = Large { kind, id, header, body, held, begun: false };
        match self.large.iter_mut().find(|lane| lane.first.id == id) {
            Some(lane) => lane.behind.push_back(large),
            None => self.large.push_back(Lane { first: large, behind: VecDeque::new() }),
        }
    }

    /// Takes back what has not left of a large request, and of the items behind it.
    pub(super) fn take_back(&mut self, id: u64) -> TakenBack {
        let mut taken = TakenBack::Gone;
        let (bytes, held) = (&mut self.large_bytes, &mut self.large_held);
        self.large.retain(|lane| {
            if lane.first.id != id {
                return true;
            }
            for large in lane.iter() {
                let left = large.body.len();
                *bytes -= left;
                *held -= large.held;
                if large.kind == Kind::Request {
                    taken = if large.begun { TakenBack::Rest(left) } else { TakenBack::Whole(left) };
                }
            }
            false
        });
        taken
    }

    /// Items of a stream, whole, one behind the other: what fits a frame, or one item that is longer.
    pub(super) fn push_items(&mut self, id: u64, items: Vec<u8>) {
        if items.len() <= SMALL && !self.has_large_of(id) {
            wire::put_head(&mut self.small, Kind::Message, id, false, &[], items.len());
            self.small.extend_from_slice(&items);
            buffer::give(items);
            return;
        }
        let header = total(&items).map(wire::total_header).unwrap_or_default();
        let held = items.capacity() + header.capacity();
        self.push_held(Kind::Message, id, header, Bytes::from_owner(Reused(items)), held);
    }

    /// The method has accepted the call of the peer.
    pub(super) fn push_opened(&mut self, id: u64, header: &ResponseHeader<'_>) {
        wire::put_response(&mut self.small, id, header, &[], false);
    }

    /// The end of the items of one direction; behind those of them that wait.
    pub(super) fn push_end(&mut self, id: u64, finished: Finished, remote: &Grant, max_metadata: usize) {
        let limit = MAX_PART.min(remote.max_message as usize);
        let Finished { reply, metadata } = finished;
        let (ending, metadata, body) = match reply {
            Reply::Value(_) | Reply::Finished => (Ending::Ok, metadata, Vec::new()),
            Reply::ServiceError(body) if body.len() <= limit => (Ending::ServiceError, metadata, body),
            Reply::ServiceError(body) => {
                let text = format!("the error of a stream has {} bytes, it may have {limit}", body.len());
                (Ending::Status(Status::of_call(Code::ResourceExhausted, text)), metadata, Vec::new())
            }
            Reply::Status(status) | Reply::Unsendable(status) => failed(status, metadata, limit),
        };
        let mut header = response_header(&ending, metadata, &[], remote);
        if !is_within(&header, remote, max_metadata) {
            // How the items ended is worth more than what travels beside that.
            header.metadata = Cow::Owned(Metadata::new());
        }
        let mut bytes = Vec::new();
        header.put(&mut bytes);
        if self.has_large_of(id) {
            self.push_large(Kind::End, id, bytes, body);
        } else {
            wire::put_head(&mut self.small, Kind::End, id, false, &bytes, body.len());
            self.small.extend_from_slice(&body);
        }
    }

    fn has_large_of(&self, id: u64) -> bool {
        self.large.iter().any(|lane| lane.first.id == id)
    }

    /// The next write: all small frames, and of each of the next calls with large messages one part, or what there is
    /// of short ones up to that size, in turn. `spare` becomes the next buffer of small frames; `begun` is told the id
    /// and the offset of each large request that begins.
    pub(super) fn next_batch(&mut self, spare: Vec<u8>, mut begun: impl FnMut(u64, usize)) -> Batch {
        let head = std::mem::replace(&mut self.small, spare);
        let mut total = head.len();
        let mut tail = VecDeque::new();
        let mut turns: usize = self.large.iter().map(|lane| 1 + lane.behind.len()).sum();
        while turns > 0 && total < BATCH {
            turns -= 1;
            let Some(mut lane) = self.large.pop_front() else { break };
            let mut turn = 0;
            let waits = loop {
                let large = &mut lane.first;
                let length = large.body.len().min(MAX_PART);
                if turn > 0 && turn + length > MAX_PART {
                    break true;
                }
                turn += length;
                if !large.begun && large.kind == Kind::Request {
                    begun(large.id, total);
                }
                let [prefix, part] = large.next_part(length);
                total += prefix.len() + part.len();
                tail.extend([prefix, part]);
                self.large_bytes -= length;
                if !large.body.is_empty() {
                    break true;
                }
                self.large_held -= large.held;
                match lane.behind.pop_front() {
                    Some(next) => lane.first = next,
                    None => break false,
                }
            };
            if waits {
                self.large.push_back(lane);
            }
        }
        Batch { head, tail, written: 0, left: total }
    }
}

/// The length that the first part announces, when there will be several.
fn total(body: &[u8]) -> Option<u64> {
    (body.len() > MAX_PART).then_some(body.len() as u64)
}

/// The header that says that `method` has accepted a call, with the handler's metadata; fails when that is more than
/// its caller accepts.
pub(super) fn opened_header(
    method: &str,
    metadata: Metadata,
    remote: &Grant,
    max_metadata: usize,
) -> Result<ResponseHeader<'static>, Status> {
    let header = ResponseHeader { ending: wire::Ending::Opened, total: None, metadata: Cow::Owned(metadata) };
    check_header(method, &header, remote, max_metadata)?;
    Ok(header)
}

/// Refuses a header that is above what the caller accepts, or with more metadata than this side sends.
fn check_header(method: &str, header: &ResponseHeader<'_>, remote: &Grant, max_metadata: usize) -> Result<(), Status> {
    if is_within(header, remote, max_metadata) {
        return Ok(());
    }
    let (entries, length, longest) = (header.metadata.len(), header.encoded_len(), remote.max_header);
    let text = if entries > max_metadata {
        format!("the reply of {method} has {entries} metadata entries, more than max_metadata, {max_metadata}")
    } else {
        format!("the reply of {method} has a header of {length} bytes, above max_header of its caller, {longest}")
    };
    Err(Status::of_call(Code::ResourceExhausted, text))
}

fn is_within(header: &ResponseHeader<'_>, remote: &Grant, max_metadata: usize) -> bool {
    header.metadata.len() <= max_metadata && header.encoded_len() <= remote.max_header as usize
}

/// How a failure is sent: its own metadata where the handler left none, and details of at most `limit` bytes.
fn failed(status: Status, metadata: Metadata, limit: usize) -> (Ending, Metadata, Vec<u8>) {
    let details = if status.details().len() <= limit { status.details().to_vec() } else { Vec::new() };
    let metadata = if metadata.is_empty() { status.metadata().clone() } else { metadata };
    (Ending::Status(status), metadata, details)
}

fn response_header(ending: &Ending, metadata: Metadata, body: &[u8], remote: &Grant) -> ResponseHeader<'static> {
    let ending = match ending {
        Ending::Ok => wire::Ending::Ok,
        Ending::Opened(_) => wire::Ending::Opened,
        Ending::ServiceError => wire::Ending::ServiceError,
        Ending::Status(status) => {
            let mut message = status.message().to_owned();
            truncate(&mut message, (remote.max_header as usize).saturating_sub(BESIDE_MESSAGE));
            wire::Ending::Status { code: status.code(), not_executed: !status.may_have_run(), message }
        }
    };
    ResponseHeader { ending, total: total(body), metadata: Cow::Owned(metadata) }
}

/// What stands beside the message in the header of a status without metadata, at most: status, code, the tag and length
/// of the message, *not executed*, total.
const BESIDE_MESSAGE: usize = 3 + 3 + 4 + 2 + 7;

impl OutgoingRequest {
    /// About how many bytes of memory it takes.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.body.capacity() + self.metadata.held()
    }

    /// The longest that its frame's header can be.
    pub(super) fn header_len(&self) -> usize {
        let mut header = request_header(&self.service, self.method, Some(Duration::MAX), &self.metadata);
        header.total = Some(u64::MAX);
        header.encoded_len()
    }
}

pub(super) fn request_header<'a>(
    service: &'a ServiceName,
    method: &'a str,
    timeout: Option<Duration>,
    metadata: &'a Metadata,
) -> RequestHeader<'a> {
    RequestHeader { service: service.as_str(), method, timeout, total: None, metadata: Cow::Borrowed(metadata) }
}

/// Cuts a text to at most `longest` bytes, between two characters.
fn truncate(text: &mut String, longest: usize) {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
    }
}

/// One write, of which the transport may take a part at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    head: Vec<u8>,
    tail: VecDeque<Bytes>,
    /// Of `head`.
    written: usize,
    left: usize,
}

impl Batch {
    /// How many bytes are still to be written.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// What is still to be written, as far as `slices` reach.
    pub(super) fn slices<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let head = std::iter::once(&self.head[self.written.min(self.head.len())..]).filter(|head| !head.is_empty());
        let all = head.chain(self.tail.iter().map(|bytes| &bytes[..]));
        slices.iter_mut().zip(all).map(|(slice, bytes)| *slice = std::io::IoSlice::new(bytes)).count()
    }

    /// Takes note that the transport took `count` bytes.
    pub(super) fn advance(&mut self, count: usize) {
        let mut count = count.min(self.left);
        self.left -= count;
        let of_head = count.min(self.head.len() - self.written);
        self.written += of_head;
        count -= of_head;
        while count > 0 {
            let Some(first) = self.tail.front_mut() else { break };
            let of_first = count.min(first.len());
            let _ = first.split_to(of_first);
            count -= of_first;
            if first.is_empty() {
                self.tail.pop_front();
            }
        }
    }

    /// The buffer of small frames, to be used again.
    pub(super) fn into_spare(mut self) -> Vec<u8> {
        self.head.clear();
        self.head
    }
}

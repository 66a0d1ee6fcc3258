//! Frames as a fuzzer makes them up: mostly of the right shape, so that it does not have to guess lengths, with every
//! field free to be wrong. Written by hand from PROTOCOL.md, so that a mistake of the runtime is not made here again.

use arbitrary::Arbitrary;
use rpc_runtime::{__private::encode, CodecKind};

/// The most parts of a message but the last.
const LONGEST: usize = 8;

/// What a hostile peer does, step by step, behind its handshake.
#[derive(Debug, Arbitrary)]
pub struct Script<'a> {
    pub(crate) setting: Setting,
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) end: End,
}

/// What both ends grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub(crate) enum Setting {
    Default,
    /// Hardly anything: every limit is soon reached.
    Tight,
    /// Little memory for all connections together, and faults are forgiven.
    Poor,
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Step<'a> {
    /// A request such as a client would send.
    Call {
        id: u8,
        method: Method,
        arguments: (u16, u8),
        timeout: Option<u16>,
    },
    Frame {
        kind: Kind,
        id: u8,
        header: Header<'a>,
        body: Body<'a>,
        more: bool,
    },
    /// A message in parts, of which only the first may be sent.
    Parts {
        message: Large,
        id: u8,
        lengths: Vec<u16>,
        sent: u8,
    },
    /// A prefix that may lie.
    Prefix {
        length: u32,
        kind: u8,
        flags: u8,
        header: u16,
        id: u64,
    },
    Bytes(&'a [u8]),
    /// Nothing happens for so many milliseconds.
    Wait(u16),
    /// Whether what comes is read.
    Read(bool),
    /// What follows is sent in pieces of so many bytes; 0 is as a whole.
    Split(u8),
}

/// What may come in parts.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) enum Large {
    Request(Method),
    Response,
    Item,
}

/// How a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub(crate) enum End {
    /// Both directions at once.
    Gone,
    /// It ends its direction and reads on.
    HalfClosed,
    /// It says nothing for a minute, and is then gone.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
#[repr(u8)]
pub(crate) enum Kind {
    Request = 1,
    Response,
    Message,
    End,
    Cancel,
    Credit,
    Ping,
    Pong,
    GoAway,
    Reserved,
    Later = 200,
}

/// The methods of [`Probe`](crate::service::Probe), and one that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
pub(crate) enum Method {
    Add,
    Weigh,
    Fill,
    Sleep,
    Wait,
    Count,
    Hang,
    Open,
    Total,
    First,
    Stuck,
    Relay,
    Back,
    BackStreams,
    Nothing,
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Header<'a> {
    Empty,
    Request { method: Method, timeout: Option<u64>, total: Option<u32>, entries: u8 },
    Ending { status: u8, code: u8, not_executed: bool, total: Option<u32>, entries: u8 },
    Total(u32),
    Fields(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
pub(crate) enum Body<'a> {
    Empty,
    Arguments(u64, u64),
    /// One value as a method returns it.
    Value(u64),
    /// Items of one value each.
    Items(Vec<u64>),
    Increment(u32),
    Zeros(u32),
    Bytes(&'a [u8]),
}

impl Method {
    pub(crate) const ALL: [Self; 14] = [
        Self::Add,
        Self::Weigh,
        Self::Fill,
        Self::Sleep,
        Self::Wait,
        Self::Count,
        Self::Hang,
        Self::Open,
        Self::Total,
        Self::First,
        Self::Stuck,
        Self::Relay,
        Self::Back,
        Self::BackStreams,
    ];

    /// Whether only its caller ends it.
    pub(crate) fn is_endless(self) -> bool {
        matches!(self, Self::Wait | Self::Hang)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Weigh => "weigh",
            Self::Fill => "fill",
            Self::Sleep => "sleep",
            Self::Wait => "wait",
            Self::Count => "count",
            Self::Hang => "hang",
            Self::Open => "open",
            Self::Total => "total",
            Self::First => "first",
            Self::Stuck => "stuck",
            Self::Relay => "relay",
            Self::Back => "back",
            Self::BackStreams => "back_streams",
            Self::Nothing => "nothing",
        }
    }
}

impl Step<'_> {
    /// The bytes of a step, if it has any. `id` tells whose call a small number means.
    pub(crate) fn bytes(&self, id: impl Fn(u8) -> u64) -> Vec<u8> {
        match self {
            Self::Call { id: call, method, arguments: (a, b), timeout } => {
                let timeout = timeout.map(|timeout_ms| u64::from(timeout_ms) * 1_000);
                let header = Header::Request { method: *method, timeout, total: None, entries: 0 };
                let body = Body::Arguments(u64::from(*a), u64::from(*b));
                frame(1, 0, id(*call), &header.bytes(), &body.bytes())
            }
            Self::Frame { kind, id: call, header, body, more } => {
                let kind = *kind as u8;
                let id = if kind == Kind::GoAway as u8 { 0 } else { id(*call) };
                frame(kind, u8::from(*more), id, &header.bytes(), &body.bytes())
            }
            Self::Parts { message, id: call, lengths, sent } => {
                parts(*message, id(*call), lengths).into_iter().take(1 + usize::from(*sent)).flatten().collect()
            }
            Self::Prefix { length, kind, flags, header, id } => prefix(*length, *kind, *flags, *header, *id),
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Wait(_) | Self::Read(_) | Self::Split(_) => Vec::new(),
        }
    }
}

impl Header<'_> {
    fn bytes(&self) -> Vec<u8> {
        let number = |tag, value: Option<u64>| value.map_or(Vec::new(), |value| field(tag, &varint(value)));
        let total = |total: &Option<u32>| number(5, total.map(u64::from));
        match self {
            Self::Empty => Vec::new(),
            Self::Request { method, timeout, total: of, entries } => [
                field(1, b"Probe"),
                number(2, *timeout),
                field(3, method.name().as_bytes()),
                metadata(*entries),
                total(of),
            ]
            .concat(),
            Self::Ending { status, code, not_executed, total: of, entries } => {
                let status = u64::from(status % 5);
                let code = if status == 2 { number(3, Some(u64::from(*code))) } else { Vec::new() };
                let not_executed = if *not_executed { field(7, &[]) } else { Vec::new() };
                [number(1, Some(status)), code, metadata(*entries), total(of), not_executed].concat()
            }
            Self::Total(of) => total(&Some(*of)),
            Self::Fields(bytes) => bytes[..bytes.len().min(20_000)].to_vec(),
        }
    }
}

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Arguments(a, b) => encoded(&(a, b)),
            Self::Value(value) => encoded(value),
            Self::Items(values) => values.iter().flat_map(|value| item(&encoded(value))).collect(),
            Self::Increment(increment) => increment.to_le_bytes().to_vec(),
            // Sometimes more than a part may have.
            Self::Zeros(length) => vec![0; *length as usize % 65_600],
            Self::Bytes(bytes) => bytes[..bytes.len().min(60_000)].to_vec(),
        }
    }
}

/// The frames of a message, all right if `message` is one that may come now.
fn parts(message: Large, id: u64, lengths: &[u16]) -> Vec<Vec<u8>> {
    let lengths = || lengths.iter().take(LONGEST).map(|length| usize::from(*length));
    let bytes = vec![7_u8; lengths().sum::<usize>()];
    let (kind, header, mut body) = match message {
        Large::Request(method) => {
            let header = Header::Request { method, timeout: None, total: None, entries: 0 };
            (Kind::Request, header, encoded(&(bytes, 3_u64)))
        }
        Large::Response => (Kind::Response, Header::Empty, encoded(&bytes)),
        Large::Item => (Kind::Message, Header::Empty, item(&bytes)),
    };
    let mut header = [header.bytes(), field(5, &varint(body.len() as u64))].concat();
    let mut parts = Vec::new();
    for length in lengths() {
        let rest = body.split_off(length.min(body.len()));
        parts.push(frame(kind as u8, 1, id, &std::mem::take(&mut header), &body));
        body = rest;
    }
    parts.push(frame(kind as u8, 0, id, &header, &body));
    parts
}

fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(CodecKind::Bincode, value, &mut bytes).expect("numbers can be encoded");
    bytes
}

fn metadata(entries: u8) -> Vec<u8> {
    // About as often above the limit of 64 as not.
    (0..entries / 2).flat_map(|_| field(4, b"\x03keyvalue")).collect()
}

fn item(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn field(tag: u64, value: &[u8]) -> Vec<u8> {
    [varint(tag), item(value)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn frame(kind: u8, flags: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = 12 + header.len() + body.len();
    let header_length = u16::try_from(header.len()).expect("no header here is so long");
    [&prefix(length as u32, kind, flags, header_length, id), header, body].concat()
}

fn prefix(length: u32, kind: u8, flags: u8, header: u16, id: u64) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind, flags], &header.to_le_bytes(), &id.to_le_bytes()].concat()
}

/// A frame that was sent or read, as far as its order and place tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u64,
    pub(crate) header: &'a [u8],
}

impl Whole<'_> {
    /// Whether it is the last that its sender has to say of a call of the reader.
    pub(crate) fn is_terminal(&self) -> bool {
        let opened = [1, 1, 3];
        match self.kind {
            2 => self.flags == 0 && !self.header.starts_with(&opened),
            4 => true,
            _ => false,
        }
    }
}

/// All whole frames of a direction, up to the first that is none.
pub(crate) fn whole(bytes: &[u8]) -> Vec<Whole<'_>> {
    split(bytes).0
}

/// The kinds and ids of all frames of a direction, also of one at its end of which there is only the prefix.
pub(crate) fn begun(bytes: &[u8]) -> Vec<(u8, u64)> {
    let (frames, rest) = split(bytes);
    let last =
        rest.first_chunk().map(|[_, _, _, _, kind, _, _, _, id @ ..]: &[u8; 16]| (*kind, u64::from_le_bytes(*id)));
    frames.iter().map(|frame| (frame.kind, frame.id)).chain(last).collect()
}

/// All whole frames, and what is behind them.
fn split(mut bytes: &[u8]) -> (Vec<Whole<'_>>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((&[l0, l1, l2, l3, kind, flags, h0, h1, ref id @ ..], _)) = bytes.split_first_chunk::<16>() {
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize + 4;
        let header = 16..16 + usize::from(u16::from_le_bytes([h0, h1]));
        let Some(frame) = bytes.get(..length).filter(|frame| frame.len() >= header.end) else { break };
        frames.push(Whole { kind, flags, id: u64::from_le_bytes(*id), header: &frame[header] });
        bytes = &bytes[length..];
    }
    (frames, bytes)
}

//! What hostile peers do: the cases, by name, and the plans that say it in steps, which each protocol has its own of.

use std::{sync::Arc, time::Duration};

/// How a server may be attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Silent,
    Slow,
    HalfHandshake,
    EndlessHandshake,
    OtherProtocols,
    Garbage,
    GarbageBehindHandshake,
    Lengths,
    TinyFrames,
    LyingHeaders,
    Bombs,
    ManyKeys,
    RapidReset,
    CancelsAndPings,
    InFlight,
    Streams,
    Credit,
    NeverReading,
    Idle,
    HalfFrame,
    UnfinishedMessages,
    ComeAndGo,
    TooMany,
}

impl Case {
    /// All of them, from the handshake on.
    pub const ALL: [Self; 23] = [
        Self::Silent,
        Self::Slow,
        Self::HalfHandshake,
        Self::EndlessHandshake,
        Self::OtherProtocols,
        Self::Garbage,
        Self::GarbageBehindHandshake,
        Self::Lengths,
        Self::TinyFrames,
        Self::LyingHeaders,
        Self::Bombs,
        Self::ManyKeys,
        Self::RapidReset,
        Self::CancelsAndPings,
        Self::InFlight,
        Self::Streams,
        Self::Credit,
        Self::NeverReading,
        Self::Idle,
        Self::HalfFrame,
        Self::UnfinishedMessages,
        Self::ComeAndGo,
        Self::TooMany,
    ];

    /// What it is called in the table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Slow => "a byte a second",
            Self::HalfHandshake => "half a handshake",
            Self::EndlessHandshake => "endless handshake",
            Self::OtherProtocols => "other protocols",
            Self::Garbage => "garbage",
            Self::GarbageBehindHandshake => "garbage behind a handshake",
            Self::Lengths => "lengths 0, limit + 1, most",
            Self::TinyFrames => "tiny frames",
            Self::LyingHeaders => "lying headers",
            Self::Bombs => "bombs",
            Self::ManyKeys => "a million keys",
            Self::RapidReset => "rapid reset",
            Self::CancelsAndPings => "cancels and pings",
            Self::InFlight => "in flight + 10,000",
            Self::Streams => "streams above the limit",
            Self::Credit => "items without credit",
            Self::NeverReading => "never reading",
            Self::Idle => "idle behind a handshake",
            Self::HalfFrame => "half a frame",
            Self::UnfinishedMessages => "unfinished messages",
            Self::ComeAndGo => "come and go",
            Self::TooMany => "too many connections",
        }
    }
}

/// Peers and what each of them does, over and over.
pub struct Plan {
    /// How many there are at a time.
    pub peers: usize,
    /// The n-th peer plays the n-th of these, or begins again with the first.
    pub scripts: Vec<Script>,
    /// How large the buffer is that a peer's system receives into, where it matters.
    pub receive_buffer: Option<u32>,
    /// The honest are refused, too, and told so: there is no room.
    pub leaves_no_room: bool,
}

/// The life of one hostile connection.
pub type Script = Arc<[Step]>;

/// Bytes of a flood, by the number of the block.
pub type Blocks = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// What a hostile peer does next. A connection that the server closes ends the script.
#[derive(Clone)]
pub enum Step {
    /// Sends, and does not read meanwhile.
    Send(Arc<[u8]>),
    /// Sends one byte a second.
    Drip(Arc<[u8]>),
    /// Waits until so many bytes have come.
    Await(usize),
    /// Sends so many blocks, and throws away what comes.
    Flood(u64, Blocks),
    /// Throws away what comes for so long.
    Linger(Duration),
    /// Throws away what comes until the server closes.
    Read,
    /// Neither reads nor writes until the server closes.
    Hold,
}

impl Plan {
    /// As many peers as there may be beside a few honest ones, where 10,000 connections are the limit.
    pub const MOST: usize = 9_900;

    /// So many peers that play these scripts by turns.
    pub fn new(peers: usize, scripts: Vec<Vec<Step>>) -> Self {
        let scripts = scripts.into_iter().map(Script::from).collect();
        Self { peers, scripts, receive_buffer: None, leaves_no_room: false }
    }

    /// So many peers that all play this script.
    pub fn all(peers: usize, script: Vec<Step>) -> Self {
        Self::new(peers, vec![script])
    }
}

/// A step that sends.
pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into().into())
}

/// A step that sends the same block so many times.
pub fn flood(times: u64, block: Vec<u8>) -> Step {
    Step::Flood(times, Arc::new(move |_| block.clone()))
}

/// What programs of other protocols say first.
pub fn other_protocols() -> Vec<Vec<u8>> {
    let hello = [&[0x16, 3, 1, 0, 0x80, 1, 0, 0, 0x7c, 3, 3][..], &[7; 122]].concat();
    vec![
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
        hello,
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"method\":\"sum\",\"id\":1}\n".to_vec(),
    ]
}

/// Bytes that mean nothing, the same each time.
pub fn garbage(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| next()).collect()
}

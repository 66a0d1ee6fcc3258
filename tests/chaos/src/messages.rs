//! What the conductor and its processes say to each other: settings as an argument, orders on a process's standard
//! input, and reports on its standard output, each a line of JSON.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
    path::PathBuf,
    process, thread,
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{ledger::Mark, sample::Sample};

/// What a server is made with; what is `None` is the product's default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Serve {
    pub(crate) ledger: Option<PathBuf>,
    /// An address of the system's choice unless it is given.
    pub(crate) address: Option<String>,
    pub(crate) running: Option<usize>,
    pub(crate) in_flight: Option<u32>,
    pub(crate) memory: Option<usize>,
    pub(crate) stall_ms: Option<u64>,
    /// Silence until the peer is asked, and time for the answer.
    pub(crate) keepalive_ms: Option<(u64, u64)>,
    /// The process's own limits, in descriptors and in bytes.
    pub(crate) descriptors: Option<u64>,
    pub(crate) address_space: Option<u64>,
}

/// Each piece of work may be tried so often; the calls of one have numbers that follow each other.
pub(crate) const ATTEMPTS: u64 = 256;

/// What a client does until it is told to stop, or has done it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Load {
    pub(crate) ledger: Option<PathBuf>,
    /// Each connection goes to one of these, and to the next when it is lost.
    pub(crate) servers: Vec<String>,
    pub(crate) links: usize,
    pub(crate) pace: Pace,
    pub(crate) kind: Kind,
    pub(crate) deadline_ms: u64,
    /// The number of the first piece of work, so that clients which share a ledger do not share numbers.
    pub(crate) first: u64,
    /// Whether what was certainly not executed is tried again, elsewhere.
    pub(crate) again: bool,
    /// So often one of the connections is closed, or just dropped.
    pub(crate) reconnect_ms: Option<u64>,
    pub(crate) stall_ms: Option<u64>,
    pub(crate) keepalive_ms: Option<(u64, u64)>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            ledger: None,
            servers: Vec::new(),
            links: 1,
            pace: Pace::Workers(1),
            kind: Kind::Run(0),
            deadline_ms: 30_000,
            first: 0,
            again: false,
            reconnect_ms: None,
            stall_ms: None,
            keepalive_ms: None,
        }
    }
}

/// When calls are begun.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Pace {
    /// So many, all at once.
    Burst(u64),
    /// So many in a second, whatever becomes of them.
    Rate(u64),
    /// One after the other, in so many rows.
    Workers(u64),
}

/// Which calls are made.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Unary, and so many milliseconds long.
    Run(u64),
    /// So many milliseconds long, with so many bytes both ways.
    Large(u64, usize),
    /// Dropped by their caller while they run.
    Cancelled,
    /// Everything that there is, also what is too late.
    Mixed,
}

/// What a proxy is made with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Relay {
    /// Where what it passes on goes.
    pub(crate) server: String,
    /// Settles what it does to its connections; without it they are left alone.
    pub(crate) seed: Option<u64>,
}

/// What the conductor asks of a running process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// To say how it is.
    Sample,
    /// To a proxy: to let nothing more pass that way on the connections that there are.
    Swallow { to_server: bool, to_client: bool },
    /// To begin no more, and to end.
    Stop,
}

/// What a process tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Report {
    /// A server or a proxy is there, at this address.
    Listening(String),
    /// A client has its connections.
    Connected,
    Sample(Sample),
    /// An order that has no other answer was carried out.
    Obeyed,
    /// A client has an outcome for every call, so many of each kind; or a proxy has done so much of everything.
    Done(BTreeMap<String, u64>),
}

impl Report {
    /// Says it to the conductor.
    pub(crate) fn say(&self) -> io::Result<()> {
        let line = serde_json::to_string(self)?;
        writeln!(io::stdout().lock(), "{line}")
    }

    pub(crate) fn done(outcomes: &BTreeMap<Mark, u64>) -> Self {
        Self::Done(outcomes.iter().map(|(mark, count)| (format!("{mark:?}"), *count)).collect())
    }
}

/// The orders of the conductor. A process whose conductor has gone ends at once.
pub(crate) fn orders() -> mpsc::Receiver<Order> {
    let (sender, receiver) = mpsc::channel(16);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            // Whoever does not listen any more is about to end.
            let heard = order.map(|order| sender.blocking_send(order));
            if heard.is_none() {
                break;
            }
        }
        process::exit(4);
    });
    receiver
}

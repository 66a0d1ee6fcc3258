//! What is measured: a subject is one way to do the work, a row is how much of which work it is given.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;

use crate::window::{Tally, Window};

/// Why a measurement could not be made.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What both halves of a subject return.
pub type Job<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// One way to do the work over one connection.
pub struct Subject {
    /// The name it goes by in arguments and reports.
    pub name: &'static str,
    /// Listens on a loopback port, passes its address to the function given, and serves until the process ends.
    pub serve: fn(fn(&str)) -> Job<()>,
    /// Connects to the address, and keeps as much of the window's work under way as it says until the window is over.
    pub drive: fn(String, Arc<Window>) -> Job<Vec<Tally>>,
}

/// One load.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is to be done.
    pub work: Work,
    /// Calls or streams that are under way at any time, all on one connection.
    pub outstanding: usize,
    /// Whether both processes share the first core, so that no other one has to be woken.
    pub one_core: bool,
    /// Tasks on the server's runtime that each burn 100 µs of CPU between two yields.
    pub burners: usize,
}

/// What is done over the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The server adds two numbers.
    Sum,
    /// The server sends 0, 1, 2 and so on.
    Numbers,
    /// The server sends items of [`BLOCK`] bytes.
    Blocks,
    /// The client sends 0, 1, 2 and so on, and the server answers with their sum at the end.
    Total,
    /// The server sends back each number that the client sends, which waits for it before it sends the next.
    Echo,
}

/// Bytes of an item of [`Work::Blocks`].
pub const BLOCK: u32 = 1024;

impl Row {
    /// Whether there is one thing at a time, so that the time which each takes means something.
    pub fn has_latency(&self) -> bool {
        self.outstanding == 1 && matches!(self.work, Work::Sum | Work::Echo)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.outstanding == 1 { "" } else { "s" };
        match (self.work, self.outstanding) {
            (Work::Sum, calls) => write!(f, "{calls} outstanding")?,
            (Work::Numbers, streams) => write!(f, "{streams} server stream{plural} of u64")?,
            (Work::Blocks, streams) => write!(f, "{streams} server stream{plural} of {BLOCK} bytes an item")?,
            (Work::Total, streams) => write!(f, "{streams} client stream{plural} of u64")?,
            (Work::Echo, streams) => write!(f, "{streams} echo stream{plural} with one item in flight")?,
        }
        if self.one_core {
            f.write_str(", both sides on one core")?;
        }
        match self.burners {
            0 => Ok(()),
            burners => write!(f, " beside {burners} tasks that burn CPU on the server"),
        }
    }
}

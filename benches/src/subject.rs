//! What is measured: the subjects that were compiled in, and the rows that each of them runs through.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;

use crate::window::{Tally, Window};

/// The subjects in the order in which they take turns; ratios are against the first.
pub static SUBJECTS: &[Subject] = &[
    crate::floor::SUBJECT,
    #[cfg(feature = "ours")]
    crate::ours::SUBJECT,
    #[cfg(feature = "variants")]
    crate::variants::LAYER,
    #[cfg(feature = "variants")]
    crate::variants::TRACING,
    #[cfg(feature = "variants")]
    crate::variants::TRACING_KEPT,
    #[cfg(feature = "variants")]
    crate::variants::JSON,
    #[cfg(feature = "variants")]
    crate::variants::MESSAGE_PACK,
    #[cfg(feature = "variants")]
    crate::variants::POSTCARD,
    #[cfg(feature = "tarpc")]
    crate::tarpc::SUBJECT,
];

/// The rows in the order in which they are measured.
pub static ROWS: &[Row] = &[
    Row { outstanding: 1, one_core: false, burners: 0 },
    Row { outstanding: 1, one_core: true, burners: 0 },
    Row { outstanding: 64, one_core: false, burners: 0 },
    Row { outstanding: 512, one_core: false, burners: 0 },
    Row { outstanding: 4096, one_core: false, burners: 0 },
    Row { outstanding: 64, one_core: false, burners: 4 },
];

/// Why a measurement could not be made.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What both halves of a subject return.
pub type Job<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// One way to add two numbers on the other side of a connection.
pub struct Subject {
    /// The name it goes by in arguments and reports.
    pub name: &'static str,
    /// Listens on a loopback port, passes its address to the function given, and serves until the process ends.
    pub serve: fn(fn(&str)) -> Job<()>,
    /// Connects to the address, and keeps calls outstanding until the window is over.
    pub drive: fn(String, Arc<Window>) -> Job<Vec<Tally>>,
}

/// One load.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Calls that are under way at any time, all on one connection.
    pub outstanding: usize,
    /// Whether both processes share the first core, so that no other one has to be woken.
    pub one_core: bool,
    /// Tasks on the server's runtime that each burn 100 µs of CPU between two yields.
    pub burners: usize,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} outstanding", self.outstanding)?;
        if self.one_core {
            f.write_str(", both sides on one core")?;
        }
        match self.burners {
            0 => Ok(()),
            burners => write!(f, " beside {burners} tasks that burn CPU on the server"),
        }
    }
}

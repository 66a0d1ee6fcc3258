//! The ledgers of a scenario: one for all of its servers, one for all of its clients, gone when it is over.

use std::{collections::HashMap, io, path::PathBuf};

use tempfile::TempDir;

use super::{audit::Audit, statistics::percentile, table::Row};
use crate::{
    Result,
    ledger::{self, Entry, Mark},
};

pub(crate) struct Ledgers(TempDir);

impl Ledgers {
    pub(crate) fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    /// Where servers write.
    pub(crate) fn servers(&self) -> Option<PathBuf> {
        Some(self.0.path().join("servers"))
    }

    /// Where clients write.
    pub(crate) fn clients(&self) -> Option<PathBuf> {
        Some(self.0.path().join("clients"))
    }

    pub(crate) fn executions(&self) -> io::Result<Vec<Entry>> {
        ledger::read(&self.0.path().join("servers"))
    }

    pub(crate) fn calls(&self) -> io::Result<Vec<Entry>> {
        ledger::read(&self.0.path().join("clients"))
    }

    /// Compares both, and puts what is wrong into the row.
    pub(crate) fn audit(&self, row: &mut Row) -> Result<Audit> {
        let audit = Audit::of(&self.executions()?, &self.calls()?);
        row.saw(format!("{} calls, {} executed: {:?}", audit.calls, audit.executed, audit.outcomes));
        row.must(audit.calls > 0 && audit.executed > 0, "nothing was called, or nothing was executed");
        for complaint in audit.complaints() {
            row.must(false, complaint);
        }
        Ok(audit)
    }
}

/// When each call was marked like this.
pub(crate) fn times(entries: &[Entry], is: impl Fn(Mark) -> bool) -> HashMap<u64, u64> {
    entries.iter().filter(|entry| is(entry.mark)).map(|entry| (entry.call, entry.at)).collect()
}

/// Times in nanoseconds, in order and summed up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// In milliseconds.
    pub(crate) fn of(nanoseconds: impl IntoIterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = nanoseconds.into_iter().collect();
        sorted.sort_unstable();
        let [p50, p99, max] = [50.0, 99.0, 100.0].map(|percent| percentile(&sorted, percent) as f64 / 1e6);
        Self { count: sorted.len(), p50, p99, max }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms of {}", self.p50, self.p99, self.max, self.count)
    }
}

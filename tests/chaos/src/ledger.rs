//! What happened to which call and when, as lines in a file that only grows. Each line is one write of the operating
//! system, so that what a process wrote is there also when it is killed the moment after.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
    process,
};

use crate::clock;

/// One thing that happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mark {
    /// Server: its handler began.
    Began,
    /// Server: its handler came to its end.
    Returned,
    /// Server: its handler was dropped before that.
    Dropped,
    /// Client: it was started.
    Started,
    /// Client: it succeeded with the reply that belongs to it.
    Ok,
    /// Client: it ended with the service's own error.
    Refused,
    /// Client: it certainly did not run.
    NotExecuted,
    /// Client: it may have run.
    Unknown,
    /// Client: its caller dropped it.
    GivenUp,
    /// Client: it succeeded with what does not belong to it.
    Wrong,
    /// Client: it had no outcome long after its time was over.
    Hung,
}

/// Every mark with its letter.
const LETTERS: [(Mark, char); 11] = [
    (Mark::Began, 'b'),
    (Mark::Returned, 'r'),
    (Mark::Dropped, 'd'),
    (Mark::Started, 's'),
    (Mark::Ok, 'o'),
    (Mark::Refused, 'e'),
    (Mark::NotExecuted, 'n'),
    (Mark::Unknown, 'u'),
    (Mark::GivenUp, 'g'),
    (Mark::Wrong, 'w'),
    (Mark::Hung, 'h'),
];

impl Mark {
    /// Whether it is how a call ended for its caller.
    pub(crate) fn is_outcome(self) -> bool {
        !matches!(self, Self::Began | Self::Returned | Self::Dropped | Self::Started)
    }

    fn letter(self) -> char {
        LETTERS.iter().find(|(mark, _)| *mark == self).map_or('?', |(_, letter)| *letter)
    }

    fn of(letter: &str) -> Option<Self> {
        let letter = letter.parse::<char>().ok()?;
        LETTERS.iter().find(|(_, known)| *known == letter).map(|(mark, _)| *mark)
    }
}

/// A line of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mark: Mark,
    pub(crate) call: u64,
    /// Nanoseconds of the shared clock.
    pub(crate) at: u64,
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (mark, call, at) = (Mark::of(words.next()?)?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { mark, call, at })
    }
}

/// Where a process writes what happens, or nowhere.
#[derive(Debug)]
pub(crate) struct Ledger(Option<File>);

impl Ledger {
    /// Appends to what is there: a process that is restarted goes on with the ledger of the one before.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().append(true).create(true).open(path);
        path.map(open).transpose().map(Self)
    }

    pub(crate) fn write(&self, mark: Mark, call: u64) {
        let Some(mut file) = self.0.as_ref() else { return };
        let line = format!("{} {call} {}\n", mark.letter(), clock::now());
        if let Err(error) = file.write_all(line.as_bytes()) {
            // Without its ledger a run proves nothing.
            eprintln!("the ledger can not be written: {error}");
            process::exit(3);
        }
    }
}

/// All that was written, in its order.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let malformed = |line: &str| io::Error::other(format!("{}: not a line of a ledger: {line:?}", path.display()));
    let text = fs::read_to_string(path)?;
    text.lines().map(|line| Entry::parse(line).ok_or_else(|| malformed(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let marks = LETTERS.map(|(mark, _)| mark);
        for mark in marks {
            Ledger::open(Some(&path)).unwrap().write(mark, u64::MAX);
        }
        let entries = read(&path).unwrap();
        assert_eq!(
            entries.iter().map(|entry| (entry.mark, entry.call)).collect::<Vec<_>>(),
            marks.map(|m| (m, u64::MAX))
        );
        assert!(entries.is_sorted_by_key(|entry| entry.at));
    }

    #[test]
    fn a_line_that_is_none_is_an_error_and_not_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        for line in ["x 1 1", "b 1", "b one 1", ""] {
            fs::write(&path, format!("b 1 1\n{line}\n")).unwrap();
            assert!(read(&path).is_err(), "{line:?}");
        }
    }
}

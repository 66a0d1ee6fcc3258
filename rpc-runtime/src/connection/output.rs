//! The hand-over of output: who may write, what was written, whom to wake. Callers, the driver, runners and handler
//! tasks append; one of them, or the flusher, writes at a time. A plain structure: it is locked by its owner.

use std::{collections::VecDeque, io, sync::Arc, task::Waker};

use super::{
    calls::Calls,
    frames::{Batch, Frames},
};
use crate::transport::SharedWrite;

/// The spare buffer of small frames is kept up to this size while the connection is at work.
const LARGEST_SPARE: usize = 256 * 1_024;

/// What is to be written, and how far that has come.
pub(super) struct Output {
    pub(super) frames: Frames,
    /// An unfinished batch that its writer gave back.
    rest: Option<Batch>,
    spare: Vec<u8>,
    /// Bytes handed to batches, and bytes that the transport took, in all.
    taken: u64,
    accepted: u64,
    /// Somebody is in the middle of a write: nobody else may write, and all in the batch may have left.
    writing: bool,
    /// The transport would not take more: only the flusher waits for it.
    blocked: bool,
    /// For writes outside the flusher.
    inline: Option<Arc<dyn SharedWrite>>,
    flusher: Option<Waker>,
    flusher_woken: bool,
    /// How many terminal frames end before which position in the output; one entry for each batch.
    terminals: VecDeque<(u64, u32)>,
    /// How many there ever were.
    answered: u64,
    pub(super) write_error: Option<io::Error>,
    /// The flusher is to end the stream once everything is written.
    pub(super) end_of_stream: bool,
    pub(super) end_written: bool,
    closed: bool,
}

/// What to do after something was appended, without the lock.
#[must_use]
pub(super) enum Push {
    Nothing,
    Wake(Waker),
    Write(Batch, Arc<dyn SharedWrite>),
}

/// What the flusher is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Nothing,
    Write,
    EndOfStream,
    Closed,
}

impl Output {
    pub(super) fn new(inline: Option<Arc<dyn SharedWrite>>) -> Self {
        Self {
            frames: Frames::default(),
            rest: None,
            spare: Vec::new(),
            taken: 0,
            accepted: 0,
            writing: false,
            blocked: false,
            inline,
            flusher: None,
            flusher_woken: false,
            terminals: VecDeque::new(),
            answered: 0,
            write_error: None,
            end_of_stream: false,
            end_written: false,
            closed: false,
        }
    }

    /// Whether nothing waits and nobody was woken for it.
    pub(super) fn is_quiet(&self) -> bool {
        self.frames.is_empty() && !self.flusher_woken
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Nothing stands behind the last good-bye.
    pub(super) fn takes_no_replies(&self) -> bool {
        self.closed || self.end_of_stream
    }

    /// Bytes handed to batches: where the small frames begin in all that is ever written.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Where the next byte of the small frames will stand in all that is ever written.
    pub(super) fn position(&self) -> u64 {
        self.taken + self.frames.small.len() as u64
    }

    /// Where the bytes begin of which none can have left.
    pub(super) fn written(&self) -> u64 {
        if self.writing { self.taken } else { self.accepted }
    }

    /// Bytes that the transport has not taken.
    pub(super) fn unsent(&self) -> usize {
        (self.taken - self.accepted) as usize + self.frames.len()
    }

    /// The memory of what waits to be written, and of the buffers for it; a batch counts by what is left of it.
    pub(super) fn held(&self) -> usize {
        if self.closed {
            return 0;
        }
        (self.taken - self.accepted) as usize + self.frames.held() + self.spare.capacity()
    }

    /// Terminal frames that the transport has not taken whole, so that the peer still counts their calls.
    pub(super) fn unsent_terminals(&mut self) -> u32 {
        // What is being written may have been read by the peer already.
        let written = self.written();
        while self.terminals.front().is_some_and(|(position, _)| *position <= written) {
            self.terminals.pop_front();
        }
        self.terminals.iter().map(|(_, count)| count).sum()
    }

    /// How many terminal frames were ever appended.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// So many terminal frames were appended.
    pub(super) fn count_terminals(&mut self, count: u32) {
        self.answered += u64::from(count);
        let position = self.position();
        match self.terminals.back_mut() {
            // Still in the buffer that is being filled: it leaves as one.
            Some((last, sum)) if *last > self.taken => (*last, *sum) = (position, *sum + count),
            _ if count > 0 => self.terminals.push_back((position, count)),
            _ => {}
        }
    }

    /// Decides who writes what was just appended: this caller, if it may, or the flusher.
    pub(super) fn push(&mut self, inline: bool, calls: &mut Calls) -> Push {
        // Who writes now looks again when it is done.
        if self.writing || self.closed || self.write_error.is_some() {
            return Push::Nothing;
        }
        if inline && !self.blocked && self.rest.is_none() {
            if let Some(writer) = self.inline.clone() {
                if let Some(batch) = self.take_batch(calls) {
                    return Push::Write(batch, writer);
                }
            }
        }
        self.wake_flusher().map_or(Push::Nothing, Push::Wake)
    }

    /// The next batch for the flusher, which then holds the right to write; nothing when there is none, or when
    /// somebody else writes, who will wake the flusher if that leaves something.
    pub(super) fn claim(&mut self, calls: &mut Calls) -> Option<Batch> {
        if self.writing || self.closed || self.write_error.is_some() {
            return None;
        }
        self.take_batch(calls)
    }

    /// Ends a write: `written` bytes were taken, and `result` is `WouldBlock` when the transport takes no more now.
    /// Gives the flusher's waker if there is something left to do.
    pub(super) fn give_back(&mut self, batch: Batch, written: usize, result: io::Result<()>) -> Option<Waker> {
        self.writing = false;
        self.accepted += written as u64;
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
            Err(error) => {
                self.write_error.get_or_insert(error);
            }
        }
        if batch.left() > 0 {
            self.rest = Some(batch);
        } else {
            let spare = batch.into_spare();
            if spare.capacity() <= LARGEST_SPARE && spare.capacity() > self.spare.capacity() {
                self.spare = spare;
            }
        }
        let more = self.rest.is_some() || !self.frames.is_empty() || self.end_of_stream;
        if more { self.wake_flusher() } else { None }
    }

    /// Whether there is work for the flusher, which will be woken when there is. Gives the waker that it replaces.
    pub(super) fn poll_work(&mut self, waker: &Waker) -> (Work, Option<Waker>) {
        self.flusher_woken = false;
        let work = if self.closed {
            Work::Closed
        } else if self.write_error.is_none() && !self.writing && (self.rest.is_some() || !self.frames.is_empty()) {
            self.flusher_woken = true;
            Work::Write
        } else if self.end_of_stream && !self.end_written && !self.writing {
            Work::EndOfStream
        } else {
            Work::Nothing
        };
        let old = match (&work, &self.flusher) {
            (Work::Nothing, Some(old)) if old.will_wake(waker) => None,
            (Work::Nothing, _) => self.flusher.replace(waker.clone()),
            _ => None,
        };
        (work, old)
    }

    pub(super) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    pub(super) fn wake_flusher(&mut self) -> Option<Waker> {
        if self.flusher_woken {
            return None;
        }
        self.flusher_woken = true;
        self.flusher.take()
    }

    /// Frees what an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.spare = Vec::new();
        if self.frames.is_empty() {
            self.frames.small = Vec::new();
        }
    }

    /// Forgets everything. What is given back is to be dropped, and the flusher woken, without the lock.
    pub(super) fn close(&mut self) -> (Option<Waker>, impl Sized + use<>) {
        self.closed = true;
        let left =
            (std::mem::take(&mut self.frames), self.rest.take(), self.inline.take(), std::mem::take(&mut self.spare));
        (self.flusher.take(), left)
    }

    fn take_batch(&mut self, calls: &mut Calls) -> Option<Batch> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None if self.frames.is_empty() => return None,
            None => {
                let start = self.taken;
                let spare = std::mem::take(&mut self.spare);
                let batch = self.frames.next_batch(spare, |id, offset| calls.begins(id, start + offset as u64));
                self.taken += batch.left() as u64;
                batch
            }
        };
        self.writing = true;
        Some(batch)
    }
}

//! One direction of a connection, as TCP behaves: bytes fly for a while, wait until they are read, and hold up their
//! writer when there are too many of them. It may end, be reset, stall, deliver in crumbs, or change what it carries.

use std::{collections::VecDeque, io, mem, task::Waker};

use fastrand::Rng;

/// Virtual time, in microseconds.
pub(crate) type Micros = u64;

/// What is on its way to the reader.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// What the reader sees once it has read all that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Reset,
}

/// What a read gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(Vec<u8>),
    /// The reader is woken when there is more.
    Nothing,
    End,
    Reset,
}

/// What a direction holds at least once nothing is wrong any more.
const HEALED: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Pipe {
    capacity: usize,
    flying: VecDeque<(Micros, Piece)>,
    ready: VecDeque<u8>,
    /// Bytes that are flying or ready.
    held: usize,
    state: State,
    /// The writer has ended it, or can no longer.
    closed: bool,
    /// A write fails.
    broken: bool,
    /// Nobody reads any more: whatever arrives is answered by a reset.
    deaf: bool,
    /// The longest piece that a read or write takes.
    pub(super) crumb: usize,
    pub(super) latency: Micros,
    /// Nothing arrives before.
    pub(super) stalled_until: Micros,
    /// How many of the next pieces arrive changed.
    pub(super) to_corrupt: u32,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(capacity: usize, latency: Micros) -> Self {
        Self {
            capacity,
            flying: VecDeque::new(),
            ready: VecDeque::new(),
            held: 0,
            state: State::Open,
            closed: false,
            broken: false,
            deaf: false,
            crumb: usize::MAX,
            latency,
            stalled_until: 0,
            to_corrupt: 0,
            reader: None,
            writer: None,
        }
    }

    /// How many bytes were taken; `WouldBlock` when there is no room.
    pub(super) fn write(&mut self, bytes: &[u8], now: Micros) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.wants());
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.held += count;
        self.push(Piece::Bytes(bytes[..count].to_vec()), now);
        Ok(count)
    }

    /// How many bytes a write takes.
    pub(super) fn wants(&self) -> usize {
        self.room().min(self.crumb)
    }

    /// Whether a write would not block: it may fail.
    pub(super) fn is_writable(&self) -> bool {
        self.room() > 0 || self.broken || self.closed
    }

    pub(super) fn read(&mut self, room: usize) -> Read {
        match self.state {
            State::Reset => Read::Reset,
            State::Ended if self.ready.is_empty() => Read::End,
            State::Open if self.ready.is_empty() => Read::Nothing,
            State::Open | State::Ended => {
                let count = room.min(self.crumb).min(self.ready.len());
                self.held -= count;
                Read::Bytes(self.ready.drain(..count).collect())
            }
        }
    }

    /// The writer sends its end behind all that it has written.
    pub(super) fn close(&mut self, now: Micros) {
        if !mem::replace(&mut self.closed, true) && !self.broken {
            self.push(Piece::End, now);
        }
    }

    /// Nobody reads any more. Whether the writer must be told by a reset, because something was left unread.
    pub(super) fn deafen(&mut self) -> bool {
        self.deaf = true;
        self.held -= self.ready.len();
        !mem::take(&mut self.ready).is_empty()
    }

    /// The reader is reset when all that was written before has arrived.
    pub(super) fn reset_reader(&mut self, now: Micros) {
        self.closed = true;
        self.push(Piece::Reset, now);
    }

    /// What was written and not read is lost; both ends see a reset from now on.
    pub(super) fn reset(&mut self) {
        (self.state, self.broken) = (State::Reset, true);
        self.forget();
    }

    /// The reader sees the end now, and what is still written fails.
    pub(super) fn cut(&mut self) {
        (self.state, self.broken) = (State::Ended, true);
        self.flying.clear();
        self.held = self.ready.len();
    }

    /// The writer is told that its peer has gone.
    pub(super) fn break_writer(&mut self) {
        self.broken = true;
    }

    /// What was written is gone, without a word to anybody.
    pub(super) fn forget(&mut self) {
        self.flying.clear();
        self.ready.clear();
        self.held = 0;
    }

    /// Moves what is due to the reader. What arrived: whether anything did, whether some of it was changed, and whether
    /// it found nobody.
    pub(super) fn deliver(&mut self, now: Micros, rng: &mut Rng) -> Delivered {
        let mut delivered = Delivered::default();
        while self.stalled_until <= now && self.flying.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, piece)) = self.flying.pop_front() else { break };
            delivered.any = true;
            match piece {
                Piece::Bytes(bytes) if self.deaf => {
                    self.held -= bytes.len();
                    delivered.unheard = true;
                }
                Piece::Bytes(mut bytes) => {
                    if self.to_corrupt > 0 {
                        self.to_corrupt -= 1;
                        delivered.corrupted = true;
                        self.held -= bytes.len();
                        corrupt(&mut bytes, rng);
                        self.held += bytes.len();
                    }
                    self.ready.extend(bytes);
                }
                Piece::End if self.state == State::Open => self.state = State::Ended,
                Piece::End => {}
                Piece::Reset => self.reset(),
            }
        }
        delivered
    }

    /// It carries what it is given, soon.
    pub(super) fn heal(&mut self) {
        (self.stalled_until, self.to_corrupt, self.crumb) = (0, 0, usize::MAX);
        self.capacity = self.capacity.max(HEALED);
    }

    /// Whether there is nothing more to be said in this direction.
    pub(super) fn is_over(&self) -> bool {
        self.deaf && (self.closed || self.broken) && self.flying.is_empty()
    }

    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.held)
    }

    fn push(&mut self, piece: Piece, now: Micros) {
        let due = self.flying.back().map_or(0, |(due, _)| *due).max(now + self.latency);
        self.flying.push_back((due, piece));
    }
}

/// What [`Pipe::deliver`] has done.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) any: bool,
    pub(super) corrupted: bool,
    pub(super) unheard: bool,
}

/// Flips a bit, or loses, repeats or makes up a few bytes.
fn corrupt(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return bytes.push(rng.u8(..));
    }
    let at = rng.usize(..bytes.len());
    let until = bytes.len().min(at + rng.usize(1..=16));
    match rng.u8(..8) {
        0 => drop(bytes.drain(at..until)),
        1 => {
            let again = bytes[at..until].to_vec();
            bytes.splice(at..at, again);
        }
        2 => bytes[at..until].fill_with(|| rng.u8(..)),
        _ => bytes[at] ^= 1 << rng.u8(..8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_after_their_latency_and_the_end_behind_them() {
        let (mut pipe, mut rng) = (Pipe::new(8, 10), Rng::with_seed(1));
        assert_eq!(pipe.write(b"ab", 0).unwrap(), 2);
        pipe.latency = 1;
        assert_eq!(pipe.write(b"cd", 5).unwrap(), 2);
        pipe.close(6);
        pipe.deliver(9, &mut rng);
        assert_eq!(pipe.read(9), Read::Nothing);
        pipe.deliver(10, &mut rng);
        assert_eq!(
            (pipe.read(3), pipe.read(9), pipe.read(9)),
            (Read::Bytes(b"abc".to_vec()), Read::Bytes(b"d".to_vec()), Read::End)
        );
        assert_eq!(pipe.write(b"e", 11).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_writer_waits_while_its_reader_does_not_read() {
        let (mut pipe, mut rng) = (Pipe::new(3, 1), Rng::with_seed(1));
        assert_eq!(pipe.write(b"abcd", 0).unwrap(), 3);
        assert_eq!(pipe.write(b"d", 0).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        pipe.deliver(1, &mut rng);
        assert!(!pipe.is_writable());
        pipe.crumb = 1;
        assert_eq!(pipe.read(2), Read::Bytes(b"a".to_vec()));
        assert_eq!(pipe.write(b"de", 1).unwrap(), 1);
    }

    #[test]
    fn a_reset_loses_what_was_not_read() {
        let (mut pipe, mut rng) = (Pipe::new(8, 1), Rng::with_seed(1));
        pipe.write(b"ab", 0).unwrap();
        pipe.deliver(1, &mut rng);
        pipe.write(b"cd", 1).unwrap();
        pipe.reset();
        assert_eq!(pipe.read(9), Read::Reset);
        assert_eq!(pipe.write(b"e", 2).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

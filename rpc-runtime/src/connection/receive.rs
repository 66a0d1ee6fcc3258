//! What was read and not yet taken apart. A block is borrowed from the thread for the time of a read, an unfinished
//! frame is kept aside with the bytes that came: each byte is copied at most once, and an idle connection holds none.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::wire::{self, Frame, Kind, Parsed, ProtocolError};

/// One read takes so much at most.
const BLOCK: usize = 256 * 1_024;
/// A thread keeps so many blocks.
const KEPT: usize = 4;

thread_local! {
    static BLOCKS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// The bytes between the transport and the frames.
#[derive(Debug, Default)]
pub(super) struct Receive {
    /// Present while it has bytes that were not looked at.
    block: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    /// The beginning of a frame.
    partial: Vec<u8>,
    /// The frame in `partial` is whole and was taken.
    partial_taken: bool,
    /// How many bytes of an unwanted frame are still to come.
    skip: usize,
    /// All that was ever read.
    received: u64,
    /// Frames of unknown kinds since this was last asked for.
    ignored: u64,
}

/// What the front of the input is.
#[derive(Debug)]
pub(super) enum Input {
    /// Nothing whole.
    Empty,
    /// A frame, to be seen with [`Receive::frame`].
    Frame(Located),
    /// A frame of which the header is over the limit; its bytes are skipped.
    HeaderTooLong { kind: Kind, id: u64, more: bool, header: usize, body: usize },
}

/// Where a frame stands, until the next one is taken.
#[derive(Debug)]
pub(super) struct Located {
    kind: Kind,
    more: bool,
    id: u64,
    header: usize,
    start: usize,
    end: usize,
    in_partial: bool,
}

impl Located {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

impl Receive {
    /// All that was ever read, in bytes.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether a frame has begun that is not whole.
    pub(super) fn is_partial(&self) -> bool {
        self.skip > 0 || !(self.partial.is_empty() || self.partial_taken)
    }

    /// Whether something was read that was not looked at.
    pub(super) fn has_input(&self) -> bool {
        self.block.is_some()
    }

    /// The memory of a frame that is not whole.
    pub(super) fn held(&self) -> usize {
        self.partial.capacity()
    }

    /// How many frames of unknown kinds were passed over since this was last asked.
    pub(super) fn take_ignored(&mut self) -> u64 {
        std::mem::take(&mut self.ignored)
    }

    /// Throws all input away.
    pub(super) fn discard(&mut self) {
        self.partial = Vec::new();
        self.release_block();
    }

    /// Reads once. Only when all input was taken. 0: the end.
    pub(super) fn poll_read<R: AsyncRead + Unpin + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
    ) -> Poll<io::Result<usize>> {
        let mut block = self.block.take().unwrap_or_else(take_block);
        let mut buffer = ReadBuf::new(&mut block);
        let polled = Pin::new(reader).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        if count == 0 {
            give_block(block);
        } else {
            self.block = Some(block);
        }
        (self.start, self.end) = (0, count);
        ready!(polled)?;
        self.received += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Takes the next frame off the input.
    pub(super) fn next(&mut self, max_header: usize) -> Result<Input, ProtocolError> {
        loop {
            if std::mem::take(&mut self.partial_taken) {
                self.partial = Vec::new();
            }
            let skipped = self.skip.min(self.end - self.start);
            self.start += skipped;
            self.skip -= skipped;
            let in_partial = !self.partial.is_empty();
            let input = match &self.block {
                _ if in_partial => &self.partial[..],
                Some(block) if self.start < self.end => &block[self.start..self.end],
                _ => {
                    self.release_block();
                    return Ok(Input::Empty);
                }
            };
            let had = input.len();
            match wire::parse(input, max_header)? {
                Parsed::Incomplete { needed } => {
                    let wanted = if in_partial { needed - had } else { usize::MAX };
                    if !self.set_aside(wanted) {
                        self.release_block();
                        return Ok(Input::Empty);
                    }
                }
                Parsed::HeaderTooLong { kind, id, more, header, body, length } => {
                    self.drop_front(length, had, in_partial);
                    return Ok(Input::HeaderTooLong { kind, id, more, header, body });
                }
                Parsed::Ignored { length } => {
                    self.ignored += 1;
                    self.drop_front(length, had, in_partial);
                }
                Parsed::Frame { frame: Frame { kind, more, id, header, .. }, length } => {
                    let start = if in_partial { 0 } else { self.start };
                    let header = header.len();
                    self.partial_taken = in_partial;
                    self.start += if in_partial { 0 } else { length };
                    return Ok(Input::Frame(Located {
                        kind,
                        more,
                        id,
                        header,
                        start,
                        end: start + length,
                        in_partial,
                    }));
                }
            }
        }
    }

    /// The frame that was taken last.
    pub(super) fn frame(&self, at: &Located) -> Frame<'_> {
        let source = if at.in_partial { &self.partial } else { self.block.as_deref().unwrap_or_default() };
        let (header, body) = source[at.start + wire::PREFIX..at.end].split_at(at.header);
        Frame { kind: at.kind, more: at.more, id: at.id, header, body }
    }

    /// Moves up to `wanted` bytes of the block to the unfinished frame; `false` when there are none.
    fn set_aside(&mut self, wanted: usize) -> bool {
        let count = wanted.min(self.end - self.start);
        let Some(block) = self.block.as_deref().filter(|_| count > 0) else { return false };
        self.partial.extend_from_slice(&block[self.start..self.start + count]);
        self.start += count;
        true
    }

    /// Drops a frame of which `had` bytes are at the front.
    fn drop_front(&mut self, length: usize, had: usize, in_partial: bool) {
        if in_partial {
            self.partial_taken = true;
            self.skip = length.saturating_sub(had);
        } else {
            self.skip = length;
        }
    }

    fn release_block(&mut self) {
        (self.start, self.end) = (0, 0);
        if let Some(block) = self.block.take() {
            give_block(block);
        }
    }
}

fn take_block() -> Box<[u8]> {
    let kept = BLOCKS.try_with(|blocks| blocks.borrow_mut().pop()).ok().flatten();
    kept.unwrap_or_else(|| vec![0; BLOCK].into_boxed_slice())
}

fn give_block(block: Box<[u8]>) {
    // While the thread ends there is no list any more: the block is simply dropped.
    let _ = BLOCKS.try_with(|blocks| {
        let mut blocks = blocks.borrow_mut();
        if blocks.len() < KEPT {
            blocks.push(block);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Reads `bytes` in pieces of `size` and tells each frame.
    fn frames(bytes: &[u8], size: usize) -> Vec<String> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut receive = Receive::default();
        let mut told = Vec::new();
        for piece in bytes.chunks(size) {
            assert!(receive.poll_read(&mut cx, &mut Cursor::new(piece)).is_ready());
            loop {
                match receive.next(16).unwrap() {
                    Input::Empty => break,
                    Input::Frame(at) => {
                        let Frame { kind, id, header, body, .. } = receive.frame(&at);
                        told.push(format!("{kind:?} {id} {header:?} {body:?}"));
                    }
                    Input::HeaderTooLong { kind, id, header, .. } => {
                        told.push(format!("{kind:?} {id} {header} too long"));
                    }
                }
            }
        }
        assert!(!receive.is_partial());
        assert!(receive.block.is_none(), "no block is held between reads");
        told
    }

    /// C4.
    #[test]
    fn any_split_gives_the_same_frames() {
        let mut bytes = Vec::new();
        wire::put_head(&mut bytes, Kind::Request, 2, false, &[1; 5], 3);
        bytes.extend_from_slice(b"abc");
        wire::put_ping(&mut bytes, 9);
        wire::put_head(&mut bytes, Kind::Request, 4, false, &[1; 17], 100);
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&[14, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7]);
        wire::put_cancel(&mut bytes, 2);
        let whole = frames(&bytes, bytes.len());
        assert_eq!(whole.len(), 4);
        assert!(whole[2].contains("17 too long"));
        for size in 1..bytes.len() {
            assert_eq!(frames(&bytes, size), whole, "in pieces of {size}");
        }
    }
}

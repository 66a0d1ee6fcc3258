//! A pipe between two ends that takes and gives as much at a time as the lot decides, and may break after some bytes.
//! Its lock is the checker's, so that others go on in the middle of a write.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{one_in, up_to};
use crate::{
    connection::sync::{Mutex, MutexGuard},
    transport::{SharedWrite, Writer},
};

pub(super) struct Pipe(Mutex<State>);

struct State {
    /// Taken and not read.
    bytes: VecDeque<u8>,
    /// All that was ever taken.
    taken: Vec<u8>,
    holds: usize,
    /// So many bytes more are taken before it breaks.
    left: usize,
    /// A write has failed; and bytes that somebody tried to write after that.
    failed: bool,
    after: usize,
    ended: bool,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Its two halves; dropping either is an end.
pub(super) struct Source(Arc<Pipe>);
pub(super) struct Sink(Arc<Pipe>);

/// A pipe of which not more than `holds` bytes are on their way, and which breaks after `left`.
pub(super) fn pipe(holds: usize, left: usize) -> (Arc<Pipe>, Sink, Source) {
    let state = State {
        bytes: VecDeque::new(),
        taken: Vec::new(),
        holds,
        left,
        failed: false,
        after: 0,
        ended: false,
        reader_gone: false,
        reader: None,
        writer: None,
    };
    let pipe = Arc::new(Pipe(Mutex::new(state)));
    (Arc::clone(&pipe), Sink(Arc::clone(&pipe)), Source(pipe))
}

impl Sink {
    /// As callers may use it, or one task alone.
    pub(super) fn writer(self, shared: bool) -> Writer {
        if shared { Writer::Shared(Arc::new(self)) } else { Writer::Owned(Box::new(self)) }
    }
}

impl Pipe {
    /// All that was taken, and how much somebody tried to write after it broke.
    pub(super) fn log(&self) -> (Vec<u8>, usize) {
        let state = self.lock();
        (state.taken.clone(), state.after)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        assert!(offered > 0, "nothing is not written");
        if state.left == 0 || state.reader_gone {
            state.after += if std::mem::replace(&mut state.failed, true) { offered } else { 0 };
            let reader = state.reader.take();
            state.ended = true;
            drop(state);
            reader.into_iter().for_each(Waker::wake);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = offered.min(state.holds - state.bytes.len()).min(state.left);
        // Sometimes it is not as ready as it said.
        if room == 0 || one_in(6) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = if one_in(2) { room } else { 1 + up_to(room - 1) };
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(count).collect();
        state.left -= count;
        state.bytes.extend(&bytes);
        state.taken.extend(bytes);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(count)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.bytes.len() < state.holds || state.reader_gone || state.left == 0 {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl SharedWrite for Sink {
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(buffers)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn shutdown(&self) -> io::Result<()> {
        self.0.end();
        Ok(())
    }
}

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.write(&[IoSlice::new(bytes)]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.0.poll_ready(cx)?.is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.end();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Source {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        if state.bytes.is_empty() {
            if state.ended {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let room = buffer.remaining().min(state.bytes.len());
        let count = if one_in(2) { room } else { 1 + up_to(room - 1) };
        let bytes: Vec<u8> = state.bytes.drain(..count).collect();
        buffer.put_slice(&bytes);
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.reader_gone = true;
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }
}

//! Two pipes between two ends, of which one does something at one byte.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::{SharedWrite, Transport, Writer};

/// What happens at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// An error.
    Fail,
    /// Nothing any more, and no wake-up.
    Block,
    /// No transfer reaches beyond it.
    Split,
    /// `Pending` or `WouldBlock`, once.
    NotReady,
}

/// Where it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    ClientWrites,
    ClientReads,
    ServerWrites,
    ServerReads,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) at: usize,
    pub(super) act: Act,
}

/// What went one way.
#[derive(Debug, Default, Clone)]
pub(super) struct Traffic {
    pub(super) taken: Vec<u8>,
    pub(super) read: Vec<u8>,
}

/// One direction.
#[derive(Clone, Default)]
pub(super) struct Lane(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    traffic: Traffic,
    waiting: VecDeque<u8>,
    writes: Option<(usize, Act)>,
    reads: Option<(usize, Act)>,
    failed: bool,
    written_after_failure: usize,
    ended: bool,
    reader_gone: bool,
    reader: Option<Waker>,
}

/// What a script says of a transfer that begins at `position`: an answer, or the most that may be transferred.
fn follow(script: &mut Option<(usize, Act)>, position: usize) -> Result<usize, Answer> {
    let Some((at, act)) = *script else { return Ok(usize::MAX) };
    if position < at {
        return Ok(at - position);
    }
    match act {
        Act::Split => Ok(usize::MAX),
        Act::Fail => Err(Answer::Failure(io::Error::new(ErrorKind::BrokenPipe, "the cable was cut"))),
        Act::Block => Err(Answer::Never),
        Act::NotReady => {
            *script = None;
            Err(Answer::Later)
        }
    }
}

enum Answer {
    Failure(io::Error),
    Never,
    Later,
}

impl Lane {
    pub(super) fn traffic(&self) -> Traffic {
        self.lock().traffic.clone()
    }

    pub(super) fn written_after_failure(&self) -> usize {
        self.lock().written_after_failure
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> Result<usize, Answer> {
        let mut state = self.lock();
        let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if state.failed {
            state.written_after_failure += offered;
        }
        if state.reader_gone {
            return Err(Answer::Failure(ErrorKind::ConnectionReset.into()));
        }
        let position = state.traffic.taken.len();
        let most = follow(&mut state.writes, position).inspect_err(|answer| {
            state.failed = matches!(answer, Answer::Failure(_));
        })?;
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(most).collect();
        state.traffic.taken.extend_from_slice(&bytes);
        state.waiting.extend(&bytes);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        Ok(bytes.len())
    }

    fn read(&self, cx: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Result<(), Answer> {
        let mut state = self.lock();
        let position = state.traffic.read.len();
        let most = follow(&mut state.reads, position)?.min(buffer.remaining()).min(state.waiting.len());
        if most == 0 && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Err(Answer::Never);
        }
        let bytes: Vec<u8> = state.waiting.drain(..most).collect();
        state.traffic.read.extend_from_slice(&bytes);
        buffer.put_slice(&bytes);
        Ok(())
    }

    fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    fn is_blocked(&self) -> bool {
        let state = self.lock();
        matches!(state.writes, Some((at, Act::Block)) if state.traffic.taken.len() >= at) && !state.reader_gone
    }
}

/// Two ends, and the directions from the first to the second and back.
pub(super) fn link(shared: bool, fault: Option<Fault>) -> ([Transport; 2], [Lane; 2]) {
    let (up, down) = (Lane::default(), Lane::default());
    if let Some(Fault { place, at, act }) = fault {
        let script = Some((at, act));
        match place {
            Place::ClientWrites => up.lock().writes = script,
            Place::ClientReads => down.lock().reads = script,
            Place::ServerWrites => down.lock().writes = script,
            Place::ServerReads => up.lock().reads = script,
        }
    }
    let transport = |reads: &Lane, writes: &Lane| {
        let (reads, writes) = (Source(reads.clone()), Sink(writes.clone()));
        if shared {
            let writer = Writer::Shared(Arc::new(writes));
            Transport { reader: Box::new(reads), writer, peer: "scripted".to_owned() }
        } else {
            Transport::new(Port(reads, writes), "scripted")
        }
    };
    ([transport(&down, &up), transport(&up, &down)], [up, down])
}

struct Source(Lane);
struct Sink(Lane);
/// Both in one, as users hand them over.
struct Port(Source, Sink);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.lock().reader_gone = true;
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl SharedWrite for Sink {
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(buffers).map_err(|answer| match answer {
            Answer::Failure(error) => error,
            Answer::Never | Answer::Later => ErrorKind::WouldBlock.into(),
        })
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.is_blocked() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn shutdown(&self) -> io::Result<()> {
        self.0.end();
        Ok(())
    }
}

fn poll<T>(answer: Result<T, Answer>, cx: &Context<'_>) -> Poll<io::Result<T>> {
    match answer {
        Ok(value) => Poll::Ready(Ok(value)),
        Err(Answer::Failure(error)) => Poll::Ready(Err(error)),
        Err(Answer::Never) => Poll::Pending,
        Err(Answer::Later) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

impl AsyncRead for Source {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll(self.0.read(cx, buffer), cx)
    }
}

impl AsyncRead for Port {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll(self.1.0.write(&[IoSlice::new(bytes)]), cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.1.0.end();
        Poll::Ready(Ok(()))
    }
}

//! A write half that takes as much at a time as it is told to, and the shared state of a connection that writes to it.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::{Context, Poll, Waker},
};

use tokio::sync::watch;

use super::body;
use crate::{
    call::{Peer, ServiceName},
    codec::CodecKind,
    connection::{ConnectionState, Endpoint, frames::request_header, output::Push, shared::Shared},
    limits::Limits,
    metadata::Metadata,
    router::Router,
    transport::SharedWrite,
    wire::{self, Grant},
};

/// What is appended in one go: a Ping, or a large request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Append {
    Ping,
    Large(usize),
}

#[derive(Default)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    /// What the next writes take; 0: nothing, and none until it is unblocked. Everything once this is empty.
    sizes: VecDeque<usize>,
    blocked: bool,
    waker: Option<Waker>,
    /// Appended by somebody else in the middle of the next writes.
    meanwhile: VecDeque<Append>,
    appended: u32,
    shared: Weak<Shared>,
}

impl Pipe {
    /// The state of a connection that writes here, with what its peer grants.
    pub(super) fn connected(remote: Grant) -> (Arc<Self>, Arc<Shared>) {
        let pipe = Arc::new(Self::default());
        let writer: Arc<dyn SharedWrite> = Arc::clone(&pipe) as _;
        let watch = watch::Sender::new(ConnectionState::Ready);
        let peer = Peer::default();
        let endpoint = Endpoint::new(Limits::default(), 256 << 20, Router::default());
        let shared = Shared::new(0, CodecKind::Json, &endpoint, remote, peer, Some(writer), watch);
        let shared = Arc::new(shared);
        pipe.lock().shared = Arc::downgrade(&shared);
        (pipe, shared)
    }

    pub(super) fn takes(&self, sizes: impl IntoIterator<Item = usize>) {
        self.lock().sizes.extend(sizes);
    }

    pub(super) fn meanwhile(&self, append: Append) {
        self.lock().meanwhile.push_back(append);
    }

    pub(super) fn unblock(&self) {
        let mut state = self.lock();
        state.blocked = false;
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.lock().written.clone()
    }

    /// How much was appended.
    pub(super) fn appended(&self) -> u32 {
        self.lock().appended
    }

    /// Appends and gives what is to be done then. Pings bear their number, requests begin with it.
    pub(super) fn append(&self, shared: &Shared, append: Append, inline: bool) -> Push {
        let mut own = self.lock();
        let number = own.appended;
        own.appended += 1;
        drop(own);
        let mut state = shared.lock();
        match append {
            Append::Ping => wire::put_ping(&mut state.output.frames.small, u64::from(number)),
            Append::Large(size) => {
                let (service, metadata) = (ServiceName::Static("S"), Metadata::new());
                let mut header = request_header(&service, "m", None, &metadata);
                state.output.frames.push_request(u64::from(number), &mut header, &mut body(number, size));
            }
        }
        state.push(inline)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl SharedWrite for Pipe {
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.lock();
        let (append, shared) = (state.meanwhile.pop_front(), state.shared.upgrade());
        let size = state.sizes.pop_front().unwrap_or(usize::MAX);
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(size).collect();
        assert!(!buffers.is_empty(), "nothing is not written");
        state.blocked = size == 0;
        state.written.extend_from_slice(&bytes);
        drop(state);
        if let (Some(append), Some(shared)) = (append, shared) {
            let push = self.append(&shared, append, true);
            assert!(matches!(push, Push::Nothing | Push::Wake(_)), "two write at a time");
            shared.act(push);
        }
        if size == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes.len()) }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.blocked {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn shutdown(&self) -> io::Result<()> {
        Ok(())
    }
}

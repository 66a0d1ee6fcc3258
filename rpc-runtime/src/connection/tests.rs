//! The connection's pure state against models, without a socket, a runtime or a clock: the pending table, the output,
//! and the hand-over of the right to write.

mod frames;
mod frames_model;
mod hand_over;
#[cfg(shuttle)]
pub(super) mod interleavings;
mod memory;
mod peer;
mod pending;
mod pending_model;
mod pipe;
mod room;
mod scripted;
mod streaming_model;
mod streams;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use crate::{
    call::OutgoingRequest,
    wire::{self, Kind, Parsed},
};

/// A request of the service `S`, to be told from others by its body.
pub(super) fn request(body: Vec<u8>) -> OutgoingRequest {
    OutgoingRequest::unary("S", "m", body)
}

/// A body of `size` bytes, at least four, that begins with `tag` and is like no other.
fn body(tag: u32, size: usize) -> Vec<u8> {
    let mut body = tag.to_le_bytes().to_vec();
    body.extend((4..size as u32).map(|at| (at.wrapping_mul(2_654_435_761).wrapping_add(tag) >> 24) as u8));
    body
}

/// The tag that a body begins with.
fn tag_of(body: &[u8]) -> u32 {
    u32::from_le_bytes(*body.first_chunk().expect("a body begins with its tag"))
}

/// A frame that was taken out of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: Kind,
    id: u64,
    more: bool,
    has_header: bool,
    body: Vec<u8>,
    /// Where its first byte stood.
    at: usize,
}

/// The whole frames of `bytes` from `position` on, which moves behind them.
fn parse_all(bytes: &[u8], position: &mut usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Parsed::Frame { frame, length } =
        wire::parse(&bytes[*position..], 16_384).expect("frames are well formed")
    {
        let wire::Frame { kind, id, more, header, body } = frame;
        seen.push(Seen { kind, id, more, has_header: !header.is_empty(), body: body.to_vec(), at: *position });
        *position += length;
    }
    seen
}

/// Counts how often it was woken.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Count {
    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

//! The other end of the wire: what it may be sent, and when.

use std::collections::{BTreeMap, BTreeSet};

use super::{body, parse_all, tag_of};
use crate::wire::{Grant, Kind};

/// An honest peer that believes nothing.
#[derive(Default)]
pub(super) struct Peer {
    position: usize,
    /// Calls without a terminal frame: tag, body so far, and whether it is whole.
    pub(super) open: BTreeMap<u64, (u32, Vec<u8>, bool)>,
    pub(super) answered: Vec<u64>,
    cancelled: BTreeSet<u64>,
    /// Bytes of bodies that were not given back.
    pub(super) used: u64,
    pub(super) seen: Vec<u32>,
}

impl Peer {
    /// Reads what the transport accepted, of a side that had `most` calls at a time; `size_of` gives a call's size.
    pub(super) fn read(&mut self, accepted: &[u8], grant: &Grant, most: usize, size_of: impl Fn(u32) -> usize) {
        for frame in parse_all(accepted, &mut self.position) {
            match frame.kind {
                Kind::Request if frame.has_header => {
                    let tag = tag_of(&frame.body);
                    assert_eq!(frame.id & 1, 1, "the side that opens a call marks its id");
                    assert!(((frame.id as u32 & 0x7fff_ffff) >> 1) < most as u32, "slots are used again");
                    assert!(!self.answered.contains(&frame.id), "an id is used once");
                    self.seen.push(tag);
                    let earlier = self.open.insert(frame.id, (tag, frame.body.clone(), !frame.more));
                    assert!(earlier.is_none(), "an id is free after its terminal frame and not before");
                    assert!(self.open.len() <= grant.in_flight as usize, "more calls than granted");
                }
                Kind::Request => {
                    assert!(!self.cancelled.contains(&frame.id), "a part behind the Cancel");
                    match self.open.get_mut(&frame.id) {
                        Some((_, so_far, whole)) => {
                            so_far.extend_from_slice(&frame.body);
                            *whole = !frame.more;
                        }
                        None => assert!(self.answered.contains(&frame.id), "a part of no call"),
                    }
                }
                Kind::Cancel => {
                    assert!(self.open.contains_key(&frame.id) || self.answered.contains(&frame.id));
                    assert!(self.cancelled.insert(frame.id), "a call is cancelled once");
                }
                other => panic!("a {other} frame"),
            }
            if frame.kind == Kind::Request {
                self.used += frame.body.len() as u64;
                assert!(self.used <= u64::from(grant.request_window), "more bytes than granted");
            }
        }
        for (tag, so_far, whole) in self.open.values() {
            let sent = body(*tag, size_of(*tag));
            assert!(if *whole { *so_far == sent } else { sent.starts_with(so_far) }, "the body of call {tag}");
        }
    }
}

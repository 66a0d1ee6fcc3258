//! The frames of each call leave in the order in which they were pushed, whatever else leaves between them, and each
//! call with large messages gets its turn.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{body, frames::bytes_of};
use crate::{
    call::{Reply, ServiceName},
    connection::frames::{Frames, TakenBack, request_header},
    metadata::Metadata,
    router::Finished,
    wire::{self, Grant, Kind, MAX_PART, Parsed},
};

const SMALL: usize = 4_096;

/// One item that begins with its number.
pub(super) fn packed(number: u32, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; 5];
    bytes.extend(body(number, size));
    wire::close_item(&mut bytes, 0, 5);
    bytes
}

#[derive(Debug, Clone)]
enum Step {
    Request(u64, usize),
    Items(u64, usize),
    End(u64),
    TakeBack(u64),
    Next,
}

/// A message that was pushed and has not left whole.
struct Message {
    kind: Kind,
    body: Vec<u8>,
    /// So much of it has left, and something of it.
    left: usize,
    begun: bool,
    large: bool,
}

#[derive(Default)]
struct Model {
    frames: Frames,
    calls: BTreeMap<u64, VecDeque<Message>>,
    /// For each call with large messages that wait, what each other has sent of its own since it had a turn.
    passed: BTreeMap<u64, BTreeMap<u64, usize>>,
    pushed: u32,
}

impl Model {
    fn push(&mut self, step: &Step) {
        self.pushed += 1;
        let (id, kind, body) = match *step {
            Step::Request(id, size) if !self.calls.contains_key(&id) => (id, Kind::Request, body(self.pushed, size)),
            Step::Items(id, size) => (id, Kind::Message, packed(self.pushed, size)),
            Step::End(id) => (id, Kind::End, Vec::new()),
            _ => return,
        };
        match kind {
            Kind::Request => {
                let (service, metadata) = (ServiceName::Static("S"), Metadata::new());
                let mut header = request_header(&service, "m", None, &metadata);
                self.frames.push_request(id, &mut header, &mut body.clone());
            }
            Kind::Message => self.frames.push_items(id, body.clone()),
            _ => {
                let finished = Finished { reply: Reply::Finished, metadata: Metadata::new() };
                self.frames.push_end(id, finished, &Grant::default(), 0);
            }
        }
        let call = self.calls.entry(id).or_default();
        let large = body.len() > SMALL || call.iter().any(|message| message.large);
        call.push_back(Message { kind, body, left: 0, begun: false, large });
        if large {
            self.passed.entry(id).or_default();
        }
    }

    fn take_back(&mut self, id: u64) {
        let taken = self.frames.take_back(id);
        let Some(call) = self.calls.get_mut(&id) else { return assert_eq!(taken, TakenBack::Gone) };
        let request = call.iter().find(|message| message.large && message.kind == Kind::Request);
        assert_eq!(
            taken,
            match request {
                None => TakenBack::Gone,
                Some(request) if request.begun => TakenBack::Rest(request.body.len() - request.left),
                Some(request) => TakenBack::Whole(request.body.len()),
            }
        );
        call.retain(|message| !message.large);
        self.passed.remove(&id);
    }

    /// Takes a batch, and finds each of its frames where it must be.
    fn next(&mut self) {
        let bytes = bytes_of(self.frames.next_batch(Vec::new(), |_, _| ()), usize::MAX);
        let mut rest = &bytes[..];
        while let Parsed::Frame { frame, length } = wire::parse(rest, 16_384).unwrap() {
            rest = &rest[length..];
            let call = self.calls.get_mut(&frame.id).expect("a frame of a call");
            let message = call.front_mut().expect("nothing leaves twice, and nothing that was taken back");
            let end = message.left + frame.body.len();
            assert_eq!(frame.kind, message.kind, "a frame has overtaken another of its call");
            assert_eq!(frame.body, &message.body[message.left..end], "the bytes of another message");
            assert_eq!(frame.more, end < message.body.len());
            assert!(frame.body.len() <= MAX_PART);
            if frame.kind == Kind::Message {
                let total = wire::decode_total(frame.header).unwrap();
                let wanted = (message.left == 0 && frame.more).then_some(message.body.len() as u64);
                assert_eq!(total, wanted, "the first of several parts announces them");
            }
            (message.left, message.begun) = (end, true);
            let large = message.large;
            if !frame.more {
                call.pop_front();
            }
            if large {
                let waits = call.front().is_some();
                self.has_turn(frame.id, frame.body.len(), waits);
            }
        }
        assert!(rest.is_empty());
    }

    /// A call has sent so much in its turn.
    fn has_turn(&mut self, id: u64, size: usize, waits: bool) {
        for (other, passed) in &mut self.passed {
            if *other != id {
                let sent = passed.entry(id).or_default();
                *sent += size;
                assert!(*sent <= MAX_PART, "{other} waits while {id} has two turns");
            }
        }
        self.passed.remove(&id);
        if waits {
            self.passed.insert(id, BTreeMap::new());
        }
    }

    fn check(&self) {
        let waits = |message: &Message| message.body.len() - message.left;
        let large: usize = self.calls.values().flatten().filter(|message| message.large).map(waits).sum();
        assert_eq!(self.frames.len() - self.frames.small.len(), large);
        assert_eq!(self.frames.is_empty(), self.calls.values().all(VecDeque::is_empty));
    }
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![3 => 4..100_usize, 2 => 4_000..6_000_usize, 2 => 60_000..140_000_usize];
    let id = || (1..5_u64).prop_map(|n| 2 * n);
    prop_oneof![
        2 => (id(), size()).prop_map(|(id, size)| Step::Request(id, size)),
        8 => (id(), size()).prop_map(|(id, size)| Step::Items(id, size)),
        1 => id().prop_map(Step::End),
        1 => id().prop_map(Step::TakeBack),
        3 => Just(Step::Next),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn frames_of_a_call_keep_their_order_and_calls_take_turns(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::TakeBack(id) => model.take_back(*id),
                Step::Next => model.next(),
                _ => model.push(step),
            }
            model.check();
        }
        while !model.frames.is_empty() {
            model.next();
        }
        model.check();
        let held = model.frames.held() - model.frames.small.capacity();
        prop_assert_eq!(held, 0, "memory is counted of what has left");
    }
}

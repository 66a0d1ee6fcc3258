//! Calls with streams in the pending table, in every state, against whatever callers, the peer, the clock and the end
//! of the connection do. What holds after every step: who was not woken has nothing to look at, nobody waits while
//! there is room, the peer gets nothing that it did not grant or that is in disorder; and in the end nothing is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    task::Waker,
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Count, body, frames_model::packed, parse_all, request, tag_of};
use crate::{
    call::{Answer, Ending, Reception, Reply},
    connection::{
        calls::Calls,
        frames::Frames,
        slot::{CallId, Polled},
        streams::{Bytes, Key, Measure, Room, Taken},
    },
    limits::StreamWindow,
    metadata::Metadata,
    router::Finished,
    status::{Code, Status},
    wire::{Grant, Kind, take_item},
};

const WINDOW: u32 = 100;

/// Somebody who was told to wait, and how often that one had been woken by then.
type Waits = Option<(Arc<Count>, usize)>;

/// A call and those who are at work for it; its index is its tag.
struct Call {
    id: CallId,
    streams: bool,
    holder: Holder,
    waits: Waits,
    /// The task that sends its items, and whether it waits for the output.
    producer: Option<(Key, Waits, bool)>,
    /// Items that were sent, and that were taken.
    sent: u32,
    taken: u32,
    /// The peer has put in so many.
    put: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Caller,
    Consumer(Key),
    Nobody,
}

struct World {
    calls: Calls,
    frames: Frames,
    grant: Grant,
    now: Instant,
    table: Vec<Call>,
    wire: Vec<u8>,
    parsed: usize,
    /// Calls that the peer knows and has not ended, by their ids; and what it has seen of them.
    open: BTreeMap<u64, u32>,
    items: BTreeMap<u64, u32>,
    parts: BTreeMap<u64, Vec<u8>>,
    over: BTreeSet<(u64, &'static str)>,
}

impl World {
    fn new(in_flight: u32, streams: u32) -> Self {
        let grant = Grant { in_flight, streams, request_window: 1 << 30, stream_window: WINDOW, ..Grant::default() };
        Self {
            calls: Calls::new(1, grant, StreamWindow { start: WINDOW, largest: WINDOW }),
            frames: Frames::default(),
            grant,
            now: Instant::now(),
            table: Vec::new(),
            wire: Vec::new(),
            parsed: 0,
            open: BTreeMap::new(),
            items: BTreeMap::new(),
            parts: BTreeMap::new(),
            over: BTreeSet::new(),
        }
    }

    fn register(&mut self, size: usize, reception: Reception, sends: bool, timeout: Option<u64>) {
        let tag = self.table.len() as u32;
        let mut request = request(body(tag, size));
        (request.reception, request.sends) = (reception, sends);
        let deadline = timeout.map(|ms| self.now + Duration::from_millis(ms));
        let count = Arc::<Count>::default();
        let (taken, mut waker) = (self.wire.len() as u64, Some(count.waker()));
        let registered = self.calls.register(request, deadline, &mut waker, self.now, &mut self.frames, taken);
        if let Ok(id) = registered {
            let producer = self.calls.stream(id).filter(|_| sends).map(|key| (key, None, false));
            let (holder, waits) = (Holder::Caller, Some((count, 0)));
            let streams = sends || reception != Reception::Value;
            self.table.push(Call { id, streams, holder, waits, producer, sent: 0, taken: 0, put: 0 });
        }
        self.settle();
    }

    /// Whoever holds the `index`th call looks at what there is for it.
    fn look(&mut self, index: usize) {
        let Some(tag) = self.held(index) else { return };
        let call = &mut self.table[tag];
        let count = Arc::<Count>::default();
        match call.holder {
            Holder::Caller => match self.calls.poll_with(call.id, count.waker()).0 {
                Polled::Ready(answer, _) => {
                    if matches!(answer.ending, Ending::Ok) {
                        assert_eq!(tag_of(&answer.body), tag as u32, "the outcome of another call");
                    }
                    (call.holder, call.waits) = (Holder::Nobody, None);
                }
                Polled::Opened(_, key, _) => (call.holder, call.waits) = (Holder::Consumer(key), None),
                Polled::Pending | Polled::OtherWaker => call.waits = Some((count, 0)),
            },
            Holder::Consumer(key) => match self.calls.streams.take(key, 40).expect("its stream is there") {
                Taken::Items(items) => {
                    let mut rest = &items.bytes[..];
                    while let Some(item) = take_item(&mut rest) {
                        assert_eq!(item, body(call.taken, item.len()), "an item in the place of another");
                        call.taken += 1;
                    }
                    self.calls.streams.give_back(key, items.cost, self.now, false);
                    call.waits = None;
                }
                Taken::End(_) => {
                    assert_eq!(call.taken, call.put, "items are told before their end");
                    drop(self.calls.streams.release(key));
                    (call.holder, call.waits) = (Holder::Nobody, None);
                    drop(self.calls.abandon(call.id, &mut self.frames));
                }
                Taken::Nothing => {
                    drop(self.calls.streams.wait_for_items(key, count.waker()));
                    call.waits = Some((count, 0));
                }
            },
            Holder::Nobody => {}
        }
        self.pump();
    }

    /// Whoever holds the `index`th call goes away.
    fn leave(&mut self, index: usize) {
        let Some(tag) = self.held(index) else { return };
        let call = &mut self.table[tag];
        drop(self.calls.abandon(call.id, &mut self.frames));
        if let Holder::Consumer(key) = call.holder {
            drop(self.calls.streams.release(key));
        }
        (call.holder, call.waits) = (Holder::Nobody, None);
        self.pump();
    }

    /// The `index`th producer sends an item, or that there are no more, if it may.
    fn produce(&mut self, index: usize, end: bool, size: usize, choked: bool) {
        let producers: Vec<usize> = (0..self.table.len()).filter(|tag| self.table[*tag].producer.is_some()).collect();
        if producers.is_empty() {
            return;
        }
        let call = &mut self.table[producers[index % producers.len()]];
        let Some((key, waits, stalled)) = &mut call.producer else { return };
        let (key, count) = (*key, Arc::<Count>::default());
        let (room, _old) = self.calls.streams.room(key, count.waker(), choked);
        *stalled = choked && room == Room::None && self.calls.streams.room(key, count.waker(), false).0 != Room::None;
        match room {
            Room::None => *waits = Some((count, 0)),
            Room::Gone => call.producer = None,
            Room::Open(_) if end => {
                let id = self.calls.streams.charge(key, 0).expect("it may send");
                self.calls.streams.stop(key);
                let finished = Finished { reply: Reply::Finished, metadata: Metadata::new() };
                self.frames.push_end(id, finished, &self.grant, 0);
                call.producer = None;
            }
            Room::Open(_) => {
                let id = self.calls.streams.charge(key, size + 32).expect("it may send");
                self.frames.push_items(id, packed(call.sent, size));
                call.sent += 1;
                *waits = None;
            }
        }
        self.settle();
    }

    /// The output has room again.
    fn rouse(&mut self) {
        self.calls.streams.rouse();
        self.settle();
        for (_, waits, stalled) in self.table.iter_mut().filter_map(|call| call.producer.as_mut()) {
            let woken = waits.as_ref().is_none_or(|(count, before)| count.get() > *before);
            assert!(woken || !mem::take(stalled), "the output has room, and a producer does not know");
        }
    }

    /// The peer says something of a call that it knows.
    fn say(&mut self, index: usize, what: Says) {
        let Some((id, tag)) = self.open.iter().nth(index % self.open.len().max(1)).map(|(id, tag)| (*id, *tag)) else {
            return;
        };
        let key = self.calls.stream_of(id).expect("a call without a terminal frame is known");
        let call = &mut self.table[tag as usize];
        match (what, key) {
            (Says::Opened, _) => {
                self.calls.open(id, Metadata::new());
            }
            (Says::Item, Some(key)) => {
                let item = packed(call.put, 4);
                let measure = Measure::of(&item).expect("an item");
                if matches!(self.calls.streams.may_begin(key), Ok(true)) {
                    self.calls.open(id, Metadata::new());
                    self.calls.streams.put(key, Bytes::of(&item), measure).expect("it may come");
                    call.put += 1;
                }
            }
            (Says::Credit, Some(key)) => self.calls.streams.credit(key, WINDOW).expect("it is not too much"),
            (Says::Stop, Some(key)) => self.calls.streams.stop(key),
            (Says::Nonsense, _) => {
                let waker = self.calls.fail(id, Status::internal("unreadable"));
                waker.into_iter().for_each(Waker::wake);
            }
            (Says::Fault, _) => self.calls.fail_and_cancel(id, Status::internal("a fault"), &mut self.frames),
            (Says::End, _) => {
                self.open.remove(&id);
                let answer = Answer { ending: Ending::Ok, metadata: Metadata::new(), body: body(tag, 4) };
                let waker = self.calls.answer_owned(id, answer, &mut self.frames);
                waker.into_iter().for_each(Waker::wake);
            }
            (Says::Status, _) => {
                self.open.remove(&id);
                let answer = Answer::of_status(Status::of_call(Code::NotFound, "nothing here"));
                let waker = self.calls.answer_owned(id, answer, &mut self.frames);
                waker.into_iter().for_each(Waker::wake);
            }
            (Says::Item | Says::Credit | Says::Stop, None) => {}
        }
        self.pump();
    }

    fn pass_time(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        let mut wakers = Vec::new();
        self.calls.expire(self.now, &mut self.frames, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.pump();
    }

    fn refuse_new(&mut self) {
        let mut wakers = Vec::new();
        self.calls.refuse_new(&Status::unavailable("leaving"), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.settle();
    }

    /// A batch leaves, and the peer reads it.
    fn write(&mut self) {
        let start = self.wire.len() as u64;
        let calls = &mut self.calls;
        let mut batch = self.frames.next_batch(Vec::new(), |id, offset| calls.begins(id, start + offset as u64));
        while batch.left() > 0 {
            let mut slices = [std::io::IoSlice::new(&[]); 4];
            let (count, before) = (batch.slices(&mut slices), self.wire.len());
            slices[..count].iter().for_each(|slice| self.wire.extend_from_slice(slice));
            batch.advance(self.wire.len() - before);
        }
        for frame in parse_all(&self.wire, &mut self.parsed) {
            let id = frame.id;
            let known = self.open.contains_key(&id) || self.items.contains_key(&id);
            assert!(known || (frame.kind == Kind::Request && frame.has_header), "a {} of no call", frame.kind);
            let over = |what| self.over.contains(&(id, what));
            match frame.kind {
                Kind::Request => {
                    assert!(!over("cancel"), "a part behind the Cancel");
                    if frame.has_header {
                        let tag = tag_of(&frame.body);
                        assert!(self.open.insert(id, tag).is_none() && !known, "an id is used once");
                        self.items.insert(id, 0);
                        assert!(self.open.len() <= self.grant.in_flight as usize, "more calls than granted");
                        let streams = self.open.values().filter(|tag| self.table[**tag as usize].streams);
                        assert!(streams.count() <= self.grant.streams as usize, "more streams than granted");
                    }
                }
                Kind::Message => {
                    assert!(!over("cancel") && !over("end"), "items behind their end");
                    let so_far = self.parts.entry(id).or_default();
                    so_far.extend(frame.body);
                    if !frame.more {
                        let number = self.items.entry(id).or_default();
                        let item = take_item(&mut &so_far[..]).expect("an item");
                        assert_eq!(item, body(*number, item.len()), "an item in the place of another");
                        *number += 1;
                        so_far.clear();
                    }
                }
                Kind::End => {
                    assert!(!over("cancel") && self.over.insert((id, "end")), "a second end");
                }
                Kind::Cancel => assert!(self.over.insert((id, "cancel")), "a call is cancelled once"),
                other => panic!("a {other} frame"),
            }
        }
        self.settle();
    }

    /// The connection is over, or this side closes: all have their outcome.
    fn end(mut self, lost: bool) {
        let (mut wakers, cause) = (Vec::new(), Status::unavailable("over"));
        if lost {
            self.calls.terminate(&cause, self.wire.len() as u64, &mut wakers);
        } else {
            self.calls.hang_up(&cause, &mut self.frames, &mut wakers);
        }
        wakers.into_iter().for_each(Waker::wake);
        self.open.clear();
        self.finish(false);
    }

    /// The peer ends every call, and everybody looks until there is nothing more.
    fn finish(mut self, by_peer: bool) {
        for _ in 0..10_000 {
            if by_peer {
                self.write();
                self.say(0, Says::End);
            }
            for index in 0..self.table.len() {
                self.look(index);
                self.produce(index, true, 4, false);
            }
            let holds = |call: &Call| call.holder != Holder::Nobody || call.producer.is_some();
            let written = self.frames.is_empty() || !by_peer;
            if written && self.open.is_empty() && !self.table.iter().any(holds) {
                break;
            }
        }
        assert!(self.table.iter().all(|call| call.holder == Holder::Nobody && call.producer.is_none()));
        let calls = &self.calls;
        assert_eq!((calls.occupied(), calls.in_flight(), calls.streaming()), (0, 0, 0), "calls are left");
        assert_eq!((calls.waiting(), calls.held(), calls.abandoned()), (0, 0, 0), "calls are left in the queue");
        assert_eq!(calls.streams.left(), (0, 0, 0), "streams are left");
    }

    /// As the connection does after whatever may have made room.
    fn pump(&mut self) {
        self.calls.pump(self.now, &mut self.frames, self.wire.len() as u64);
        self.settle();
        let room = self.calls.in_flight() < self.grant.in_flight && self.calls.streaming() < self.grant.streams;
        assert!(!room || self.calls.waiting() == 0, "calls wait although there is room");
    }

    /// Wakes whom it concerns. Who was not woken has nothing to look at.
    fn settle(&mut self) {
        mem::take(&mut self.calls.streams.woken).into_iter().for_each(Waker::wake);
        for (tag, call) in self.table.iter_mut().enumerate() {
            let asleep = |waits: &Waits| waits.as_ref().filter(|(count, before)| count.get() == *before).cloned();
            if let Some((count, _)) = asleep(&call.waits) {
                match call.holder {
                    Holder::Caller => {
                        let polled = self.calls.poll(call.id, &count.waker());
                        assert!(matches!(polled, Polled::Pending), "the caller of {tag} was not woken for {polled:?}");
                    }
                    Holder::Consumer(key) => {
                        let taken = self.calls.streams.take(key, 40);
                        let nothing = matches!(taken, Some(Taken::Nothing));
                        assert!(nothing, "the consumer of {tag} was not woken for {taken:?}");
                    }
                    Holder::Nobody => {}
                }
            }
            if let Some((key, waits, stalled)) = &call.producer {
                if let Some((count, _)) = asleep(waits) {
                    let (room, _old) = self.calls.streams.room(*key, count.waker(), false);
                    let waits = room == Room::None || (*stalled && room != Room::Gone);
                    assert!(waits, "the producer of {tag} was not woken for {room:?}");
                }
            }
        }
    }

    fn held(&self, index: usize) -> Option<usize> {
        let held = (0..self.table.len()).filter(|tag| self.table[*tag].holder != Holder::Nobody);
        let held: Vec<_> = held.collect();
        (!held.is_empty()).then(|| held[index % held.len()])
    }
}

/// What the peer says of a call.
#[derive(Debug, Clone, Copy)]
enum Says {
    Opened,
    Item,
    Credit,
    Stop,
    /// A last frame that can not be read, and of which parts are still to come.
    Nonsense,
    /// What this side gives a call up for.
    Fault,
    End,
    Status,
}

#[derive(Debug, Clone)]
enum Step {
    Register(usize, u8, bool, Option<u64>),
    Look(usize),
    Leave(usize),
    Produce(usize, bool, usize, bool),
    Rouse,
    Say(usize, Says),
    Time(u64),
    Write,
    RefuseNew,
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![6 => 4..60_usize, 2 => 4_090..5_000_usize, 1 => 66_000..70_000_usize];
    let says = prop_oneof![
        4 => Just(Says::Item),
        2 => Just(Says::Opened),
        2 => Just(Says::Credit),
        2 => Just(Says::End),
        1 => Just(Says::Stop),
        1 => Just(Says::Nonsense),
        1 => Just(Says::Fault),
        1 => Just(Says::Status),
    ];
    let timeout = proptest::option::weighted(0.3, 0..50_u64);
    prop_oneof![
        8 => (size(), 0..3_u8, any::<bool>(), timeout).prop_map(|(size, kind, sends, timeout)|
            Step::Register(size, kind, sends, timeout)),
        10 => any::<usize>().prop_map(Step::Look),
        3 => any::<usize>().prop_map(Step::Leave),
        10 => (any::<usize>(), proptest::bool::weighted(0.2), size(), proptest::bool::weighted(0.2))
            .prop_map(|(index, end, size, choked)| Step::Produce(index, end, size, choked)),
        2 => Just(Step::Rouse),
        14 => (any::<usize>(), says).prop_map(|(index, says)| Step::Say(index, says)),
        2 => (0..20_u64).prop_map(Step::Time),
        8 => Just(Step::Write),
        1 => proptest::bool::weighted(0.1).prop_map(|refuse| if refuse { Step::RefuseNew } else { Step::Rouse }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn calls_with_streams_are_told_of_all_that_concerns_them_and_leave_nothing_behind(
        in_flight in 1..5_u32,
        streams in 1..4_u32,
        steps in proptest::collection::vec(step(), 1..120),
        end in 0..4,
    ) {
        let mut world = World::new(in_flight, streams);
        for step in steps {
            match step {
                Step::Register(size, kind, sends, timeout) => {
                    let reception = [Reception::Value, Reception::Opened, Reception::AtOnce][usize::from(kind)];
                    world.register(size, reception, sends, timeout);
                }
                Step::Look(index) => world.look(index),
                Step::Leave(index) => world.leave(index),
                Step::Produce(index, end, size, choked) => world.produce(index, end, size, choked),
                Step::Rouse => world.rouse(),
                Step::Say(index, what) => world.say(index, what),
                Step::Time(ms) => world.pass_time(ms),
                Step::Write => world.write(),
                Step::RefuseNew => world.refuse_new(),
            }
        }
        match end {
            0 => world.end(true),
            1 => world.end(false),
            _ => world.finish(true),
        }
    }
}

//! A model of the pending table and of an honest peer, stepped against the real table and the real output. Every step
//! checks what the caller and the peer can see.

use std::{collections::BTreeMap, sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{Count, body, parse_all, peer::Peer, request, tag_of};
use crate::{
    call::{Answer, Ending},
    connection::{
        calls::Calls,
        frames::Frames,
        slot::{CallId, Polled},
    },
    limits::StreamWindow,
    metadata::Metadata,
    status::{Code, Status},
    wire::{Grant, Kind},
};

/// Bodies up to this size are copied into the small frames.
const SMALL: usize = 4_096;

/// The outcome that a call must have when it is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Reply,
    Failure { code: Code, may_have_run: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    /// A large request of which nothing was taken.
    NotBegun,
    /// Appended, or begun; its terminal frame has not come.
    Open,
    Done,
}

/// A call as the model knows it; its index is its tag.
struct Tracked {
    id: CallId,
    size: usize,
    deadline: Option<Instant>,
    /// When half of its time is over.
    half: Option<Instant>,
    stage: Stage,
    /// The caller has neither looked at the outcome nor gone.
    held: bool,
    expected: Option<Expected>,
    /// The waker that the table has, and how often it was woken before.
    waker: Option<(Arc<Count>, usize)>,
    wire_id: Option<u64>,
    first_byte: Option<usize>,
    /// Bytes of a large body that were not taken.
    left: usize,
    /// The caller was told, by this side, that it did not run.
    disowned: bool,
}

pub(super) struct World {
    calls: Calls,
    frames: Frames,
    grant: Grant,
    now: Instant,
    tracked: Vec<Tracked>,
    /// By arrival.
    queue: Vec<usize>,
    /// Calls in the order in which they were sent.
    sent: Vec<u32>,
    in_flight: u32,
    window: u64,
    late: u64,
    refusing: bool,
    /// All that was taken, of which the transport accepted a part.
    wire: Vec<u8>,
    parsed: usize,
    accepted: usize,
    most: usize,
    peer: Peer,
}

impl World {
    pub(super) fn new(in_flight: u32, window: u32) -> Self {
        let grant = Grant { in_flight, request_window: window, ..Grant::default() };
        Self {
            calls: Calls::new(1, grant, StreamWindow { start: 1, largest: 1 }),
            frames: Frames::default(),
            grant,
            now: Instant::now(),
            tracked: Vec::new(),
            queue: Vec::new(),
            sent: Vec::new(),
            in_flight: 0,
            window: u64::from(window),
            late: 0,
            refusing: false,
            wire: Vec::new(),
            parsed: 0,
            accepted: 0,
            most: 0,
            peer: Peer::default(),
        }
    }

    pub(super) fn register(&mut self, size: usize, timeout: Option<u64>, with_waker: bool) {
        let tag = self.tracked.len();
        let deadline = timeout.map(|ms| self.now + Duration::from_millis(ms));
        let waker = with_waker.then(|| (Arc::<Count>::default(), 0));
        let mut given = waker.as_ref().map(|(count, _)| count.waker());
        let taken = self.wire.len() as u64;
        let request = request(body(tag as u32, size));
        let id = match self.calls.register(request, deadline, &mut given, self.now, &mut self.frames, taken) {
            Ok(id) => id,
            Err(status) => {
                assert!(self.refusing && !status.may_have_run());
                return;
            }
        };
        assert!(!self.refusing, "no call is taken any more");
        self.tracked.push(Tracked {
            id,
            size,
            deadline,
            half: timeout.map(|ms| self.now + Duration::from_millis(ms) / 2),
            stage: Stage::Queued,
            held: true,
            expected: None,
            waker,
            wire_id: None,
            first_byte: None,
            left: 0,
            disowned: false,
        });
        let (alone, room) = (self.queue.is_empty(), self.has_room(tag));
        self.queue.push(tag);
        if alone && room {
            self.model_send(tag);
        } else if room {
            self.model_pump();
        }
        self.wake();
        self.check();
    }

    /// The caller of the `index`th call that is held asks for its outcome.
    pub(super) fn poll(&mut self, index: usize, other_waker: bool) {
        let Some(tag) = self.held(index) else { return };
        let call = &mut self.tracked[tag];
        let waker = match &call.waker {
            Some((count, _)) if !other_waker => Arc::clone(count),
            _ => Arc::default(),
        };
        match (self.calls.poll(call.id, &waker.waker()), call.expected) {
            (Polled::Ready(answer, _), Some(expected)) => {
                if let Some((count, before)) = &call.waker {
                    assert!(count.get() > *before, "call {tag} was not woken for its outcome");
                }
                verify(tag as u32, &answer, expected);
                call.held = false;
            }
            (Polled::OtherWaker, None) => {
                let (polled, _old) = self.calls.poll_with(call.id, waker.waker());
                assert!(matches!(polled, Polled::Pending));
                let before = waker.get();
                call.waker = Some((waker, before));
            }
            (Polled::Pending, None) => assert!(!other_waker && call.waker.is_some()),
            (polled, expected) => panic!("call {tag} gave {polled:?}, {expected:?} was expected"),
        }
        self.check();
    }

    pub(super) fn abandon(&mut self, index: usize) {
        let Some(tag) = self.held(index) else { return };
        let call = &mut self.tracked[tag];
        call.held = false;
        let before = self.frames.small.len();
        self.calls.abandon(call.id, &mut self.frames);
        let told = self.frames.small.len() > before;
        let mut cancelled = false;
        if call.expected.is_none() {
            cancelled = call.stage == Stage::Open;
            self.withdraw(tag);
        }
        assert_eq!(told, cancelled, "call {tag}");
        self.pump();
    }

    /// The peer sends the terminal frame of one of its calls, also of one whose request is not whole.
    pub(super) fn answer(&mut self, index: usize, owned: bool, refuse: bool) {
        let Some(wire_id) = nth(&self.peer.open, index) else { return };
        let (tag, ..) = self.peer.open[&wire_id];
        self.peer.open.remove(&wire_id);
        self.peer.answered.push(wire_id);
        let waker = if refuse {
            let status = Status::of_call(Code::ResourceExhausted, format!("refused {tag}")).not_executed();
            self.calls.answer_owned(wire_id, Answer::of_status(status), &mut self.frames)
        } else if owned {
            let answer = Answer { ending: Ending::Ok, metadata: Metadata::new(), body: reply(tag) };
            self.calls.answer_owned(wire_id, answer, &mut self.frames)
        } else {
            self.calls.answer(wire_id, Ending::Ok, Metadata::new(), &reply(tag), &mut self.frames)
        };
        self.in_flight -= 1;
        let refused = Expected::Failure { code: Code::ResourceExhausted, may_have_run: false };
        let call = &mut self.tracked[tag as usize];
        assert_eq!((call.stage, call.wire_id), (Stage::Open, Some(wire_id)));
        call.stage = Stage::Done;
        // No further part leaves.
        self.window += std::mem::take(&mut call.left) as u64;
        if call.held && call.expected.is_none() {
            call.expected = Some(if refuse { refused } else { Expected::Reply });
            assert_eq!(waker.is_some(), call.waker.is_some());
        } else {
            assert!(waker.is_none(), "nobody waits for call {tag}");
            self.late += 1;
        }
        waker.into_iter().for_each(Waker::wake);
        self.pump();
    }

    /// A response that belongs to no call in flight.
    pub(super) fn stray(&mut self, index: usize) {
        let known = nth(&self.peer.open, index).or(self.peer.answered.last().copied()).unwrap_or(1);
        let answered = self.peer.answered.get(index % self.peer.answered.len().max(1)).copied();
        let strays = [0, known ^ 1, known + (1_000 << 32), known ^ (1 << 20), answered.unwrap_or(u64::MAX)];
        let id = strays[index % strays.len()];
        let waker = self.calls.answer(id, Ending::Ok, Metadata::new(), b"stray", &mut self.frames);
        assert!(waker.is_none());
        self.late += 1;
        self.check();
    }

    /// A response comes that can not be read, and its last part has not come.
    pub(super) fn fail(&mut self, index: usize) {
        let Some(wire_id) = nth(&self.peer.open, index) else { return };
        let (tag, ..) = self.peer.open[&wire_id];
        let waker = self.calls.fail(wire_id, Status::of_call(Code::Internal, "unreadable"));
        let call = &mut self.tracked[tag as usize];
        if call.held && call.expected.is_none() {
            call.expected = Some(Expected::Failure { code: Code::Internal, may_have_run: true });
        } else {
            assert!(waker.is_none());
        }
        waker.into_iter().for_each(Waker::wake);
        self.check();
    }

    /// Takes the next batch if the last was accepted whole, and lets the transport accept some bytes.
    pub(super) fn write(&mut self, bytes: usize) {
        if self.accepted == self.wire.len() && !self.frames.is_empty() {
            let start = self.wire.len() as u64;
            let calls = &mut self.calls;
            let mut batch = self.frames.next_batch(Vec::new(), |id, offset| calls.begins(id, start + offset as u64));
            while batch.left() > 0 {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let count = batch.slices(&mut slices);
                let before = self.wire.len();
                slices[..count].iter().for_each(|slice| self.wire.extend_from_slice(slice));
                batch.advance(self.wire.len() - before);
            }
            self.follow_output();
        }
        self.accepted = self.wire.len().min(self.accepted + bytes);
        let size_of = |tag: u32| self.tracked[tag as usize].size;
        self.peer.read(&self.wire[..self.accepted], &self.grant, self.most, size_of);
        self.check();
    }

    /// The peer gives back a part of what it has read.
    pub(super) fn credit(&mut self, share: u8) {
        let bytes = self.peer.used * u64::from(share) / 255;
        assert!(self.calls.credit(bytes as u32));
        self.peer.used -= bytes;
        self.window += bytes;
        self.pump();
    }

    pub(super) fn pass_time(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        let mut wakers = Vec::new();
        let next = self.calls.expire(self.now, &mut self.frames, &mut wakers);
        let late = |call: &Tracked| call.deadline.is_some_and(|deadline| deadline <= self.now);
        let over: Vec<usize> = self.waiting().filter(|tag| late(&self.tracked[*tag])).collect();
        for tag in over {
            let may_have_run = self.tracked[tag].stage == Stage::Open;
            self.withdraw(tag);
            self.end_here(tag, Code::DeadlineExceeded, may_have_run);
        }
        assert_eq!(next, self.waiting().filter_map(|tag| self.tracked[tag].deadline).min());
        wakers.into_iter().for_each(Waker::wake);
        self.pump();
    }

    /// The peer takes no further calls.
    pub(super) fn refuse_new(&mut self) {
        let mut wakers = Vec::new();
        self.calls.refuse_new(&Status::of_call(Code::Unavailable, "leaving"), &mut wakers);
        self.refusing = true;
        for tag in std::mem::take(&mut self.queue) {
            self.tracked[tag].stage = Stage::Done;
            self.end_here(tag, Code::Unavailable, false);
        }
        wakers.into_iter().for_each(Waker::wake);
        self.check();
    }

    /// Writes, answers and gives back until nothing is left to do, and looks at every outcome.
    pub(super) fn finish(mut self) {
        let is_over = |world: &Self| {
            let (peer, written) = (&world.peer, world.accepted == world.wire.len() && world.frames.is_empty());
            written && world.queue.is_empty() && peer.open.is_empty() && peer.used == 0
        };
        while !is_over(&self) {
            self.write(usize::MAX / 2);
            self.credit(255);
            self.answer(0, false, false);
        }
        assert!(self.calls.is_idle());
        assert_eq!(self.window, u64::from(self.grant.request_window), "every byte was given back");
        while self.held(0).is_some() {
            self.poll(0, false);
        }
        self.check_end();
    }

    /// The connection is lost: the transport has accepted so much and not a byte more.
    pub(super) fn terminate(mut self, abandon: bool) {
        let mut wakers = Vec::new();
        let cause = Status::of_call(Code::Unavailable, "lost");
        self.calls.terminate(&cause, self.accepted as u64, &mut wakers);
        self.refusing = true;
        self.in_flight = 0;
        let waiting: Vec<usize> = self.waiting().collect();
        for tag in waiting {
            let begun = self.tracked[tag].first_byte.is_some_and(|at| at < self.accepted);
            self.end_here(tag, Code::Unavailable, begun);
        }
        self.queue.clear();
        self.tracked.iter_mut().for_each(|call| call.stage = Stage::Done);
        wakers.into_iter().for_each(Waker::wake);
        self.frames = Frames::default();
        self.check();
        self.register(100, None, true);
        self.stray(0);
        while self.held(0).is_some() {
            if abandon { self.abandon(0) } else { self.poll(0, false) }
        }
        self.check_end();
    }

    fn check_end(&self) {
        assert_eq!(self.calls.occupied(), 0, "every slot is free");
        let sent = |small: bool| move |tag: &&u32| (self.tracked[**tag as usize].size <= SMALL) == small;
        for small in [true, false] {
            let order: Vec<_> =
                self.sent.iter().filter(sent(small)).filter(|tag| self.peer.seen.contains(tag)).collect();
            let seen: Vec<_> = self.peer.seen.iter().filter(sent(small)).collect();
            assert_eq!(order, seen, "calls leave in the order of their turns");
        }
        let disowned = |tag: &&u32| self.tracked[**tag as usize].disowned;
        assert_eq!(self.peer.seen.iter().find(disowned), None, "the peer got a call that was said not to have run");
    }

    /// What must hold after every step.
    fn check(&mut self) {
        let occupied =
            self.tracked.iter().filter(|call| call.held || matches!(call.stage, Stage::NotBegun | Stage::Open));
        let occupied = occupied.count();
        self.most = self.most.max(occupied);
        assert_eq!(self.calls.occupied(), occupied);
        assert_eq!(self.calls.in_flight(), self.in_flight);
        assert!(self.in_flight <= self.grant.in_flight);
        assert_eq!(self.calls.late(), self.late);
        assert_eq!(self.calls.has_queue(), !self.queue.is_empty());
    }

    fn held(&self, index: usize) -> Option<usize> {
        let held: Vec<_> = (0..self.tracked.len()).filter(|tag| self.tracked[*tag].held).collect();
        (!held.is_empty()).then(|| held[index % held.len()])
    }

    /// Calls whose callers wait for an outcome that is not there.
    fn waiting(&self) -> impl Iterator<Item = usize> {
        (0..self.tracked.len()).filter(|tag| self.tracked[*tag].held && self.tracked[*tag].expected.is_none())
    }

    /// As the connection does after whatever may have made room.
    fn pump(&mut self) {
        self.calls.pump(self.now, &mut self.frames, self.wire.len() as u64);
        self.model_pump();
        self.wake();
        self.check();
    }

    fn wake(&mut self) {
        std::mem::take(&mut self.calls.streams.woken).into_iter().for_each(Waker::wake);
    }

    fn model_pump(&mut self) {
        while let Some(tag) = self.next() {
            if self.tracked[tag].deadline.is_some_and(|deadline| deadline <= self.now) {
                self.withdraw(tag);
                self.end_here(tag, Code::DeadlineExceeded, false);
            } else if self.has_room(tag) {
                self.model_send(tag);
            } else {
                return;
            }
        }
    }

    /// The first that has half of its time, and else the last.
    fn next(&self) -> Option<usize> {
        let has_half = |tag: &&usize| self.tracked[**tag].half.is_none_or(|half| self.now < half);
        self.queue.iter().find(has_half).or(self.queue.last()).copied()
    }

    fn has_room(&self, tag: usize) -> bool {
        self.in_flight < self.grant.in_flight && self.tracked[tag].size as u64 <= self.window
    }

    fn model_send(&mut self, tag: usize) {
        self.queue.retain(|other| *other != tag);
        let call = &mut self.tracked[tag];
        self.in_flight += 1;
        self.window -= call.size as u64;
        self.sent.push(tag as u32);
        call.left = if call.size > SMALL { call.size } else { 0 };
        call.stage = if call.size > SMALL { Stage::NotBegun } else { Stage::Open };
    }

    /// What has not left of a request does not leave any more.
    fn withdraw(&mut self, tag: usize) {
        let call = &mut self.tracked[tag];
        match call.stage {
            Stage::Queued => self.queue.retain(|other| *other != tag),
            Stage::NotBegun => self.in_flight -= 1,
            Stage::Open | Stage::Done => {}
        }
        self.window += std::mem::take(&mut call.left) as u64;
        if call.stage != Stage::Open {
            call.stage = Stage::Done;
        }
    }

    fn end_here(&mut self, tag: usize, code: Code, may_have_run: bool) {
        let call = &mut self.tracked[tag];
        call.expected = Some(Expected::Failure { code, may_have_run });
        call.disowned = !may_have_run;
    }

    /// Takes note of the frames that were taken for writing.
    fn follow_output(&mut self) {
        let mut ids: BTreeMap<u64, usize> = BTreeMap::new();
        for (tag, call) in self.tracked.iter().enumerate() {
            ids.extend(call.wire_id.map(|id| (id, tag)));
        }
        for frame in parse_all(&self.wire, &mut self.parsed) {
            if frame.kind != Kind::Request {
                continue;
            }
            let tag = if frame.has_header { tag_of(&frame.body) as usize } else { ids[&frame.id] };
            ids.insert(frame.id, tag);
            let call = &mut self.tracked[tag];
            if frame.has_header {
                assert_eq!((call.wire_id.replace(frame.id), call.first_byte.replace(frame.at)), (None, None));
            }
            call.stage = if call.stage == Stage::NotBegun { Stage::Open } else { call.stage };
            call.left -= if call.size > SMALL { frame.body.len() } else { 0 };
        }
        assert_eq!(self.parsed, self.wire.len(), "a batch ends with a whole frame");
    }
}

fn reply(tag: u32) -> Vec<u8> {
    format!("reply to {tag}").into_bytes()
}

fn verify(tag: u32, answer: &Answer, expected: Expected) {
    match (&answer.ending, expected) {
        (Ending::Ok, Expected::Reply) => assert_eq!(answer.body, reply(tag), "the outcome of another call"),
        (Ending::Status(status), Expected::Failure { code, may_have_run }) => {
            assert_eq!((status.code(), status.may_have_run()), (code, may_have_run), "call {tag}: {status}");
            if code == Code::ResourceExhausted {
                assert_eq!(status.message(), format!("refused {tag}"), "the outcome of another call");
            }
        }
        (ending, expected) => panic!("call {tag} ended with {ending:?}, {expected:?} was expected"),
    }
}

fn nth<V>(map: &BTreeMap<u64, V>, index: usize) -> Option<u64> {
    map.keys().nth(index % map.len().max(1)).copied()
}

//! The right to write goes from appenders to the flusher and back: no byte is lost, doubled or out of order, and none
//! waits for a wake-up that does not come.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    Count, body, parse_all,
    pipe::{Append, Pipe},
    request, tag_of,
};
use crate::{
    call::{Answer, Ending},
    connection::{
        flusher,
        output::Push,
        shared::{Request, Shared},
        slot::Polled,
    },
    status::{Code, Status},
    transport::Writer,
    wire::{Grant, Kind},
};

/// A connection whose flusher is polled by hand, and only once it was woken.
struct World {
    pipe: Arc<Pipe>,
    shared: Arc<Shared>,
    flusher: Pin<Box<dyn Future<Output = ()>>>,
    /// For the flusher's timer.
    runtime: tokio::runtime::Runtime,
    woken: Arc<Count>,
    polled: usize,
    /// A write outside the flusher that has not been done.
    pending: Vec<Push>,
}

impl World {
    fn new(remote: Grant) -> Self {
        let (pipe, shared) = Pipe::connected(remote);
        let flusher = Box::pin(flusher::run(Arc::clone(&shared), Writer::Shared(Arc::clone(&pipe) as _)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut world = Self { pipe, shared, flusher, runtime, woken: Arc::default(), polled: 0, pending: Vec::new() };
        assert_eq!(world.poll(), Poll::Pending);
        world
    }

    fn poll(&mut self) -> Poll<()> {
        self.polled = self.woken.get();
        let _entered = self.runtime.enter();
        self.flusher.as_mut().poll(&mut Context::from_waker(&self.woken.waker()))
    }

    fn append(&mut self, append: Append, inline: bool, later: bool) {
        match self.pipe.append(&self.shared, append, inline) {
            push @ Push::Write(..) if later => {
                assert!(self.pending.is_empty(), "two write at a time");
                self.pending.push(push);
            }
            push => self.shared.act(push),
        }
    }

    fn write_pending(&mut self) {
        self.pending.drain(..).for_each(|push| self.shared.act(push));
    }

    /// Does what is left to do, in the order in which it was asked for.
    fn settle(&mut self) {
        self.write_pending();
        for _ in 0..10_000 {
            self.pipe.unblock();
            if self.woken.get() == self.polled {
                return;
            }
            assert_eq!(self.poll(), Poll::Pending);
        }
        panic!("the flusher does not come to rest");
    }
}

/// All frames in the order in which they were written; the parts of a large message as one.
fn whole(bytes: &[u8]) -> Vec<(Kind, u64, Vec<u8>)> {
    let (mut position, mut parts, mut seen) = (0, BTreeMap::new(), Vec::new());
    for frame in parse_all(bytes, &mut position) {
        let body: &mut Vec<u8> = parts.entry((frame.kind as u8, frame.id)).or_default();
        body.extend(frame.body);
        if !frame.more {
            seen.push((frame.kind, frame.id, std::mem::take(body)));
        }
    }
    assert_eq!(position, bytes.len(), "half a frame");
    assert!(parts.values().all(Vec::is_empty), "half a message");
    seen
}

#[derive(Debug, Clone)]
enum Step {
    Append { append: Append, inline: bool, later: bool },
    Meanwhile(Append),
    WritePending,
    Flusher,
    Unblock,
}

fn append() -> impl Strategy<Value = Append> {
    prop_oneof![5 => Just(Append::Ping), 1 => (5_000..150_000_usize).prop_map(Append::Large)]
}

fn step() -> impl Strategy<Value = Step> {
    let appended = (append(), any::<bool>(), any::<bool>());
    prop_oneof![
        6 => appended.prop_map(|(append, inline, later)| Step::Append { append, inline, later }),
        1 => append().prop_map(Step::Meanwhile),
        3 => Just(Step::WritePending),
        4 => Just(Step::Flusher),
        2 => Just(Step::Unblock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_frame_leaves_once_whole_and_in_order(
        steps in proptest::collection::vec(step(), 1..60),
        sizes in proptest::collection::vec(prop_oneof![Just(0), 1..40_usize, 1_000..100_000_usize], 0..60),
    ) {
        let mut world = World::new(Grant::default());
        world.pipe.takes(sizes);
        for step in steps {
            match step {
                Step::Append { append, inline, later } => world.append(append, inline, later),
                Step::Meanwhile(append) => world.pipe.meanwhile(append),
                Step::WritePending => world.write_pending(),
                Step::Flusher if world.woken.get() > world.polled => assert_eq!(world.poll(), Poll::Pending),
                Step::Flusher => {}
                Step::Unblock => world.pipe.unblock(),
            }
        }
        world.settle();
        let frames = whole(&world.pipe.written());
        let pings: Vec<u64> = frames.iter().filter(|frame| frame.0 == Kind::Ping).map(|frame| frame.1).collect();
        prop_assert!(pings.is_sorted_by(|a, b| a < b), "out of order: {pings:?}");
        prop_assert_eq!(frames.len(), world.pipe.appended() as usize);
        for (_, id, large) in frames.iter().filter(|frame| frame.0 == Kind::Request) {
            prop_assert_eq!(large, &body(*id as u32, large.len()));
        }
        let state = world.shared.lock();
        prop_assert_eq!((state.output.unsent(), state.output.accepted()), (0, world.pipe.written().len() as u64));
    }
}

#[test]
fn threads_that_send_at_once_get_every_frame_out_whole_and_once() {
    const THREADS: u32 = 4;
    const CALLS: u32 = 300;
    let grant =
        Grant { in_flight: THREADS * CALLS, request_window: u32::MAX, max_message: 1 << 20, ..Grant::default() };
    let (pipe, shared) = Pipe::connected(grant);
    let mut random = 1_u32;
    pipe.takes((0..2_000).map(|_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if random >> 30 == 0 { 0 } else { (random >> 14) as usize & 0xfff }
    }));
    let flusher = flusher::run(Arc::clone(&shared), Writer::Shared(Arc::clone(&pipe) as _));
    let flusher = thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(flusher);
    });
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || {
                for call in 0..CALLS {
                    let size = if call % 50 == 0 { 100_000 } else { 10 + call as usize };
                    let request = request(body(thread * CALLS + call, size));
                    shared.send(request, None, tokio::time::Instant::now(), None).unwrap();
                }
            });
        }
    });
    let until = Instant::now() + Duration::from_secs(30);
    while shared.lock().output.unsent() > 0 {
        assert!(Instant::now() < until, "the output stands still");
        pipe.unblock();
        thread::yield_now();
    }
    shared.terminate(&Status::unavailable("over"));
    flusher.join().unwrap();
    let mut tags: Vec<u32> = Vec::new();
    for (kind, _, sent) in whole(&pipe.written()) {
        assert_eq!(kind, Kind::Request);
        assert_eq!(sent, body(tag_of(&sent), sent.len()));
        tags.push(tag_of(&sent));
    }
    tags.sort_unstable();
    assert_eq!(tags, (0..THREADS * CALLS).collect::<Vec<_>>());
}

/// Sends a request and gives the closure that asks for its outcome.
fn send(world: &World, tag: u32, size: usize) -> impl Fn() -> Status + use<> {
    let (shared, count) = (Arc::clone(&world.shared), Arc::<Count>::default());
    let now = tokio::time::Instant::now();
    let id = shared.send(request(body(tag, size)), None, now, Some(count.waker())).unwrap();
    move || match shared.poll(id, &count.waker()) {
        Polled::Ready(Answer { ending: Ending::Status(status), .. }, _) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_still_leaves_after_the_close_may_run_and_one_that_does_not_has_not() {
    let grant = Grant { in_flight: 3, request_window: 300_000, max_message: 100_000, ..Grant::default() };
    let mut world = World::new(grant);
    world.pipe.takes([0]);
    let [first, second, large, queued] = [(0, 10), (1, 10), (2, 90_000), (3, 10)].map(|(t, s)| send(&world, t, s));
    world.shared.close();
    world.settle();
    let left: Vec<_> = whole(&world.pipe.written()).iter().map(|(kind, id, _)| (*kind, *id & 0x7fff_ffff)).collect();
    assert_eq!(left, [(Kind::Request, 0), (Kind::Request, 2), (Kind::Cancel, 0), (Kind::Cancel, 2)]);
    let ends = [first(), second(), large(), queued()];
    assert!(ends.iter().all(|status| status.code() == Code::Cancelled));
    assert_eq!(ends.map(|status| status.may_have_run()), [true, true, false, false]);
}

/// The last reference to a task whose drop asks for something.
struct Last(Arc<Shared>);

impl Wake for Last {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Last {
    fn drop(&mut self) {
        self.0.request(Request::Run);
    }
}

#[test]
fn the_waker_of_a_call_that_is_refused_is_dropped_without_the_lock() {
    let world = World::new(Grant::default());
    world.shared.close();
    let waker = Waker::from(Arc::new(Last(Arc::clone(&world.shared))));
    let refused = world.shared.send(request(body(0, 10)), None, tokio::time::Instant::now(), Some(waker));
    assert_eq!(refused.unwrap_err().code(), Code::Cancelled);
}

#[test]
fn a_lost_connection_tells_by_the_bytes_that_left_which_calls_may_have_run() {
    let mut world = World::new(Grant::default());
    world.pipe.takes([5, 0]);
    let [first, second] = [0, 1].map(|tag| send(&world, tag, 10));
    world.shared.terminate(&Status::unavailable("lost"));
    assert_eq!(world.poll(), Poll::Ready(()));
    assert_eq!([first(), second()].map(|status| status.may_have_run()), [true, false]);
}

#[test]
fn a_transport_that_fails_while_somebody_writes_may_have_taken_what_is_being_written() {
    let world = World::new(Grant::default());
    let [_first, second] = [0, 1].map(|tag| send(&world, tag, 10));
    let writing = world.shared.lock().push(true);
    assert!(matches!(writing, Push::Write(..)));
    world.shared.write_failed(std::io::ErrorKind::ConnectionReset.into());
    world.shared.terminate(&Status::unavailable("lost"));
    assert!(second().may_have_run());
}

#[test]
fn whoever_gives_up_waiting_lets_those_behind_it_go() {
    let grant = Grant { request_window: 100_000, max_message: 100_000, ..Grant::default() };
    let mut world = World::new(grant);
    let now = tokio::time::Instant::now();
    let ids = [60_000, 50_000, 10].map(|size| world.shared.send(request(body(0, size)), None, now, None).unwrap());
    world.settle();
    assert_eq!(whole(&world.pipe.written()).len(), 1);
    world.shared.abandon(ids[1]);
    world.settle();
    assert_eq!(whole(&world.pipe.written()).iter().map(|frame| frame.2.len()).collect::<Vec<_>>(), [60_000, 10]);
}

//! Random interleavings of the driver, runners that are held up and replaced, tasks and wakers: every call ends once,
//! places among the running are given back, and nobody sleeps while there is work.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    task::Wake,
};

use proptest::prelude::*;
use tokio::task;

use super::*;
use crate::{
    call::{Peer, Scene},
    codec::CodecKind,
    descriptor::{Execution, MethodDescriptor, MethodKind, ServiceDescriptor},
    router::{Arguments, HandlerFuture, Method, Router, Service, Start},
};

const MOST_RUNNING: usize = 3;

static METHOD: MethodDescriptor = MethodDescriptor {
    service: "S",
    name: "m",
    rust_name: "m",
    full_name: "S.m",
    kind: MethodKind::Unary,
    arguments: &[],
    output: "",
    items_in: None,
    items_out: None,
    docs: "",
    execution: Execution::Auto,
    deprecated: false,
};

struct Pending;

impl Service for Pending {
    fn name(&self) -> &str {
        "S"
    }
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ServiceDescriptor { name: "S", docs: "", methods: &[] }
    }
    fn methods(&self) -> Vec<Method> {
        fn row(_: &Arc<Pending>, _: &mut Arguments<'_>) -> Result<HandlerFuture, Status> {
            Ok(Box::pin(std::future::pending()))
        }
        vec![Method::new(&METHOD, &Arc::new(Self), row)]
    }
}

/// Whether a runner was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// What a runner has taken out of the table.
enum Hand {
    Nothing,
    Request(u64),
    Woken(u64, Key, Running),
    Polling(u64, Key, Running),
    Spawned(u64, AbortHandle),
    Stopped(u64, Key, Running),
    Over,
}

struct Runner {
    epoch: u64,
    flag: Arc<Flag>,
    hand: Hand,
}

struct World {
    table: Table,
    route: Arc<Route>,
    runners: Vec<Runner>,
    tasks: BTreeMap<u64, task::Id>,
    aborted: BTreeSet<task::Id>,
    choked: bool,
    tight: bool,
    /// Calls without an ending.
    open: BTreeSet<u64>,
    runtime: tokio::runtime::Runtime,
}

#[derive(Debug, Clone)]
enum Op {
    Admit(u64),
    Stop(u64),
    Wake(usize),
    Runner(usize, u8),
    TaskEnds(usize),
    Look,
    Choked(bool),
    Tight(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..9_u64).prop_map(Op::Admit),
        2 => (1..9_u64).prop_map(Op::Stop),
        3 => (0..8_usize).prop_map(Op::Wake),
        12 => (0..4_usize, any::<u8>()).prop_map(|(runner, choice)| Op::Runner(runner, choice)),
        2 => (0..8_usize).prop_map(Op::TaskEnds),
        2 => Just(Op::Look),
        1 => any::<bool>().prop_map(Op::Choked),
        1 => any::<bool>().prop_map(Op::Tight),
    ]
}

impl World {
    fn new() -> Self {
        let mut router = Router::default();
        router.register(&Pending).unwrap();
        let route = Arc::clone(router.find("S", "m").unwrap());
        let mut world = Self {
            table: Table::new(&Limits::default().running(MOST_RUNNING)),
            route,
            runners: Vec::new(),
            tasks: BTreeMap::new(),
            aborted: BTreeSet::new(),
            choked: false,
            tight: false,
            open: BTreeSet::new(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        };
        world.add_runner(0);
        world
    }

    fn add_runner(&mut self, epoch: u64) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        self.runners.push(Runner { epoch, flag, hand: Hand::Nothing });
    }

    fn play(&mut self, op: &Op) {
        match *op {
            Op::Admit(id) => {
                let (route, metadata) = (Arc::clone(&self.route), Metadata::new());
                let incoming = Incoming { route, metadata, body: Vec::new(), streams: None };
                assert_eq!(self.table.admit(id, incoming, None, Instant::now()).is_none(), self.open.insert(id));
                self.hand_on();
            }
            Op::Stop(id) => self.stop(id),
            Op::Wake(slot) => {
                if slot < self.table.slots.len() {
                    self.table.slots.waker_at(slot).wake();
                }
            }
            Op::Runner(runner, choice) => {
                let runner = runner % self.runners.len();
                self.step(runner, choice);
            }
            Op::TaskEnds(task) => {
                let id = self.tasks.keys().nth(task).copied();
                self.tasks_end(id.into_iter().collect());
            }
            Op::Look => {
                if let (Some((_, epoch)), _) = self.table.look() {
                    self.add_runner(epoch);
                }
            }
            Op::Tight(tight) => self.tight = tight,
            Op::Choked(choked) => {
                self.choked = choked;
                if !choked && std::mem::take(&mut self.table.choked) {
                    self.hand_on();
                }
            }
        }
        self.check();
    }

    fn hand_on(&mut self) {
        if let Some(runner) = self.table.runner.take() {
            runner.wake();
        }
    }

    fn stop(&mut self, id: u64) {
        match self.table.stop(id, &Status::unavailable("stopped")) {
            Stopped::No | Stopped::Polling => {}
            Stopped::Waiting(_) => self.ended(id),
            Stopped::Slot(waker) => waker.wake(),
            Stopped::Task(abort) => {
                self.aborted.insert(abort.id());
            }
        }
    }

    fn ended(&mut self, id: u64) {
        assert!(self.open.remove(&id) || self.table.closed, "{id} has ended twice");
    }

    fn tasks_end(&mut self, ids: Vec<u64>) {
        for id in ids {
            self.tasks.remove(&id);
            self.table.remove(id);
            self.ended(id);
            self.hand_on();
        }
    }

    /// A piece of a runner's turn, if it has one.
    fn step(&mut self, index: usize, choice: u8) {
        let Runner { epoch, flag, hand } = &mut self.runners[index];
        let (epoch, flag) = (*epoch, Arc::clone(flag));
        let hand = match std::mem::replace(hand, Hand::Nothing) {
            Hand::Over => Hand::Over,
            Hand::Nothing if !flag.0.swap(false, SeqCst) => Hand::Nothing,
            Hand::Nothing => {
                let next = self.next(epoch, &flag, choice % 2 == 0);
                if !matches!(next, Hand::Nothing | Hand::Over) {
                    flag.0.store(true, SeqCst);
                }
                next
            }
            Hand::Request(id) if choice % 2 == 0 => match self.table.poll_first(id, &self.route) {
                Some((key, _)) => Hand::Polling(id, key, self.handler()),
                None => self.stopped_before_start(id),
            },
            Hand::Request(id) if self.table.task_begins(id) => self.spawn(id),
            Hand::Request(id) => self.stopped_before_start(id),
            Hand::Woken(id, key, handler) if choice % 2 == 0 => Hand::Polling(id, key, handler),
            Hand::Woken(id, key, _) if self.table.leaves_for_task(id, key) => self.spawn(id),
            Hand::Woken(id, key, handler) => Hand::Stopped(id, key, handler),
            Hand::Polling(id, key, _) if choice % 2 == 0 => {
                self.table.done(id, key);
                self.ended(id);
                Hand::Nothing
            }
            Hand::Polling(id, key, handler) => match self.table.park(id, key, handler) {
                Some(handler) => Hand::Stopped(id, key, handler),
                None => {
                    if self.table.is_replaced(epoch) {
                        self.table.slots.waker(key).wake();
                    }
                    Hand::Nothing
                }
            },
            Hand::Spawned(id, abort) => {
                self.aborted.extend(self.table.task_is(id, abort).map(|abort| abort.id()));
                Hand::Nothing
            }
            Hand::Stopped(id, key, handler) => {
                drop(handler);
                assert!(self.table.done(id, key).is_some() || self.table.closed);
                self.ended(id);
                Hand::Nothing
            }
        };
        self.runners[index].hand = hand;
    }

    fn next(&mut self, epoch: u64, flag: &Arc<Flag>, fresh: bool) -> Hand {
        match self.table.next(epoch, fresh, self.choked, self.tight, Instant::now()) {
            Step::Over => {
                self.hand_on();
                Hand::Over
            }
            Step::Idle => {
                let waker = Waker::from(Arc::clone(flag));
                self.table.runner = Some(waker.clone());
                if self.table.slots.ready.poll_woken(&waker).0 {
                    waker.wake();
                }
                Hand::Nothing
            }
            Step::Start(id, ..) => Hand::Request(id),
            Step::Poll(id, key, handler) => Hand::Woken(id, key, handler),
            Step::Drop(id, key, handler) => Hand::Stopped(id, key, handler),
        }
    }

    fn handler(&self) -> Running {
        let scene = Scene::new(&METHOD, Arc::new(Peer::default()), None, Metadata::new());
        let start = Start { codec: CodecKind::default(), body: &[], scene, items: None, max_item: 0 };
        Running::start(&self.route, start).expect("it is made")
    }

    fn spawn(&mut self, id: u64) -> Hand {
        let abort = self.runtime.spawn(std::future::pending::<()>()).abort_handle();
        assert_eq!(self.tasks.insert(id, abort.id()), None);
        Hand::Spawned(id, abort)
    }

    fn stopped_before_start(&mut self, id: u64) -> Hand {
        assert!(self.table.forget(id).is_some() || self.table.closed);
        self.ended(id);
        Hand::Nothing
    }

    /// Who counts as running, counted by hand.
    fn check(&self) {
        let polled = |runner: &&Runner| matches!(runner.hand, Hand::Woken(..) | Hand::Polling(..) | Hand::Stopped(..));
        let held = self.runners.iter().filter(polled).count();
        let held_up = held - usize::from(self.table.polling.is_some());
        let (parked, tasks) = (self.table.slots.waiting(), self.tasks.len());
        assert_eq!(self.table.running, held_up + parked + tasks, "{held_up} {parked} {tasks}");
        assert!(self.table.running <= MOST_RUNNING);
    }

    /// Lets everybody go on who was woken; handlers end when they are polled.
    fn settle(&mut self) {
        self.play(&Op::Tight(false));
        self.play(&Op::Choked(false));
        for _ in 0..200 {
            for runner in 0..self.runners.len() {
                self.step(runner, 0);
            }
        }
    }

    fn end_tasks(&mut self, only_aborted: bool) {
        let ended = |id: &task::Id| !only_aborted || self.aborted.contains(id);
        let ids = self.tasks.iter().filter(|(_, task)| ended(task)).map(|(id, _)| *id).collect();
        self.tasks_end(ids);
    }

    fn nothing_is_left(&mut self) {
        assert!(self.open.is_empty(), "{:?} have not ended", self.open);
        assert_eq!((self.table.calls.len(), self.tasks.len(), self.table.running), (0, 0, 0));
        assert!(self.table.polling.is_none());
        assert_eq!(self.table.slots.taken(), 0);
        self.table.shrink();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_call_ends_once_when_handlers_and_tasks_end(ops in proptest::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.play(op));
        for _ in 0..20 {
            (0..8).for_each(|slot| world.play(&Op::Wake(slot)));
            world.settle();
            world.end_tasks(false);
        }
        world.nothing_is_left();
    }

    #[test]
    fn every_call_ends_once_when_it_is_stopped(ops in proptest::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.play(op));
        (1..9).for_each(|id| world.stop(id));
        world.settle();
        world.end_tasks(true);
        world.settle();
        world.nothing_is_left();
    }

    #[test]
    fn a_close_leaves_no_handler_and_no_task(ops in proptest::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.play(op));
        let left = world.table.close();
        for served in &left.served {
            if let Stage::Task(abort) = &served.stage {
                world.aborted.insert(abort.id());
            }
        }
        if let Some(runner) = left.runner {
            runner.wake();
        }
        for _ in 0..8 {
            (0..world.runners.len()).for_each(|runner| world.step(runner, 0));
        }
        assert!(world.tasks.values().all(|task| world.aborted.contains(task)));
        assert!(world.runners.iter().all(|runner| matches!(runner.hand, Hand::Over | Hand::Nothing)));
        assert_eq!((world.table.calls.len(), world.table.slots.waiting()), (0, 0));
    }
}

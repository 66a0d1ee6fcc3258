//! One call of each kind, from its start to its outcome, and whether that is one that it may have.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use futures_util::{Stream, StreamExt, future::join_all, stream as streams};
use rpc_runtime::{Channel, prelude::*};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    history::{Outcome, seal},
    net::LinkId,
    observer::CALL,
    report::Fault,
    services::{Job, LedgerClient, Open, Piece, Refusal, Site, Then, Work, marked},
};

/// A stream that its consumer may leave alone has no time of its own.
const LONG: Duration = Duration::from_secs(3_600);

/// What clients hear of the world.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// No further calls are to be started.
    pub(crate) stopping: AtomicBool,
    /// Nothing goes wrong but what callers and servers do by choice: no call is lost on its way.
    pub(crate) calm: bool,
    /// How often the clock of any host was changed.
    pub(crate) jumps: AtomicU64,
}

/// Who makes calls on one connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) site: Site,
    pub(crate) control: Arc<Control>,
    pub(crate) channel: Channel,
    pub(crate) ledger: LedgerClient,
    pub(crate) link: LinkId,
    pub(crate) rng: Rng,
    /// The channel was closed here.
    pub(crate) closed: Arc<AtomicBool>,
    /// The longest message that either end takes.
    pub(crate) largest: usize,
}

impl Caller {
    /// One call, or a flood of them.
    pub(crate) async fn go(&mut self) {
        if self.rng.u16(..500) == 0 {
            self.site.history.fault(Fault::Flood);
            let count = self.rng.usize(16..=200);
            let mut callers: Vec<_> = (0..count).map(|_| Self { rng: self.rng.fork(), ..self.clone() }).collect();
            join_all(callers.iter_mut().map(Self::one)).await;
        } else {
            self.one().await;
        }
    }

    async fn one(&mut self) {
        if self.rng.u8(..12) == 0 {
            let patience = Duration::from_micros(self.rng.u64(0..60_000));
            if timeout(patience, self.call()).await.is_err() {
                self.site.history.fault(Fault::Cancel);
            }
        } else {
            self.call().await;
        }
    }

    async fn call(&mut self) {
        match self.rng.u8(..100) {
            0..55 => self.run().await,
            55..70 => self.echo().await,
            70..78 => self.count().await,
            78..86 => self.collect().await,
            86..93 => self.relay().await,
            _ => self.call_back().await,
        }
    }

    /// What a handler is to do, and how long it may take.
    fn job(&mut self, open: &Open) -> Job {
        let (id, seal) = (open.id, seal(open.id, self.link as u64));
        let work = match self.rng.u8(..16) {
            0..8 => Work::Nothing,
            8..11 => Work::Yields(self.rng.u8(1..4)),
            11..15 => Work::Sleeps { ms: self.rng.u64(0..80) },
            _ => Work::Hangs,
        };
        let then = match self.rng.u8(..40) {
            0 => Then::Panic,
            1..5 => Then::Error,
            _ => Then::Value,
        };
        let items = if self.rng.u8(..20) == 0 { self.rng.u64(0..400) } else { self.rng.u64(0..12) };
        Job { id, seal, link: self.link, work, then, items, size: self.size() }
    }

    fn size(&mut self) -> usize {
        match self.rng.u8(..64) {
            // Some are above what a message may be, and many leave in parts.
            0 => self.rng.usize(0..self.largest + self.largest / 8),
            1..8 => self.rng.usize(0..4_096),
            _ => self.rng.usize(0..64),
        }
    }

    /// From what is hardly enough to what is more than enough.
    fn time(&mut self) -> Duration {
        let most = [5, 50, 500, 2_000, 2_000, 2_000, 2_000, 2_000][self.rng.usize(..8)];
        Duration::from_millis(self.rng.u64(1..=most))
    }

    fn begin(&mut self, kind: &'static str, time: Duration) -> (Open, Began) {
        let began = Began {
            at: Instant::now(),
            time,
            jumps: self.control.jumps.load(Relaxed),
            late: LATE,
            panics: false,
            calls_back: kind == "call_back",
        };
        (Open::new(&self.site.history, kind, self.link, time), began)
    }

    async fn run(&mut self) {
        let time = self.time();
        let (open, mut began) = self.begin("run", time);
        let (job, length) = (self.job(&open), self.size());
        began.panics = job.then == Then::Panic;
        let (id, size) = (job.id, job.size);
        let number = open.id.to_string();
        let call = self.ledger.run(job, vec![0; length]).metadata(CALL, number).timeout(time);
        let outcome = if self.rng.bool() { call.await } else { call.start().await };
        match outcome {
            Ok(piece) if piece.is(id, length as u64, size) => self.done(open, &began, Outcome::Ok),
            Ok(piece) => open.garbled(&format!("{piece:?}")),
            Err(CallError::Service(refusal)) => self.refused(open, &began, &refusal),
            Err(CallError::Status(status)) => self.failed(open, &began, &status),
        }
    }

    async fn echo(&mut self) {
        let time = self.time();
        let (open, began) = self.begin("echo", time);
        let bytes = marked(open.id, self.size());
        let number = open.id.to_string();
        let call = self.ledger.echo(&bytes).metadata(CALL, number).timeout(time);
        match call.await {
            Ok(echoed) if echoed == bytes => self.done(open, &began, Outcome::Ok),
            Ok(echoed) => open.garbled(&format!("{} bytes for {}", echoed.len(), bytes.len())),
            Err(status) => self.failed(open, &began, &status),
        }
    }

    async fn count(&mut self) {
        let (open, mut began) = self.begin("count", LONG);
        let mut job = self.job(&open);
        self.fit(&mut job);
        began.panics = job.then == Then::Panic;
        began.time = self.time();
        let (items, size, fails) = (job.items, job.size, job.then == Then::Error);
        let number = open.id.to_string();
        match self.ledger.count(job).metadata(CALL, number).timeout(began.time).await {
            Ok(stream) => self.consume(open, began, stream, (items, size, fails)).await,
            Err(status) => self.failed(open, &began, &status),
        }
    }

    async fn collect(&mut self) {
        let (open, mut began) = self.begin("collect", LONG);
        let mut job = self.job(&open);
        self.fit(&mut job);
        began.panics = job.then == Then::Panic;
        began.time = self.time();
        let (id, items, size) = (job.id, job.items, job.size);
        let pieces = self.pieces(id, items, size);
        let number = open.id.to_string();
        match self.ledger.collect(job, pieces).metadata(CALL, number).timeout(began.time).await {
            Ok(piece) if piece.is(id, items, size) => self.done(open, &began, Outcome::Ok),
            Ok(piece) => open.garbled(&format!("{piece:?} for {items} items")),
            Err(status) => self.failed(open, &began, &status),
        }
    }

    async fn relay(&mut self) {
        let (open, mut began) = self.begin("relay", LONG);
        let mut job = self.job(&open);
        self.fit(&mut job);
        began.panics = job.then == Then::Panic;
        began.time = self.time();
        let (id, items, size) = (job.id, job.items, job.size);
        let pieces = self.pieces(id, items, size);
        let number = open.id.to_string();
        match self.ledger.relay(job, pieces).metadata(CALL, number).timeout(began.time).await {
            Ok(stream) => self.consume(open, began, stream, (items, size, false)).await,
            Err(status) => self.failed(open, &began, &status),
        }
    }

    async fn call_back(&mut self) {
        let time = self.time();
        let (open, mut began) = self.begin("call_back", time);
        let job = self.job(&open);
        began.panics = job.then == Then::Panic;
        let (id, size) = (job.id, job.size);
        let number = open.id.to_string();
        match self.ledger.call_back(job).metadata(CALL, number).timeout(time).await {
            Ok(piece) if piece.is(id, 0, size) => self.done(open, &began, Outcome::Ok),
            Ok(piece) => open.garbled(&format!("{piece:?}")),
            Err(status) => self.failed(open, &began, &status),
        }
    }

    /// Streams of many items have small ones.
    fn fit(&self, job: &mut Job) {
        if job.items > 12 {
            job.size %= 512;
        }
    }

    /// What a caller sends: at once, or now and then.
    fn pieces(&mut self, id: u64, items: u64, size: usize) -> impl Stream<Item = Piece> + Send + use<> {
        let pause = if self.rng.u8(..4) == 0 { self.rng.u64(1..10) } else { 0 };
        streams::unfold(0, move |index| async move {
            if index == items {
                return None;
            }
            if pause > 0 {
                sleep(Duration::from_millis(pause)).await;
            }
            Some((Piece::new(id, index, size), index + 1))
        })
    }

    /// Takes the items of a stream: quickly, slowly, or not to its end.
    async fn consume<E: Failed>(
        &mut self,
        open: Open,
        mut began: Began,
        mut stream: impl Stream<Item = Result<Piece, E>> + Unpin,
        (items, size, fails): (u64, usize, bool),
    ) {
        let slow = self.rng.u8(..6) == 0;
        let leaves_at = if self.rng.u8(..16) == 0 { self.rng.u64(..=items) } else { u64::MAX };
        if slow {
            self.site.history.fault(Fault::SlowConsumer);
            // Items that came in time may be looked at later.
            began.late = LONG;
        }
        let mut index = 0;
        loop {
            if index == leaves_at {
                self.site.history.fault(Fault::StoppedConsumer);
                return sleep(Duration::from_millis(self.rng.u64(0..500))).await;
            }
            if slow {
                sleep(Duration::from_millis(self.rng.u64(0..20))).await;
            }
            match stream.next().await {
                Some(Ok(piece)) if piece.is(open.id, index, size) => index += 1,
                Some(Ok(piece)) => return open.garbled(&format!("item {index} is {piece:?}")),
                Some(Err(error)) => {
                    return match error.split() {
                        Ok(refusal) if fails && index == items => self.refused(open, &began, &refusal),
                        Ok(refusal) => open.garbled(&format!("{refusal:?} after {index} items of {items}")),
                        Err(status) => self.failed(open, &began, &status),
                    };
                }
                None if index == items && !fails => {
                    self.site.history.items(items);
                    return self.done(open, &began, Outcome::Ok);
                }
                None => return open.garbled(&format!("the end after {index} items of {items}")),
            }
        }
    }

    fn refused(&self, open: Open, began: &Began, refusal: &Refusal) {
        if refusal.id == open.id {
            self.done(open, began, Outcome::Service);
        } else {
            open.garbled(&format!("{refusal:?}"));
        }
    }

    fn done(&self, open: Open, began: &Began, outcome: Outcome) {
        self.in_time(&open, began);
        open.complete(outcome);
    }

    /// A call may fail in few ways as long as nobody changes its bytes.
    fn failed(&self, open: Open, began: &Began, status: &Status) {
        let history = &self.site.history;
        let expected = match status.code() {
            Code::Unavailable => !(self.control.calm && status.may_have_run() && self.is_open() && !began.calls_back),
            Code::ResourceExhausted => true,
            Code::DeadlineExceeded => {
                history.fault(Fault::Deadline);
                if began.at.elapsed() + TICK < began.time && !self.jumped(began) {
                    history.wrong(open.id, &format!("its time was over after {:?}: {status}", began.at.elapsed()));
                }
                true
            }
            Code::Internal => began.panics,
            // Closed here, or at the other end while it was called back.
            Code::Cancelled => true,
            _ => false,
        };
        if !expected && !history.is_tainted(self.link) {
            history.wrong(open.id, &format!("failed with {status}"));
        }
        self.done(open, began, Outcome::of(status));
    }

    /// This side has not closed the channel.
    fn is_open(&self) -> bool {
        !self.closed.load(Relaxed)
    }

    /// Nothing takes longer than its time.
    fn in_time(&self, open: &Open, began: &Began) {
        let took = began.at.elapsed();
        if took > began.time + began.late && !self.jumped(began) {
            self.site.history.wrong(open.id, &format!("took {took:?}, its time was {:?}", began.time));
        }
    }

    fn jumped(&self, began: &Began) -> bool {
        self.control.jumps.load(Relaxed) != began.jumps
    }
}

/// The coarseness of timers.
const TICK: Duration = Duration::from_millis(2);
/// How much later than its time a call may end at its caller.
const LATE: Duration = Duration::from_millis(25);

/// What is remembered of a call's start.
struct Began {
    at: Instant,
    time: Duration,
    jumps: u64,
    late: Duration,
    panics: bool,
    /// A server that drains makes no new calls back.
    calls_back: bool,
}

/// The error of a stream: the service's own, or a status.
trait Failed {
    fn split(self) -> Result<Refusal, Status>;
}

impl Failed for Status {
    fn split(self) -> Result<Refusal, Status> {
        Err(self)
    }
}

impl Failed for CallError<Refusal> {
    fn split(self) -> Result<Refusal, Status> {
        match self {
            Self::Service(refusal) => Ok(refusal),
            Self::Status(status) => Err(status),
        }
    }
}

//! The services of the simulation: each kind of method, told by its arguments what to do, and a witness of it in the
//! [history](crate::history).

use std::{pin::pin, time::Duration};

use futures_util::{Stream, StreamExt, stream as streams};
use rpc_runtime::{Channel, Context, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::{task::yield_now, time::sleep};

use crate::{
    history::{End, History, Outcome, Working, seal},
    net::HostId,
    observer::CALL,
    report::Fault,
};

/// What a handler is to do, and for which call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) seal: u64,
    /// The connection of the call.
    pub(crate) link: usize,
    pub(crate) work: Work,
    pub(crate) then: Then,
    /// How many items, and of how many bytes each; or the bytes of a value.
    pub(crate) items: u64,
    pub(crate) size: usize,
}

/// What a handler does before its end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Work {
    Nothing,
    Yields(u8),
    Sleeps {
        ms: u64,
    },
    /// Until it is dropped.
    Hangs,
}

/// How a handler ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Then {
    Value,
    Error,
    Panic,
}

/// The service's own error.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) id: u64,
}

/// What proves that it is the answer of this call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) id: u64,
    pub(crate) index: u64,
    pub(crate) seal: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Piece {
    pub(crate) fn new(id: u64, index: u64, size: usize) -> Self {
        Self { id, index, seal: seal(id, index), bytes: vec![id as u8; size] }
    }

    /// Whether it is what was made for this call.
    pub(crate) fn is(&self, id: u64, index: u64, size: usize) -> bool {
        let whole = self.bytes.len() == size && self.bytes.iter().all(|byte| *byte == id as u8);
        (self.id, self.index, self.seal) == (id, index, seal(id, index)) && whole
    }
}

/// What servers offer.
#[rpc_service]
pub(crate) trait Ledger {
    async fn run(&self, job: Job, bytes: Vec<u8>) -> Result<Piece, Refusal>;
    async fn echo(&self, bytes: &[u8]) -> Vec<u8>;
    fn count(&self, job: Job) -> impl Stream<Item = Result<Piece, Refusal>>;
    async fn collect(&self, job: Job, pieces: Streaming<Piece>) -> Result<Piece, Status>;
    fn relay(&self, job: Job, pieces: Streaming<Piece>) -> impl Stream<Item = Result<Piece, Status>>;
    async fn call_back(&self, job: Job) -> Result<Piece, Status>;
}

/// What clients offer to the servers that they call.
#[rpc_service]
pub(crate) trait Witness {
    async fn seen(&self, id: u64, seal: u64) -> Piece;
}

/// Both services, on whatever host.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) history: History,
    pub(crate) host: HostId,
}

impl Site {
    /// A handler begins, if the job is as it was sent: a changed one is nobody's.
    fn begin(&self, id: u64, of: u64, sealed: u64) -> Option<Working> {
        (seal(id, of) == sealed).then(|| self.history.began(id))
    }

    async fn work(&self, job: &Job) -> Option<Working> {
        let working = self.begin(job.id, job.link as u64, job.seal);
        match job.work {
            Work::Nothing => {}
            Work::Yields(times) => {
                for _ in 0..times {
                    yield_now().await;
                }
            }
            Work::Sleeps { ms } => sleep(Duration::from_millis(ms)).await,
            Work::Hangs => std::future::pending().await,
        }
        if job.then == Then::Panic {
            self.history.fault(Fault::Panic);
            #[expect(clippy::panic, reason = "a handler's, which the runtime survives")]
            {
                panic!("{PLANNED}");
            }
        }
        working
    }
}

/// What panics of handlers say that are meant.
pub(crate) const PLANNED: &str = "a planned panic";

fn ends<T>(working: Option<&Working>, end: End, value: T) -> T {
    if let Some(working) = working {
        working.ends(end);
    }
    value
}

impl Ledger for Site {
    async fn run(&self, job: Job, bytes: Vec<u8>) -> Result<Piece, Refusal> {
        let working = self.work(&job).await;
        match job.then {
            Then::Error => ends(working.as_ref(), End::Error, Err(Refusal { id: job.id })),
            _ => ends(working.as_ref(), End::Value, Ok(Piece::new(job.id, bytes.len() as u64, job.size))),
        }
    }

    async fn echo(&self, bytes: &[u8]) -> Vec<u8> {
        let (id, sealed) = unmark(bytes);
        let working = self.begin(id, u64::MAX, sealed);
        ends(working.as_ref(), End::Value, bytes.to_vec())
    }

    fn count(&self, job: Job) -> impl Stream<Item = Result<Piece, Refusal>> {
        let site = self.clone();
        streams::once(async move { (site.work(&job).await, job) }).flat_map(|(working, job)| {
            streams::unfold((working, job, 0), |(working, job, index)| async move {
                let item = match (index < job.items, job.then) {
                    (true, _) => Ok(Piece::new(job.id, index, job.size)),
                    (false, Then::Error) if index == job.items => {
                        ends(working.as_ref(), End::Error, Err(Refusal { id: job.id }))
                    }
                    (false, Then::Error) => return None,
                    (false, _) => return ends(working.as_ref(), End::Value, None),
                };
                Some((item, (working, job, index + 1)))
            })
        })
    }

    async fn collect(&self, job: Job, mut pieces: Streaming<Piece>) -> Result<Piece, Status> {
        let working = self.work(&job).await;
        let mut index = 0;
        while let Some(piece) = pieces.next().await {
            self.check(&job, index, &piece?, working.is_some());
            index += 1;
        }
        Ok(ends(working.as_ref(), End::Value, Piece::new(job.id, index, job.size)))
    }

    fn relay(&self, job: Job, pieces: Streaming<Piece>) -> impl Stream<Item = Result<Piece, Status>> {
        let site = self.clone();
        streams::once(async move { (site.work(&job).await, site, job, pieces) }).flat_map(
            |(working, site, job, pieces)| {
                streams::unfold((working, site, job, pieces, 0), |(working, site, job, mut pieces, index)| async move {
                    let Some(piece) = pieces.next().await else {
                        return ends(working.as_ref(), End::Value, None);
                    };
                    let piece = piece.inspect(|piece| site.check(&job, index, piece, working.is_some()));
                    Some((piece, (working, site, job, pieces, index + 1)))
                })
            },
        )
    }

    async fn call_back(&self, job: Job) -> Result<Piece, Status> {
        let working = self.work(&job).await;
        if working.is_none() {
            return Err(Status::invalid_argument("the job was changed on its way"));
        }
        let remaining = Context::current().remaining().unwrap_or(Duration::from_secs(3_600));
        let open = Open::new(&self.history, "callback", job.link, remaining);
        let (id, sealed) = open.sealed();
        let mut seen = pin!(WitnessClient::new(Channel::caller()).seen(id, sealed).metadata(CALL, id.to_string()));
        match seen.as_mut().await {
            Ok(piece) if piece.is(id, 0, 0) => open.complete(Outcome::Ok),
            Ok(piece) => open.garbled(&format!("{piece:?}")),
            Err(status) => {
                open.complete(Outcome::of(&status));
                return Err(status);
            }
        }
        Ok(ends(working.as_ref(), End::Value, Piece::new(job.id, 0, job.size)))
    }
}

impl Site {
    /// An item of a caller must be the next one.
    fn check(&self, job: &Job, index: u64, piece: &Piece, sealed: bool) {
        if sealed && !piece.is(job.id, index, job.size) && !self.history.is_tainted(job.link) {
            self.history.wrong(job.id, &format!("item {index} of the caller is {piece:?}"));
        }
    }
}

impl Witness for Site {
    async fn seen(&self, id: u64, seal: u64) -> Piece {
        let working = self.begin(id, u64::MAX, seal);
        ends(working.as_ref(), End::Value, Piece::new(id, 0, 0))
    }
}

/// Bytes that say whose they are: the id and its seal, and filling.
pub(crate) fn marked(id: u64, size: usize) -> Vec<u8> {
    let mut bytes = Vec::from(id.to_le_bytes());
    bytes.extend(seal(id, u64::MAX).to_le_bytes());
    bytes.resize(16 + size, id as u8);
    bytes
}

fn unmark(bytes: &[u8]) -> (u64, u64) {
    let number =
        |from: usize| bytes.get(from..from + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    (number(0).unwrap_or(u64::MAX), number(8).unwrap_or(0))
}

/// A call that was started and has no outcome. Whoever drops it has given it up.
pub(crate) struct Open {
    history: History,
    pub(crate) id: u64,
    link: usize,
    done: bool,
}

impl Open {
    /// The call begins. It must have an outcome within `time`.
    pub(crate) fn new(history: &History, kind: &'static str, link: usize, time: Duration) -> Self {
        let id = history.start(kind, link, time);
        Self { history: history.clone(), id, link, done: false }
    }

    pub(crate) fn sealed(&self) -> (u64, u64) {
        (self.id, seal(self.id, u64::MAX))
    }

    pub(crate) fn complete(mut self, outcome: Outcome) {
        self.done = true;
        self.history.complete(self.id, outcome);
    }

    /// What came is not what was to come: wrong, but where bytes were changed on their way.
    pub(crate) fn garbled(self, what: &str) {
        if !self.history.is_tainted(self.link) {
            self.history.wrong(self.id, what);
        }
        self.complete(Outcome::Garbled);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.done {
            self.history.complete(self.id, Outcome::Dropped);
        }
    }
}

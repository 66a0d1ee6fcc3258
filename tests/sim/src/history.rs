//! What each call was meant to do, did, and came to, seen from both ends; and whether these agree.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rpc_runtime::Status;

use crate::{
    net::{LinkId, Micros},
    report::{Fault, Report},
};

/// How much later than its time a call may end.
const SLACK: Micros = 20_000;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its value, and all items that belong to it.
    Ok,
    /// The service's own error.
    Service,
    NotExecuted,
    Unknown,
    /// The value of a call on a connection whose bytes were changed, and it was.
    Garbled,
    /// The caller has given it up, or has crashed.
    Dropped,
}

impl Outcome {
    pub(crate) fn of(status: &Status) -> Self {
        if status.may_have_run() { Self::Unknown } else { Self::NotExecuted }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Service => "service",
            Self::NotExecuted => "not_executed",
            Self::Unknown => "unknown",
            Self::Garbled => "garbled",
            Self::Dropped => "dropped",
        }
    }
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Value,
    Error,
}

/// What is known of one call.
#[derive(Debug)]
struct Call {
    kind: &'static str,
    link: LinkId,
    written: bool,
    began: u32,
    ended: Option<End>,
    outcome: Option<Outcome>,
    /// When it must have its outcome.
    due: Micros,
}

/// All calls of a run. Clones are handles of one.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now: Micros,
    calls: Vec<Call>,
    /// Links of which bytes were changed.
    tainted: Vec<LinkId>,
    /// Links on which nobody sees what is written.
    unwatched: Vec<LinkId>,
    handlers: u64,
    violations: Vec<String>,
    report: Report,
    open: BTreeSet<u64>,
}

impl Inner {
    fn violation(&mut self, id: u64, what: &str) {
        let Self { now, calls, .. } = self;
        let text = match calls.get(id as usize) {
            Some(call) => format!("{:.3} ms, {} {id}: {what}: {call:?}", *now as f64 / 1e3, call.kind),
            None => format!("{:.3} ms, call {id}: {what}", *now as f64 / 1e3),
        };
        self.violations.push(text);
    }

    fn is_tainted(&self, id: u64) -> bool {
        self.calls.get(id as usize).is_some_and(|call| self.tainted.contains(&call.link))
    }
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins on a connection; gives its id. It must have an outcome within `time`.
    pub(crate) fn start(&self, kind: &'static str, link: LinkId, time: Duration) -> u64 {
        let mut inner = self.lock();
        let due = inner.now + time.as_micros() as Micros + SLACK;
        let id = inner.calls.len() as u64;
        inner.calls.push(Call { kind, link, written: false, began: 0, ended: None, outcome: None, due });
        inner.open.insert(id);
        inner.report.calls += 1;
        *inner.report.kinds.entry(kind).or_default() += 1;
        id
    }

    /// The request of a call was written, whole or its first part.
    pub(crate) fn written(&self, id: u64) {
        let mut inner = self.lock();
        inner.report.written += 1;
        if let Some(call) = inner.calls.get_mut(id as usize) {
            call.written = true;
        }
    }

    /// A handler begins to work for a call.
    pub(crate) fn began(&self, id: u64) -> Working {
        let mut inner = self.lock();
        inner.handlers += 1;
        let tainted = inner.is_tainted(id);
        if let Some(call) = inner.calls.get_mut(id as usize) {
            call.began += 1;
            let (twice, refused) = (call.began > 1, call.outcome == Some(Outcome::NotExecuted));
            let (written, link) = (call.written, call.link);
            let unwritten = !written && !inner.unwatched.contains(&link);
            if twice && !tainted {
                inner.report.duplicated += 1;
                inner.violation(id, "executed twice");
            }
            if unwritten && !tainted {
                inner.violation(id, "executed before it was written");
            }
            if refused && !tainted {
                inner.violation(id, "executed after it was said not to be");
            }
        }
        drop(inner);
        Working { history: self.clone(), id }
    }

    /// A call has come to its end.
    pub(crate) fn complete(&self, id: u64, outcome: Outcome) {
        let mut inner = self.lock();
        let tainted = inner.is_tainted(id);
        inner.open.remove(&id);
        *inner.report.outcomes.entry(outcome.name()).or_default() += 1;
        let Some(call) = inner.calls.get_mut(id as usize) else { return };
        let before = call.outcome.replace(outcome);
        let (began, ended) = (call.began, call.ended);
        if before.is_some() {
            inner.violation(id, &format!("a second outcome, after {before:?}"));
        }
        let agrees = match outcome {
            Outcome::Ok => ended == Some(End::Value),
            Outcome::Service => ended == Some(End::Error),
            Outcome::NotExecuted => began == 0,
            Outcome::Garbled => tainted,
            Outcome::Unknown | Outcome::Dropped => true,
        };
        if tainted {
            return;
        }
        inner.report.compared += 1;
        if !agrees {
            inner.report.lost += u64::from(outcome != Outcome::NotExecuted);
            inner.violation(id, &format!("{outcome:?} is not what happened"));
        }
    }

    pub(crate) fn taint(&self, link: LinkId) {
        self.lock().tainted.push(link);
    }

    pub(crate) fn unwatch(&self, link: LinkId) {
        self.lock().unwatched.push(link);
    }

    pub(crate) fn is_tainted(&self, link: LinkId) -> bool {
        self.lock().tainted.contains(&link)
    }

    pub(crate) fn wrong(&self, id: u64, what: &str) {
        self.lock().violation(id, what);
    }

    /// Something is left that should have gone.
    pub(crate) fn leak(&self, what: &str) {
        let mut inner = self.lock();
        let at = inner.now as f64 / 1e3;
        inner.violations.push(format!("{at:.3} ms, left behind: {what}"));
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.lock().report.fault(fault);
    }

    pub(crate) fn items(&self, count: u64) {
        self.lock().report.items += count;
    }

    /// Time goes on; whoever is overdue hangs. Looking at all is enough now and then.
    pub(crate) fn tick(&self, now: Micros) {
        let mut inner = self.lock();
        inner.now = now;
        if now % 64_000 != 0 {
            return;
        }
        let Inner { open, calls, .. } = &*inner;
        let hung: Vec<_> = open.iter().copied().filter(|id| calls[*id as usize].due < now).collect();
        for id in hung {
            inner.open.remove(&id);
            inner.report.hung += 1;
            inner.violation(id, "no outcome in time");
        }
    }

    /// A host was stopped for a while: whatever is due there is due later.
    pub(crate) fn delay(&self, by: Micros) {
        let mut inner = self.lock();
        let Inner { open, calls, .. } = &mut *inner;
        open.iter().for_each(|id| calls[*id as usize].due += by);
    }

    pub(crate) fn open(&self) -> usize {
        self.lock().open.len()
    }

    /// Handlers that have begun and were neither done nor dropped.
    pub(crate) fn handlers(&self) -> u64 {
        self.lock().handlers
    }

    /// What was counted, and what was violated.
    pub(crate) fn take(&self) -> (Report, Vec<String>) {
        let mut inner = self.lock();
        (std::mem::take(&mut inner.report), std::mem::take(&mut inner.violations))
    }
}

/// A handler at work. Its drop is the handler's.
pub(crate) struct Working {
    history: History,
    id: u64,
}

impl Working {
    /// The handler is about to return this.
    pub(crate) fn ends(&self, end: End) {
        if let Some(call) = self.history.lock().calls.get_mut(self.id as usize) {
            call.ended = Some(end);
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.history.lock().handlers -= 1;
    }
}

/// What an id must have beside it: a changed byte is found.
pub(crate) fn seal(id: u64, index: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(id);
    hasher.write_u64(index);
    hasher.finish()
}

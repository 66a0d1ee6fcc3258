//! The client: calls at a pace, over connections that it makes anew by itself, until every call has its outcome.

mod calls;
mod link;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rpc_runtime::{Limits, Status};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Result,
    ledger::{Ledger, Mark},
    messages::{ATTEMPTS, Load, Order, Pace, Report, orders},
    sample::Sample,
};
use link::Link;

/// The pause after a call that was not executed.
const PAUSE: Duration = Duration::from_millis(5);
/// A call without an outcome so long after its time is over hangs.
const GRACE: Duration = Duration::from_secs(5);
/// How often calls are begun at a rate.
const TICK: Duration = Duration::from_millis(5);

/// Whoever makes the calls.
struct Caller {
    load: Load,
    ledger: Ledger,
    links: Vec<Link>,
    next: AtomicU64,
    outcomes: Mutex<BTreeMap<Mark, u64>>,
}

/// Makes the calls, and says what became of them.
pub(crate) async fn load(load: Load) -> Result<()> {
    let ledger = Ledger::open(load.ledger.as_deref())?;
    let limits = limits(&load);
    let links = (0..load.links).map(|number| Link::new(&load.servers, number, &limits)).collect();
    let (next, outcomes) = (AtomicU64::new(load.first), Mutex::default());
    let caller = Arc::new(Caller { load, ledger, links, next, outcomes });
    for link in &caller.links {
        let connected = link.client().await;
        // Whoever tries again does so later as well.
        if !caller.load.again {
            connected?;
        }
    }
    Report::Connected.say()?;
    let stop = watch::Sender::new(false);
    tokio::select! {
        () = caller.make_calls(stop.subscribe()) => {}
        () = caller.close_links() => {}
        () = caller.obey(&stop) => {}
    }
    Ok(Report::done(&caller.outcomes.lock().unwrap_or_else(PoisonError::into_inner)).say()?)
}

fn limits(load: &Load) -> Limits {
    let mut limits = Limits::default();
    if let Some(ms) = load.stall_ms {
        limits = limits.stall_timeout(Duration::from_millis(ms));
    }
    if let Some((interval, timeout)) = load.keepalive_ms {
        limits = limits.keepalive(Duration::from_millis(interval), Duration::from_millis(timeout));
    }
    limits
}

impl Caller {
    /// Until it is told to stop, or all are made; and until all have an outcome.
    async fn make_calls(self: &Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut calls = JoinSet::new();
        match self.load.pace {
            Pace::Burst(count) => (0..count).for_each(|_| drop(calls.spawn(self.clone().one()))),
            Pace::Workers(workers) => {
                for _ in 0..workers {
                    let (caller, stop) = (self.clone(), stop.clone());
                    calls.spawn(async move {
                        while !*stop.borrow() {
                            caller.clone().one().await;
                        }
                    });
                }
            }
            Pace::Rate(rate) => tokio::select! {
                () = self.at_rate(rate, &mut calls) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            },
        }
        while calls.join_next().await.is_some() {}
    }

    /// What was due while this task was not run is begun later, and not left out.
    async fn at_rate(self: &Arc<Self>, rate: u64, calls: &mut JoinSet<()>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (began, mut begun) = (Instant::now(), 0);
        loop {
            let now = tick.tick().await;
            let due = now.duration_since(began).as_secs_f64() * rate as f64;
            while begun < due as u64 {
                calls.spawn(self.clone().one());
                begun += 1;
            }
            while calls.try_join_next().is_some() {}
        }
    }

    /// One piece of work, tried until it may have been executed.
    async fn one(self: Arc<Self>) {
        let number = self.next.fetch_add(1, Relaxed);
        for attempt in 0..ATTEMPTS {
            let mark = self.attempt(number, number * ATTEMPTS + attempt).await;
            if mark != Mark::NotExecuted {
                return;
            }
            sleep(PAUSE).await;
            if !self.load.again {
                return;
            }
        }
    }

    async fn attempt(&self, number: u64, call: u64) -> Mark {
        self.ledger.write(Mark::Started, call);
        let time = Duration::from_millis(self.load.deadline_ms);
        let mark = timeout(time + GRACE, self.call(number, call, time)).await.unwrap_or(Mark::Hung);
        // The caller of a call that it drops has written that down at the moment.
        if mark != Mark::GivenUp {
            self.ledger.write(mark, call);
        }
        *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).entry(mark).or_default() += 1;
        mark
    }

    async fn call(&self, number: u64, call: u64, time: Duration) -> Mark {
        let link = &self.links[number as usize % self.links.len()];
        match link.client().await {
            Ok(client) => calls::make(&client, self.load.kind, call, time, &self.ledger).await,
            Err(status) => of_status(&status),
        }
    }

    /// Closes one connection after the other, in both ways that there are.
    async fn close_links(&self) {
        let Some(ms) = self.load.reconnect_ms else { return std::future::pending().await };
        for round in 0.. {
            sleep(Duration::from_millis(ms)).await;
            self.links[round % self.links.len()].let_go(round / self.links.len() % 2 == 0).await;
        }
    }

    /// For ever: a client ends when its calls have.
    async fn obey(&self, stop: &watch::Sender<bool>) {
        let mut orders = orders();
        while let Some(order) = orders.recv().await {
            match order {
                Order::Sample => {
                    let told = self.sample().await.map(Report::Sample).and_then(|report| Ok(report.say()?));
                    if let Err(error) = told {
                        eprintln!("client: no sample: {error}");
                    }
                }
                Order::Stop => drop(stop.send_replace(true)),
                Order::Swallow { .. } => {}
            }
        }
    }

    async fn sample(&self) -> Result<Sample> {
        let mut stats = Vec::new();
        for link in &self.links {
            stats.extend(link.stats().await);
        }
        Ok(Sample::take(&stats)?)
    }
}

/// How a call that failed has ended.
fn of_status(status: &Status) -> Mark {
    if status.may_have_run() { Mark::Unknown } else { Mark::NotExecuted }
}

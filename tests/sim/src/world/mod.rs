//! One run: hosts on a network, the faults that its seed has for them, and the comparison at the end.

mod faults;

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use fastrand::Rng;
use rpc_runtime::{Limits, Server, ServerHandle};

use crate::{
    caller::Control,
    client::{Client, SECOND},
    history::History,
    host::Host,
    net::{HostId, Micros, Network},
    panics,
    report::Report,
    services::{LedgerServer, Site},
};

/// The step of time.
const TICK: Micros = 1_000;
/// How long faults happen.
const FAULTS: Micros = 3_000_000;
/// How long everything may take to come to rest after that.
const REST: Micros = 20_000_000;
/// What a direction of a connection holds, at least and at most.
const CAPACITIES: [(usize, usize); 5] =
    [(64, 512), (1_024, 8_192), (16_384, 65_536), (65_536, 262_144), (262_144, 1_048_576)];
/// So many times its first size a stream's window may become.
const GROWTH: u32 = 4;

/// A seed's system.
struct World {
    net: Network,
    history: History,
    control: Arc<Control>,
    rng: Rng,
    hosts: Vec<Place>,
    servers: usize,
    limits: Limits,
    largest: usize,
    /// Servers that have ended do not start again.
    ending: bool,
    /// Whether bytes are changed at all in this run.
    corrupts: bool,
    now: Micros,
}

/// Where a host is, or was.
struct Place {
    host: Option<Host>,
    /// It does nothing until then.
    stopped_until: Micros,
    /// How much of its time it has missed.
    missed: Micros,
    /// When a host that is down starts again.
    starts_at: Option<Micros>,
    server: Arc<Mutex<Option<ServerHandle>>>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, verbose: bool) -> Report {
    let mut world = World::new(seed);
    world.net.lock().trace.verbose = verbose;
    let mut failure = None;
    if let Err(what) = world.go() {
        failure = Some(what);
    }
    world.judge(seed, failure)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let calm = rng.u8(..4) == 0;
        let (servers, clients) = (rng.usize(1..=3), rng.usize(1..=4));
        let net = Network::new(servers + clients, rng.fork());
        let window = rng.u32(1..=64) * 1_024;
        {
            let mut net = net.lock();
            net.largest_window = u64::from(GROWTH * window);
            let least = rng.u64(100..2_000);
            net.latency = (least, least + rng.u64(100..10_000));
            // What is calm is not starved: a message is whole before anybody takes its peer for gone.
            let narrowest = if calm { 3 } else { 0 };
            net.capacity = CAPACITIES[rng.usize(narrowest..CAPACITIES.len())];
        }
        let largest = 1 << rng.usize(14..18);
        let hosts = (0..servers + clients).map(|_| Place {
            host: None,
            stopped_until: 0,
            missed: 0,
            starts_at: Some(0),
            server: Arc::default(),
        });
        Self {
            net,
            history: History::default(),
            control: Arc::new(Control { calm, ..Control::default() }),
            limits: limits(&mut rng, largest, window),
            hosts: hosts.collect(),
            servers,
            largest,
            ending: false,
            corrupts: !calm && rng.u8(..3) == 0,
            now: 0,
            rng,
        }
    }

    fn go(&mut self) -> Result<(), String> {
        let mut next_fault = self.rng.u64(0..50_000);
        while self.now < FAULTS {
            if self.now >= next_fault {
                next_fault = self.now + self.rng.u64(0..50_000);
                self.strike();
            }
            self.step()?;
        }
        self.heal();
        self.until("the clients have come to rest", |world| {
            let done = (world.servers..world.hosts.len()).all(|id| world.is_done(id));
            done && world.history.open() == 0 && (0..world.servers).all(|id| world.net.lock().is_up(id))
        })?;
        for id in self.servers..self.hosts.len() {
            let client = self.client(id).probe();
            if let Some(host) = &mut self.hosts[id].host {
                host.start(client);
            }
        }
        self.until("the probes are served", |world| (world.servers..world.hosts.len()).all(|id| world.is_done(id)))?;
        self.ending = true;
        self.hosts.iter().filter_map(Place::handle).for_each(|handle| handle.shut_down());
        self.until("the servers have ended", |world| (0..world.servers).all(|id| world.is_done(id)))?;
        self.until("all tasks have ended", |world| world.hosts.iter().all(Place::is_empty))
    }

    fn is_done(&self, id: HostId) -> bool {
        let place = &self.hosts[id];
        place.starts_at.is_none() && place.host.as_ref().is_none_or(Host::is_done)
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let last = self.now + REST;
        while !done(self) {
            if self.now > last {
                let tasks: Vec<_> = self.hosts.iter().map(|place| place.host.as_ref().map_or(0, Host::tasks)).collect();
                return Err(format!(
                    "it never came to be that {what}: {} calls open, tasks {tasks:?}, servers {:?}",
                    self.history.open(),
                    self.hosts.iter().filter_map(Place::handle).map(|handle| handle.stats()).collect::<Vec<_>>()
                ));
            }
            self.step()?;
        }
        Ok(())
    }

    /// Time goes on everywhere.
    fn step(&mut self) -> Result<(), String> {
        let tick = TICK;
        self.now += tick;
        let now = self.now;
        let (tainted, unwatched, written) = self.net.with(|net, wakers| {
            net.now = now;
            net.deliver(wakers);
            (mem::take(&mut net.tainted), mem::take(&mut net.unwatched), mem::take(&mut net.written))
        });
        unwatched.into_iter().for_each(|link| self.history.unwatch(link));
        written.into_iter().for_each(|id| self.history.written(id));
        tainted.into_iter().for_each(|link| self.history.taint(link));
        self.history.tick(now);
        for id in 0..self.hosts.len() {
            if id < self.servers && !self.ending && self.is_done(id) {
                self.crash(id, false);
            }
            if self.hosts[id].starts_at.is_some_and(|at| at <= now) {
                self.start(id)?;
            }
            let place = &mut self.hosts[id];
            let Some(host) = &mut place.host else { continue };
            if place.stopped_until > now {
                place.missed += tick;
                continue;
            }
            let missed = mem::take(&mut place.missed);
            if missed > 0 {
                self.control.jumps.fetch_add(1, Relaxed);
                host.leap(Duration::from_micros(missed));
            }
            host.step(Duration::from_micros(tick));
        }
        Ok(())
    }

    fn start(&mut self, id: HostId) -> Result<(), String> {
        self.net.with(|net, wakers| net.up(id, wakers));
        let mut host = Host::new()?;
        if id < self.servers {
            let site = Site { history: self.history.clone(), host: id };
            let builder = Server::builder()
                .service(LedgerServer::new(site.clone()))
                .service(LedgerServer::new(site).named(SECOND))
                .limits(self.limits.clone())
                .memory(1 << 22)
                .drain_timeout(Duration::from_secs(5));
            let (net, handle) = (self.net.clone(), Arc::clone(&self.hosts[id].server));
            host.start(async move {
                let server = builder.accept_from(net.listen(id), &format!("sim://{id}"));
                let Ok(server) = server else { return };
                *handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.handle());
                let _ = server.serve().await;
            });
        } else {
            host.start(self.client(id).work());
        }
        self.hosts[id].host = Some(host);
        self.hosts[id].starts_at = None;
        Ok(())
    }

    fn client(&mut self, id: HostId) -> Client {
        Client {
            net: self.net.clone(),
            site: Site { history: self.history.clone(), host: id },
            control: Arc::clone(&self.control),
            servers: self.servers,
            limits: self.limits.clone(),
            rng: self.rng.fork(),
            largest: self.largest,
        }
    }

    /// No more faults: what is down starts, what stands goes on.
    fn heal(&mut self) {
        self.net.lock().heal();
        for place in &mut self.hosts {
            place.stopped_until = self.now.min(place.stopped_until);
            if let Some(at) = &mut place.starts_at {
                *at = self.now;
            }
        }
        self.control.stopping.store(true, Relaxed);
    }

    /// Everything on a host ends. It starts again after a while.
    fn crash(&mut self, id: HostId, power_off: bool) {
        let refused = self.net.with(|net, wakers| net.down(id, power_off, wakers));
        drop(refused);
        let (steps, pause) = (self.rng.u8(0..20), self.rng.u64(0..400_000));
        let place = &mut self.hosts[id];
        if let Some(host) = place.host.take() {
            host.crash(steps);
        }
        *place.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
        (place.starts_at, place.stopped_until, place.missed) = (Some(self.now + pause), 0, 0);
    }

    /// Compares what is left with what was.
    fn judge(mut self, seed: u64, failure: Option<String>) -> Report {
        for (id, place) in self.hosts.iter_mut().enumerate() {
            let Some(handle) = place.handle().filter(|_| failure.is_none()) else { continue };
            let stats = handle.stats();
            let left = [stats.connections, stats.handshakes, stats.served_in_flight, stats.running, stats.memory_held];
            if left != [0; 5] || stats.handlers_abandoned > 0 {
                self.history.leak(&format!("server {id}: {stats:?}"));
            }
            if !self.corrupts && stats.closed.protocol > 0 {
                self.history.leak(&format!("server {id} found the protocol broken: {stats:?}"));
            }
        }
        let handlers = self.history.handlers();
        for place in &mut self.hosts {
            if let Some(host) = place.host.take() {
                host.crash(0);
            }
        }
        if failure.is_none() && handlers > 0 {
            self.history.leak(&format!("{handlers} handlers"));
        }
        let (mut report, found) = self.history.take();
        let mut net = self.net.lock();
        net.settle_all();
        let mut violations = mem::take(&mut net.violations);
        violations.extend(found);
        violations.extend(failure);
        violations.extend(panics::take().into_iter().map(|panic| format!("a panic: {panic}")));
        mem::take(&mut net.fired).into_iter().for_each(|fault| report.fault(fault));
        (report.seeds, report.bytes, report.frames) = (1, net.bytes, net.frames);
        net.trace.note(self.now, "outcomes", &report.outcomes.values().copied().collect::<Vec<_>>(), &[]);
        report.trace = net.trace.hash().rotate_left((seed % 64) as u32);
        for violation in &violations {
            report.violation(seed, violation);
        }
        report
    }
}

impl Place {
    fn handle(&self) -> Option<ServerHandle> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_empty(&self) -> bool {
        self.host.as_ref().is_none_or(|host| host.tasks() == 0)
    }
}

/// Small ones, so that they are reached, and short times, so that they are over.
fn limits(rng: &mut Rng, largest: usize, window: u32) -> Limits {
    Limits::default()
        .max_message(largest as u32)
        .in_flight(rng.u32(4..=128))
        .running(rng.usize(4..=64))
        .streams(rng.u32(2..=32))
        .stream_window(window, GROWTH * window)
        .request_window(largest as u32 + rng.u32(128..1_024) * 1_024)
        .unsent_responses(rng.usize(4_096..=262_144))
        .handshake_timeout(Duration::from_millis(500))
        .stall_timeout(Duration::from_millis(700))
        .keepalive(Duration::from_millis(400), Duration::from_millis(300))
}

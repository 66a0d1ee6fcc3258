//! A network in memory that one thread controls: hosts that listen and dial, connections of two [pipes](pipe), and what
//! may happen to them. It knows nothing of calls, but has each end watched by the [observer](crate::observer).

mod ends;
mod pipe;

use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
    time::Duration,
};

use fastrand::Rng;
use rpc_runtime::Transport;
use tokio::time::sleep;

pub(crate) use ends::Incoming;
pub(crate) use pipe::Micros;
use pipe::Pipe;

use crate::{
    observer::{Endpoint, Side},
    report::Fault,
    trace::Trace,
};

/// Bytes of requests are given back in pieces of this size.
const PIECE: u64 = 131_072;

pub(crate) type HostId = usize;
pub(crate) type LinkId = usize;

/// The network. Clones are handles of one.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<Net>>);

pub(crate) struct Net {
    pub(crate) now: Micros,
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    hosts: Vec<Host>,
    links: Vec<Link>,
    /// Connections of which an end is still there.
    open: Vec<LinkId>,
    /// From whom to whom nothing arrives, until when.
    partitions: Vec<(HostId, HostId, Micros)>,
    /// How long anything takes, at least and at most.
    pub(crate) latency: (Micros, Micros),
    /// What a direction of a new connection holds, at least and at most.
    pub(crate) capacity: (usize, usize),
    /// What both ends let windows of streams grow to.
    pub(crate) largest_window: u64,
    /// Faults that come about here, such as a changed byte when it arrives.
    pub(crate) fired: Vec<Fault>,
    /// What an observer found, with the connection.
    pub(crate) violations: Vec<String>,
    /// Connections of which bytes were changed: what travels on them may be anything.
    pub(crate) tainted: Vec<LinkId>,
    /// Connections that no observer looks at any more.
    pub(crate) unwatched: Vec<LinkId>,
    /// Calls whose requests were written.
    pub(crate) written: Vec<u64>,
    pub(crate) bytes: u64,
    /// What observers have judged.
    pub(crate) frames: u64,
}

#[derive(Default)]
struct Host {
    up: bool,
    waiting: VecDeque<Transport>,
    acceptor: Option<Waker>,
    /// Until then it has no descriptors left.
    failing_until: Micros,
    /// How often it was asked meanwhile.
    failures: u64,
}

/// Keeps a waker, and gives up the one before.
fn park(place: &mut Option<Waker>, cx: &Context<'_>, wakers: &mut Vec<Waker>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        wakers.extend(place.replace(cx.waker().clone()));
    }
}

/// A connection. The first of a pair is the dialler's: its end, and the pipe that it writes to.
struct Link {
    hosts: [HostId; 2],
    pipes: [Pipe; 2],
    watched: [Option<Endpoint>; 2],
    /// The power of one end's host went off: nothing arrives at all.
    dead: bool,
    /// Halves that were dropped, of each end.
    dropped: [u8; 2],
}

impl Network {
    pub(crate) fn new(hosts: usize, rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(Net {
            now: 0,
            rng,
            trace: Trace::default(),
            hosts: (0..hosts).map(|_| Host::default()).collect(),
            links: Vec::new(),
            open: Vec::new(),
            partitions: Vec::new(),
            latency: (1_000, 5_000),
            capacity: (4_096, 65_536),
            largest_window: 0,
            fired: Vec::new(),
            violations: Vec::new(),
            tainted: Vec::new(),
            unwatched: Vec::new(),
            written: Vec::new(),
            bytes: 0,
            frames: 0,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something under the lock, then wakes whom it says without the lock: also those that are only given up, for
    /// the last waker of a task takes the task with it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Net, &mut Vec<Waker>) -> T) -> T {
        let mut wakers = Vec::new();
        let value = change(&mut self.lock(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        value
    }

    /// Connects as a host does: waits for a partition to heal, fails when nobody listens.
    pub(crate) async fn dial(&self, from: HostId, to: HostId) -> io::Result<(LinkId, Transport)> {
        let latency = self.with(|net, _| net.some_latency());
        sleep(Duration::from_micros(2 * latency)).await;
        while self.with(|net, _| net.is_cut(from, to) || net.is_cut(to, from)) {
            sleep(Duration::from_millis(20)).await;
        }
        self.with(|net, wakers| {
            if !net.hosts[to].up {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let id = net.connect(from, to);
            let [at_client, at_server] = [self.end(net, id, 0), self.end(net, id, 1)];
            let host = &mut net.hosts[to];
            host.waiting.push_back(at_server);
            wakers.extend(host.acceptor.take());
            Ok((id, at_client))
        })
    }

    /// The connections that are made to a host from now on.
    pub(crate) fn listen(&self, host: HostId) -> Incoming {
        self.with(|net, _| net.hosts[host].up = true);
        Incoming::new(self.clone(), host)
    }

    fn end(&self, net: &mut Net, link: LinkId, end: usize) -> Transport {
        let peer = format!("sim://{}", net.links[link].hosts[1 - end]);
        let (reader, writer) = (ends::Reader::new(self.clone(), link, end), ends::Writer::new(self.clone(), link, end));
        // Both ways that the runtime writes: callers by themselves, and one task for all.
        if net.rng.bool() {
            Transport::shared(reader, writer, peer)
        } else {
            Transport::new(tokio::io::join(reader, writer), peer)
        }
    }
}

impl Net {
    fn some_latency(&mut self) -> Micros {
        let (least, most) = self.latency;
        self.rng.u64(least..=most)
    }

    fn connect(&mut self, from: HostId, to: HostId) -> LinkId {
        let id = self.links.len();
        let mut pipe = || {
            let (least, most) = self.capacity;
            let mut pipe = Pipe::new(self.rng.usize(least..=most), self.some_latency());
            if self.rng.u8(..8) == 0 {
                pipe.crumb = self.rng.usize(1..=64);
                self.fired.push(Fault::Crumbs);
            }
            pipe
        };
        let pipes = [pipe(), pipe()];
        let watched =
            [Side::Dialled, Side::Accepted].map(|side| Some(Endpoint::new(side).growing_to(self.largest_window)));
        let link = Link { hosts: [from, to], pipes, watched, dead: false, dropped: [0; 2] };
        self.links.push(link);
        self.open.push(id);
        self.trace.note(self.now, "connect", &[id as u64, from as u64, to as u64], &[]);
        id
    }

    /// Moves what is due. Whether anything is still flying.
    pub(crate) fn deliver(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let now = self.now;
        self.partitions.retain(|(.., until)| *until > now);
        let mut flying = false;
        for id in mem::take(&mut self.open) {
            for end in 0..2 {
                let [from, to] = [self.links[id].hosts[end], self.links[id].hosts[1 - end]];
                if self.is_cut(from, to) || self.links[id].dead {
                    continue;
                }
                self.deliver_to(id, end, wakers);
            }
            let link = &self.links[id];
            flying |= link.pipes.iter().any(Pipe::is_flying);
            if link.pipes.iter().all(Pipe::is_over) || (link.dead && link.dropped == [2; 2]) {
                self.settle(id);
            } else {
                self.open.push(id);
            }
        }
        flying
    }

    fn deliver_to(&mut self, id: LinkId, end: usize, wakers: &mut Vec<Waker>) {
        let link = &mut self.links[id];
        let delivered = link.pipes[end].deliver(self.now, &mut self.rng);
        if delivered.corrupted {
            link.watched = [None, None];
            self.tainted.push(id);
            self.fired.push(Fault::Corruption);
        }
        if delivered.unheard {
            link.pipes[end].break_writer();
            link.pipes[1 - end].reset();
            wakers.extend(link.pipes[1 - end].reader.take());
            wakers.extend(link.pipes[end].writer.take());
        }
        if delivered.any {
            wakers.extend(link.pipes[end].reader.take());
            wakers.extend(link.pipes[end].writer.take());
        }
    }

    /// Takes down what the observers have counted.
    fn settle(&mut self, id: LinkId) {
        for endpoint in mem::take(&mut self.links[id].watched).iter().flatten() {
            self.frames += endpoint.summary().frames;
        }
    }

    pub(crate) fn settle_all(&mut self) {
        for id in mem::take(&mut self.open) {
            self.settle(id);
        }
    }

    /// Nobody calls on a connection any more: what was taken of its window has come back, but for what is not worth a
    /// frame.
    pub(crate) fn look_at_rest(&mut self, id: LinkId) {
        for (end, endpoint) in (0..).zip(self.links[id].watched.iter().flatten()) {
            let kept_back = endpoint.summary().kept_back;
            if kept_back > PIECE {
                let what = format!("connection {id}, end {end}: {kept_back} bytes of requests were never given back");
                self.violations.push(what);
            }
        }
    }

    fn judge(&mut self, id: LinkId, end: usize, sent: bool, bytes: &[u8]) {
        let Some(endpoint) = &mut self.links[id].watched[end] else { return };
        let judged = if sent { endpoint.sent(bytes) } else { endpoint.received(bytes) };
        self.written.append(&mut endpoint.written);
        if let Err(violation) = judged {
            let at = self.now as f64 / 1e3;
            self.violations.push(format!("{at:.3} ms, connection {id}, end {end}: {violation}"));
            self.links[id].watched = [None, None];
            self.unwatched.push(id);
        }
    }

    /// The end sends nothing more.
    fn ended(&mut self, id: LinkId, end: usize) {
        let link = &mut self.links[id];
        link.pipes[end].close(self.now);
        if let Some(endpoint) = &mut link.watched[end] {
            endpoint.ended();
        }
    }

    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.partitions.iter().any(|(a, b, _)| (*a, *b) == (from, to))
    }
}

/// What may happen to the network. Each says whether it found anything to happen to.
impl Net {
    /// A connection that is open.
    fn any_link(&mut self) -> Option<LinkId> {
        let alive: Vec<_> = self.open.iter().copied().filter(|id| !self.links[*id].dead).collect();
        self.rng.choice(alive)
    }

    /// Nothing that `from` sends arrives at `to` before `until`; then all of it.
    pub(crate) fn partition(&mut self, from: HostId, to: HostId, until: Micros) {
        self.partitions.push((from, to, until));
    }

    /// Nothing is wrong any more, and everything is wide enough to come to rest soon.
    pub(crate) fn heal(&mut self) {
        self.partitions.clear();
        for link in &mut self.links {
            for pipe in &mut link.pipes {
                pipe.heal();
            }
        }
        for host in &mut self.hosts {
            host.failing_until = 0;
        }
    }

    pub(crate) fn reset_some(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let Some(id) = self.any_link() else { return false };
        self.reset(id, wakers);
        true
    }

    fn reset(&mut self, id: LinkId, wakers: &mut Vec<Waker>) {
        for pipe in &mut self.links[id].pipes {
            pipe.reset();
            wakers.extend(pipe.reader.take());
            wakers.extend(pipe.writer.take());
        }
        self.trace.note(self.now, "reset", &[id as u64], &[]);
    }

    /// One direction of a connection ends.
    pub(crate) fn cut_some(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let Some(id) = self.any_link() else { return false };
        let end = usize::from(self.rng.bool());
        let pipe = &mut self.links[id].pipes[end];
        pipe.cut();
        wakers.extend(pipe.reader.take());
        wakers.extend(pipe.writer.take());
        true
    }

    /// One direction of a connection stands still.
    pub(crate) fn stall_some(&mut self, until: Micros) -> bool {
        let Some(id) = self.any_link() else { return false };
        let end = usize::from(self.rng.bool());
        self.links[id].pipes[end].stalled_until = until;
        true
    }

    /// Reads and writes of a connection take crumbs from now on.
    pub(crate) fn crumble_some(&mut self) -> bool {
        let Some(id) = self.any_link() else { return false };
        let (end, crumb) = (usize::from(self.rng.bool()), self.rng.usize(1..=40));
        self.links[id].pipes[end].crumb = crumb;
        true
    }

    /// A connection takes longer, or shorter, from now on.
    pub(crate) fn delay_some(&mut self, most: Micros) -> bool {
        let Some(id) = self.any_link() else { return false };
        let end = usize::from(self.rng.bool());
        self.links[id].pipes[end].latency = self.rng.u64(self.latency.0..=most);
        true
    }

    /// The next pieces in a direction of a connection arrive changed; they count when they do.
    pub(crate) fn corrupt_some(&mut self) -> bool {
        let Some(id) = self.any_link() else { return false };
        let end = usize::from(self.rng.bool());
        self.links[id].pipes[end].to_corrupt += self.rng.u32(1..=3);
        true
    }

    /// A host has no descriptors for connections before `until`.
    pub(crate) fn exhaust(&mut self, host: HostId, until: Micros, wakers: &mut Vec<Waker>) {
        let host = &mut self.hosts[host];
        (host.failing_until, host.failures) = (until, 0);
        wakers.extend(host.acceptor.take());
    }

    /// A host is down: nobody listens. With the power off its peers are told nothing.
    pub(crate) fn down(&mut self, host: HostId, power_off: bool, wakers: &mut Vec<Waker>) -> VecDeque<Transport> {
        for id in self.open.clone() {
            let link = &mut self.links[id];
            if power_off && link.hosts.contains(&host) {
                link.dead = true;
                link.pipes.iter_mut().for_each(Pipe::forget);
            }
        }
        let host = &mut self.hosts[host];
        host.up = false;
        wakers.extend(host.acceptor.take());
        mem::take(&mut host.waiting)
    }

    /// A host is there again: it knows nothing of what it had, and says so to its peers.
    pub(crate) fn up(&mut self, host: HostId, wakers: &mut Vec<Waker>) {
        for id in self.open.clone() {
            if self.links[id].dead && self.links[id].hosts.contains(&host) {
                self.links[id].dead = false;
                self.reset(id, wakers);
            }
        }
    }

    /// Whether somebody listens there.
    pub(crate) fn is_up(&self, host: HostId) -> bool {
        self.hosts[host].up
    }
}

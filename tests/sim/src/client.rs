//! A client host: it connects to one server after the other, makes calls in all kinds of ways, and leaves in all kinds
//! of ways. At the end it finds everything as it was at the beginning.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use rpc_runtime::{Channel, CodecKind, ConnectionState, Limits};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    caller::{Caller, Control},
    history::Outcome,
    net::{HostId, LinkId, Network},
    observer::CALL,
    services::{LedgerClient, Open, Site, WitnessServer, marked},
};

/// The second instance of the service.
pub(crate) const SECOND: &str = "second";

pub(crate) struct Client {
    pub(crate) net: Network,
    pub(crate) site: Site,
    pub(crate) control: Arc<Control>,
    pub(crate) servers: usize,
    pub(crate) limits: Limits,
    pub(crate) rng: Rng,
    pub(crate) largest: usize,
}

impl Client {
    /// One connection after the other until it is told to stop, then one call that must succeed at each server.
    pub(crate) async fn work(mut self) {
        while !self.control.stopping.load(Relaxed) {
            let server = self.rng.usize(..self.servers);
            if self.session(server).await.is_none() {
                sleep(Duration::from_millis(self.rng.u64(5..60))).await;
            }
        }
    }

    /// Once all is well again everything works.
    pub(crate) async fn probe(mut self) {
        for server in 0..self.servers {
            let open = Open::new(&self.site.history, "probe", usize::MAX, Duration::from_secs(1));
            let bytes = marked(open.id, 8);
            match timeout(Duration::from_secs(1), self.connect(server)).await {
                Ok(Ok((link, channel))) => {
                    match LedgerClient::new(channel.clone()).echo(&bytes).metadata(CALL, open.id.to_string()).await {
                        Ok(echoed) if echoed == bytes => {
                            open.complete(Outcome::Ok);
                            self.comes_to_rest(&channel, link).await;
                        }
                        other => self.site.history.wrong(open.id, &format!("a fresh client's call came to {other:?}")),
                    }
                }
                other => self.site.history.wrong(open.id, &format!("a fresh client got {other:?}")),
            }
        }
    }

    async fn connect(&mut self, server: HostId) -> Result<(LinkId, Channel), String> {
        let dialled = timeout(Duration::from_secs(2), self.net.dial(self.site.host, server)).await;
        let (link, transport) = dialled.map_err(|_| "no answer")?.map_err(|error| error.to_string())?;
        let codec = CodecKind::available()[self.rng.usize(..CodecKind::available().len())];
        let builder = Channel::builder().codec(codec).limits(self.limits.clone()).timeout(None);
        let connected = builder.service(WitnessServer::new(self.site.clone())).connect_over(transport).await;
        connected.map(|channel| (link, channel)).map_err(|status| status.to_string())
    }

    /// A connection from its beginning to its end, or nothing.
    async fn session(&mut self, server: HostId) -> Option<()> {
        let (link, channel) = self.connect(server).await.ok()?;
        let ledger = LedgerClient::new(channel.clone());
        let ledger = if self.rng.bool() { ledger } else { LedgerClient::named(channel.clone(), SECOND) };
        let closed = Arc::new(AtomicBool::new(false));
        let callers = (0..self.rng.usize(1..=40)).map(|_| Caller {
            site: self.site.clone(),
            control: Arc::clone(&self.control),
            channel: channel.clone(),
            ledger: ledger.clone(),
            link,
            rng: self.rng.fork(),
            closed: Arc::clone(&closed),
            largest: self.largest,
        });
        let mut callers: Vec<_> = callers.collect();
        drop(ledger);
        let until = Instant::now() + Duration::from_millis(self.rng.u64(20..1_500));
        if self.rng.u8(..6) == 0 {
            // Closed under all calls.
            let all = join_all(callers.iter_mut().map(|caller| work(caller, until + Duration::from_secs(1))));
            let close = async {
                tokio::time::sleep_until(until).await;
                closed.store(true, Relaxed);
                channel.close();
            };
            futures_util::future::join(all, close).await;
        } else {
            join_all(callers.iter_mut().map(|caller| work(caller, until))).await;
        }
        drop(callers);
        self.comes_to_rest(&channel, link).await;
        if self.rng.bool() {
            channel.close();
        }
        Some(())
    }

    /// When nobody calls any more, nothing is left of the calls, as soon as the peer has answered them.
    async fn comes_to_rest(&self, channel: &Channel, link: LinkId) {
        // An answer whose id was changed answers nobody.
        if self.site.history.is_tainted(link) {
            return;
        }
        // As long as there are faults, a peer may be unable to answer.
        if !self.control.stopping.load(Relaxed) && !matches!(channel.state(), ConnectionState::Closed(_)) {
            return;
        }
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let stats = channel.stats();
            let left = [stats.calls_in_flight, stats.calls_waiting, stats.served_in_flight, stats.running];
            if left == [0; 4] {
                // What is written behind the last answers is written soon.
                sleep(Duration::from_millis(100)).await;
                if channel.state() == ConnectionState::Ready {
                    self.net.with(|net, _| net.look_at_rest(link));
                }
                return;
            }
            if Instant::now() > until {
                return self.site.history.leak(&format!("client {}: {stats:?}", self.site.host));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn work(caller: &mut Caller, until: Instant) {
    while Instant::now() < until
        && !caller.control.stopping.load(Relaxed)
        && matches!(caller.channel.state(), ConnectionState::Ready)
    {
        caller.go().await;
        if caller.rng.u8(..4) == 0 {
            sleep(Duration::from_millis(caller.rng.u64(0..20))).await;
        }
    }
}

//! The accept loop and the connections it owns: each a task that ends with the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::{
    Drained, Phase,
    room::{Refusals, Room},
};
use crate::{
    connection::{Connection, Ended, Endpoint},
    transport::{Listener, Transport},
};

/// A listener that fails, as one without descriptors does, is asked again after this long, and twice as long each
/// time up to the longest: so much later than there are descriptors again may somebody be let in.
const BACK_OFF: Duration = Duration::from_millis(5);
const BACK_OFF_LONGEST: Duration = Duration::from_millis(250);
/// A state that comes and goes is logged so often at most.
const LOG_AGAIN: Duration = Duration::from_secs(10);

/// All connections of a server.
pub(super) struct Connections {
    endpoint: Arc<Endpoint>,
    room: Room,
    phase: watch::Receiver<Phase>,
    tasks: JoinSet<()>,
    refusals: Refusals,
    /// When it was last logged that there is no room.
    told_full: Option<Instant>,
    cut: Arc<Cut>,
}

/// What was cut off at the end.
#[derive(Debug)]
struct Cut {
    drain_timeout: Duration,
    connections: AtomicUsize,
    calls: AtomicUsize,
}

impl Connections {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        most: usize,
        drain_timeout: Duration,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let room = Room::new(most);
        let refusals = Refusals::new(&room);
        let cut = Arc::new(Cut { drain_timeout, connections: AtomicUsize::new(0), calls: AtomicUsize::new(0) });
        Self { endpoint, room, phase, tasks: JoinSet::new(), refusals, told_full: None, cut }
    }

    /// Accepts until there is nothing more to accept.
    pub(super) async fn accept_all(&mut self, listener: &Listener) {
        let mut failing = Failing::default();
        loop {
            let accepted = listener.accept().await;
            while self.tasks.try_join_next().is_some() {}
            match accepted {
                Ok(None) => return,
                Ok(Some(transport)) => {
                    failing.is_over(listener);
                    self.serve(transport).await;
                }
                Err(error) => tokio::time::sleep(failing.goes_on(listener, &error)).await,
            }
        }
    }

    /// Waits until no connection is left.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    pub(super) fn drained(&self) -> Drained {
        let Cut { connections, calls, .. } = &*self.cut;
        Drained { cut_connections: connections.load(Relaxed), cut_calls: calls.load(Relaxed) }
    }

    async fn serve(&mut self, transport: Transport) {
        if let Some((reason, text)) = self.room.refusal(self.tasks.len()) {
            self.endpoint.accounts.counts.refused(reason);
            let now = Instant::now();
            if self.told_full.is_none_or(|told| now - told >= LOG_AGAIN) {
                tracing::warn!("refusing connections: {text}");
                self.told_full = Some(now);
            }
            return self.refusals.refuse(&self.endpoint, transport, text).await;
        }
        let endpoint = Arc::clone(&self.endpoint);
        let (phase, cut) = (self.phase.clone(), Arc::clone(&self.cut));
        self.tasks.spawn(async move { serve_one(transport, &endpoint, phase, &cut).await });
    }
}

/// A listener that may be failing. Its state is logged when it changes, not with each attempt.
#[derive(Debug, Default)]
struct Failing {
    attempts: u64,
    told: Option<Instant>,
    /// The current state is the one that was logged last.
    is_told: bool,
}

impl Failing {
    /// An attempt has failed; gives the time until the next.
    fn goes_on(&mut self, listener: &Listener, error: &std::io::Error) -> Duration {
        let now = Instant::now();
        if self.attempts == 0 && self.told.is_none_or(|told| now - told >= LOG_AGAIN) {
            tracing::warn!("accepting at {} fails: {error}; trying again and again", listener.local_address());
            (self.told, self.is_told) = (Some(now), true);
        }
        let doubled = 2_u32.saturating_pow(u32::try_from(self.attempts).unwrap_or(u32::MAX));
        self.attempts += 1;
        BACK_OFF.saturating_mul(doubled).min(BACK_OFF_LONGEST)
    }

    fn is_over(&mut self, listener: &Listener) {
        let attempts = std::mem::take(&mut self.attempts);
        if attempts > 0 && std::mem::take(&mut self.is_told) {
            tracing::info!("accepting at {} works again after {attempts} failures", listener.local_address());
        }
    }
}

async fn serve_one(transport: Transport, endpoint: &Arc<Endpoint>, mut phase: watch::Receiver<Phase>, cut: &Cut) {
    let peer = transport.peer.clone();
    let accepted = tokio::select! {
        biased;
        _ = phase.wait_for(|phase| phase.is_over()) => return,
        accepted = Connection::accept(transport, endpoint) => accepted,
    };
    let (connection, running) = match accepted {
        Ok(accepted) => accepted,
        Err(turned_away) => {
            turned_away.log(&peer, &endpoint.foreign);
            return;
        }
    };
    let mut running = std::pin::pin!(running);
    let mut stopping = false;
    let ended: Ended = loop {
        let now = *phase.borrow_and_update();
        match now {
            Phase::Serving => {}
            Phase::Draining => connection.drain(),
            Phase::Late => {
                stopping = true;
                let time = cut.drain_timeout;
                connection.abort(format!("drain_timeout: its calls were not answered within {time:?}"));
            }
            Phase::Stopping => {
                stopping = true;
                connection.abort("the server was stopped".to_owned());
            }
        }
        tokio::select! {
            biased;
            ended = &mut running => break ended,
            changed = phase.changed(), if !now.is_over() => {
                // A server that is gone without a word is a server that stopped.
                if changed.is_err() {
                    connection.abort("the server was stopped".to_owned());
                }
            }
        }
    };
    if stopping {
        cut.connections.fetch_add(1, Relaxed);
        cut.calls.fetch_add(ended.unanswered, Relaxed);
    }
    tracing::debug!("{peer}: {}", ended.reason);
}

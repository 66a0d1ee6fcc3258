//! The accept loop and the connections it owns: each a task that ends with the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use super::{Drained, Phase};
use crate::{
    connection::{self, Connection, Ended, Endpoint},
    status::Code,
    transport::{Listener, Transport},
};

/// A listener that fails, as one without descriptors does, is asked again after this long, and twice as long each
/// time up to the longest.
const BACK_OFF: Duration = Duration::from_millis(5);
const BACK_OFF_LONGEST: Duration = Duration::from_secs(1);

/// All connections of a server.
pub(super) struct Connections {
    endpoint: Arc<Endpoint>,
    most: usize,
    phase: watch::Receiver<Phase>,
    tasks: JoinSet<()>,
    cut: Arc<Cut>,
}

/// What was cut off at the end.
#[derive(Debug, Default)]
struct Cut {
    connections: AtomicUsize,
    calls: AtomicUsize,
}

impl Connections {
    pub(super) fn new(endpoint: Arc<Endpoint>, most: usize, phase: watch::Receiver<Phase>) -> Self {
        Self { endpoint, most, phase, tasks: JoinSet::new(), cut: Arc::default() }
    }

    /// Accepts for ever.
    pub(super) async fn accept_all(&mut self, listener: &Listener) {
        let mut back_off = BACK_OFF;
        loop {
            let accepted = listener.accept().await;
            while self.tasks.try_join_next().is_some() {}
            match accepted {
                Ok(transport) => {
                    back_off = BACK_OFF;
                    self.serve(transport);
                }
                Err(error) => {
                    tracing::warn!("accepting at {} failed: {error}; trying again", listener.local_address());
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_LONGEST);
                }
            }
        }
    }

    /// Waits until no connection is left.
    pub(super) async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    pub(super) fn drained(&self) -> Drained {
        let Cut { connections, calls } = &*self.cut;
        Drained { cut_connections: connections.load(Relaxed), cut_calls: calls.load(Relaxed) }
    }

    fn serve(&mut self, transport: Transport) {
        let most = self.most;
        if self.tasks.len() >= most {
            let text = format!("max_connections: there are {} connections, the limit is {most}", self.tasks.len());
            if self.tasks.len() < most + most.div_ceil(8) {
                let endpoint = Arc::clone(&self.endpoint);
                self.tasks.spawn(connection::refuse(transport, endpoint, Code::ResourceExhausted, text));
            }
            return;
        }
        let endpoint = Arc::clone(&self.endpoint);
        let (phase, cut) = (self.phase.clone(), Arc::clone(&self.cut));
        self.tasks.spawn(async move { serve_one(transport, &endpoint, phase, &cut).await });
    }
}

async fn serve_one(transport: Transport, endpoint: &Arc<Endpoint>, mut phase: watch::Receiver<Phase>, cut: &Cut) {
    let peer = transport.peer.clone();
    let accepted = tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase == Phase::Stopping) => return,
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
            Phase::Stopping => {
                stopping = true;
                connection.abort();
            }
        }
        tokio::select! {
            biased;
            ended = &mut running => break ended,
            changed = phase.changed(), if now != Phase::Stopping => {
                // A server that is gone without a word is a server that stopped.
                if changed.is_err() {
                    connection.abort();
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

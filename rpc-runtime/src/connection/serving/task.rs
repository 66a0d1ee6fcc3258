//! A handler in a task of its own. However it ends, by its reply, a panic, an abort or the end of the runtime, its
//! call gets one terminal frame, after the handler has really stopped.

use std::{future::poll_fn, sync::Arc, task::Context};

use tokio::time::Instant;

use super::{Serving, table::Incoming};
use crate::{
    call::{Items, Reply, Scene},
    connection::{
        consuming::Attached,
        producing::Producing,
        streams::Key,
        sync::{self, AbortHandle},
    },
    metadata::Metadata,
    router::{Finished, Route, Router, Running, Start},
    status::{Code, Status},
};

/// Decodes the arguments and runs the handler.
pub(super) fn spawn(
    serving: &Arc<Serving>,
    id: u64,
    incoming: Incoming,
    scene: Scene,
    deadline: Option<Instant>,
) -> AbortHandle {
    let Incoming { route, body, streams, .. } = incoming;
    let mut responder = Responder::new(serving, id, &route, deadline);
    let (endpoint, shared) = (Arc::clone(&serving.endpoint), Arc::clone(&serving.shared));
    let items = streams.as_ref().filter(|_| route.takes_items()).map(|streams| Items::new(streams.items()));
    let key = streams.as_ref().filter(|_| route.returns_items()).map(|streams| streams.key);
    responder.streams = streams;
    run(responder, async move {
        let before = Instant::now();
        let (codec, max_item) = (shared.codec, shared.max_item());
        let started = Running::start(&route, Start { codec, body: &body, scene, items, max_item });
        drop(body);
        match (started, key) {
            (Ok(running), None) => poll_timed(&endpoint.router, running, before).await,
            (Ok(running), Some(key)) => Producing::new(shared, key, running).await,
            (Err(finished), _) => finished,
        }
    })
}

/// Goes on with a handler that has waited in the connection's runner.
pub(super) fn spawn_running(
    serving: &Arc<Serving>,
    id: u64,
    running: Running,
    deadline: Option<Instant>,
) -> AbortHandle {
    let mut responder = Responder::new(serving, id, &running.route, deadline);
    responder.begun = true;
    let endpoint = Arc::clone(&serving.endpoint);
    run(responder, async move { poll_timed(&endpoint.router, running, Instant::now()).await })
}

fn run(mut responder: Responder, handler: impl Future<Output = Finished> + Send + 'static) -> AbortHandle {
    let task = async move {
        responder.begun = true;
        // Dropped before the responder, so that the terminal frame follows the handler's end.
        let finished = handler.await;
        responder.finish(finished);
    };
    #[expect(clippy::disallowed_methods, reason = "the table of the peer's calls owns the task and aborts it")]
    let task = sync::spawn(task);
    task.abort_handle()
}

/// Takes note of how long each poll takes: quick ones earn the method a place in the connection's runner.
async fn poll_timed(router: &Router, mut running: Running, began: Instant) -> Finished {
    let mut before = Some(began);
    let finished = poll_fn(|cx: &mut Context<'_>| {
        let before = before.take().unwrap_or_else(Instant::now);
        let polled = running.poll(cx);
        let now = Instant::now();
        running.route.trust.polled(now - before, router.now_ms(now));
        polled
    });
    finished.await
}

/// Owes the call its terminal frame.
struct Responder {
    serving: Arc<Serving>,
    id: u64,
    route: Arc<Route>,
    deadline: Option<Instant>,
    begun: bool,
    owed: bool,
    /// Of the call; over when the terminal frame was handed over.
    streams: Option<Attached>,
}

impl Responder {
    fn new(serving: &Arc<Serving>, id: u64, route: &Arc<Route>, deadline: Option<Instant>) -> Self {
        Self {
            serving: Arc::clone(serving),
            id,
            route: Arc::clone(route),
            deadline,
            begun: false,
            owed: true,
            streams: None,
        }
    }

    fn key(&self) -> Option<Key> {
        self.streams.as_ref().map(|streams| streams.key)
    }

    fn finish(mut self, finished: Finished) {
        self.owed = false;
        self.serving.finish_task(self.id, &self.route, self.key(), |_| finished.without_cause());
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.owed {
            return;
        }
        let (begun, deadline) = (self.begun, self.deadline);
        self.serving.finish_task(self.id, &self.route, self.key(), |why| {
            let status = why.unwrap_or_else(|| {
                if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    Status::of_call(Code::DeadlineExceeded, "the deadline passed at the server")
                } else {
                    Status::of_call(Code::Cancelled, "the call was cancelled")
                }
            });
            let status = if begun { status.executed_unknown() } else { status.not_executed() };
            Finished { reply: Reply::Status(status), metadata: Metadata::new() }
        });
    }
}

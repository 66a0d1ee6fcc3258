//! A channel's service in the same process: its handlers are polled in the tasks of their callers, through the codec
//! and under the limits of messages, as they would be at the other end of a connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Instant, timeout_at};

use super::builder::Settings;
use crate::{
    call::{Answer, Ending, Items, OutgoingRequest, Peer, Pulled, Response, Scene, Source},
    router::{Finished, Router, Running, Service, Start, respond},
    status::{Code, Status},
};

/// The address of every channel to a service in the same process.
pub(super) const ADDRESS: &str = "in-process";

/// A registered service and a codec that can be used, or why not.
pub(super) struct InProcess {
    router: Result<Router, Status>,
    peer: Arc<Peer>,
}

impl InProcess {
    pub(super) fn new(service: &dyn Service, settings: &Settings) -> Self {
        let mut router = Router::default();
        let registered = settings.codec.check().and_then(|()| router.register(service)).map(|()| router);
        let peer = Peer { address: ADDRESS.to_owned(), metadata: settings.metadata.clone(), local: Arc::from(ADDRESS) };
        Self { router: registered, peer: Arc::new(peer) }
    }

    /// Runs one call; one that streams, until it has begun. `closed` ends it early; dropping the future, or the items
    /// that come of it, drops the handler.
    pub(super) async fn call(
        &self,
        settings: &Settings,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        closed: impl Future<Output = Status> + Send + 'static,
    ) -> Answer {
        let started = self.start(settings, request, deadline);
        let running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(finished)) => return answer(settings, finished.into()),
            Err(status) => return Answer::of_status(status),
        };
        let mut ends: Ends = Box::pin(async move {
            match deadline {
                None => closed.await,
                Some(deadline) => timeout_at(deadline, closed).await.unwrap_or_else(|_| {
                    Status::of_call(Code::DeadlineExceeded, "the deadline passed while the method ran")
                }),
            }
        });
        let outcome = tokio::select! {
            biased;
            outcome = respond(running) => outcome,
            status = &mut ends => return Answer::of_status(status),
        };
        match answer(settings, outcome) {
            Answer { ending: Ending::Opened(items), metadata, body } => {
                let items = Items::new(Bounded { items: Some(items), ends });
                Answer { ending: Ending::Opened(items), metadata, body }
            }
            answer => answer,
        }
    }

    /// The handler, or its refusal of the arguments; or why the call does not get so far.
    fn start(
        &self,
        settings: &Settings,
        request: OutgoingRequest,
        deadline: Option<Instant>,
    ) -> Result<Result<Running, Finished>, Status> {
        let router = self.router.as_ref().map_err(|status| status.clone().not_executed())?;
        let OutgoingRequest { service, method, metadata, body, items, .. } = request;
        let route = router.find(service.as_str(), method)?;
        let (size, limit) = (body.len(), settings.limits.max_message);
        if size > limit as usize {
            let text = format!("the request has {size} bytes, more than max_message, {limit}");
            return Err(Status::of_call(Code::ResourceExhausted, text).not_executed());
        }
        let scene = Scene::new(route.descriptor, Arc::clone(&self.peer), deadline, metadata);
        let start = Start { codec: settings.codec, body: &body, scene, items, max_item: limit as usize };
        Ok(Running::start(route, start))
    }
}

/// What ends a call early.
type Ends = Pin<Box<dyn Future<Output = Status> + Send>>;

/// Items that end with their call, which drops the handler.
struct Bounded {
    items: Option<Items>,
    ends: Ends,
}

impl Source for Bounded {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let Some(items) = &mut self.items else { return Poll::Pending };
        if let Poll::Ready(status) = self.ends.as_mut().poll(cx) {
            self.items = None;
            return Poll::Ready(Pulled::End(Answer::of_status(status)));
        }
        items.poll(cx, out, room)
    }

    fn taken(&mut self, cost: usize) {
        if let Some(items) = &mut self.items {
            items.taken(cost);
        }
    }
}

fn answer(settings: &Settings, outcome: Result<Response, Status>) -> Answer {
    let limit = settings.limits.max_message;
    match outcome {
        Ok(response) if response.body().bytes().len() > limit as usize => {
            let size = response.body().bytes().len();
            let text = format!("the reply has {size} bytes, more than max_message, {limit}");
            Answer::of_status(Status::of_call(Code::ResourceExhausted, text))
        }
        outcome => outcome.map_err(Status::received).into(),
    }
}

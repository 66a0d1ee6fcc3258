//! A channel's service in the same process: its handlers are polled in the tasks of their callers, through the codec
//! and under the limits of messages, as they would be at the other end of a connection.

use std::{
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::builder::Settings;
use crate::{
    call::{Answer, Ending, Items, OutgoingRequest, Peer, Pulled, Response, Scene, Source, longer_than},
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
        let (request, failed) = watched(request, settings.limits.max_message);
        let started = self.start(settings, request, deadline);
        let running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(finished)) => return answer(settings, finished.into()),
            Err(status) => return Answer::of_status(status),
        };
        let ended = async move {
            match deadline {
                None => closed.await,
                Some(deadline) => timeout_at(deadline, closed).await.unwrap_or_else(|_| {
                    Status::of_call(Code::DeadlineExceeded, "the deadline passed while the method ran")
                }),
            }
        };
        let mut ends: Ends = Box::pin(async move {
            tokio::select! {
                biased;
                status = failed => status,
                status = ended => status,
            }
        });
        let outcome = tokio::select! {
            biased;
            outcome = respond(running) => outcome,
            status = &mut ends => return Answer::of_status(status),
        };
        match answer(settings, outcome) {
            Answer { ending: Ending::Opened(items), metadata, body } => {
                let items = Items::new(Bounded { items: Some(items), ends, limit: settings.limits.max_message });
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
    /// Of messages, in bytes.
    limit: u32,
}

impl Source for Bounded {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let Some(items) = &mut self.items else { return Poll::Pending };
        if let Poll::Ready(status) = self.ends.as_mut().poll(cx) {
            self.items = None;
            return Poll::Ready(Pulled::End(Answer::of_status(status)));
        }
        Poll::Ready(match ready!(items.poll(cx, out, room)) {
            Pulled::End(answer) => Pulled::End(end(self.limit, answer)),
            pulled => pulled,
        })
    }

    fn taken(&mut self, cost: usize) {
        if let Some(items) = &mut self.items {
            items.taken(cost);
        }
    }
}

/// How items end, as the other end of a connection would see it.
fn end(limit: u32, answer: Answer) -> Answer {
    let Answer { ending, metadata, body } = answer;
    match ending {
        Ending::ServiceError if body.len() > limit as usize => {
            let text = format!("the error of a stream has {} bytes, more than max_message, {limit}", body.len());
            Answer::of_status(Status::of_call(Code::ResourceExhausted, text))
        }
        Ending::Status(status) => Answer { ending: Ending::Status(status.received()), metadata, body },
        ending => Answer { ending, metadata, body },
    }
}

/// Watches what the caller sends; gives why that can not go on, once it can not.
fn watched(mut request: OutgoingRequest, limit: u32) -> (OutgoingRequest, impl Future<Output = Status> + Send) {
    let mut failed = None;
    request.items = request.items.map(|items| {
        let (fail, receiver) = oneshot::channel();
        failed = Some(receiver);
        Items::new(Sent { items, fail: Some(fail), limit: limit as usize })
    });
    let failed = async move {
        let status = match failed {
            Some(failed) => failed.await.ok(),
            None => None,
        };
        match status {
            Some(status) => status,
            None => pending().await,
        }
    };
    (request, failed)
}

/// What the caller sends. Where it can not go on its call fails, and the handler is dropped.
struct Sent {
    items: Items,
    fail: Option<oneshot::Sender<Status>>,
    limit: usize,
}

impl Source for Sent {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let fault = match ready!(self.items.poll(cx, out, room)) {
            Pulled::Fault(status) => status,
            Pulled::Items(cost) => match longer_than(self.limit, out) {
                Some(status) => status,
                None => return Poll::Ready(Pulled::Items(cost)),
            },
            pulled => return Poll::Ready(pulled),
        };
        match self.fail.take().map(|fail| fail.send(fault)) {
            Some(Err(fault)) => Poll::Ready(Pulled::Fault(fault)),
            Some(Ok(())) | None => Poll::Pending,
        }
    }

    fn taken(&mut self, cost: usize) {
        self.items.taken(cost);
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

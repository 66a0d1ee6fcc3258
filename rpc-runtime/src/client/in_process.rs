//! A channel's service in the same process: its handlers are polled in the tasks of their callers, through the codec
//! and under the limits of messages, as they would be at the other end of a connection.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
};

use tokio::time::{Instant, timeout_at};

use super::builder::Settings;
use crate::{
    call::{Answer, OutgoingRequest, Peer, Response, Scene},
    router::{Finished, Router, Running, Service},
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

    /// Runs one call. `closed` ends it early; dropping the future drops the handler.
    pub(super) async fn call(
        &self,
        settings: &Settings,
        request: OutgoingRequest,
        deadline: Option<Instant>,
        closed: impl Future<Output = Status>,
    ) -> Answer {
        let started = self.start(settings, request, deadline);
        let mut running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(finished)) => return answer(settings, finished),
            Err(status) => return Answer::of_status(status),
        };
        let finished = async {
            let closed = std::pin::pin!(closed);
            tokio::select! {
                biased;
                finished = poll_fn(|cx| running.poll(cx)) => Ok(finished),
                status = closed => Err(status),
            }
        };
        let finished = match deadline {
            None => finished.await,
            Some(deadline) => timeout_at(deadline, finished).await.unwrap_or_else(|_| {
                Err(Status::of_call(Code::DeadlineExceeded, "the deadline passed while the method ran"))
            }),
        };
        match finished {
            Ok(finished) => answer(settings, finished),
            Err(status) => Answer::of_status(status),
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
        let OutgoingRequest { service, method, metadata, body } = request;
        let route = router.find(service.as_str(), method)?;
        let (size, limit) = (body.len(), settings.limits.max_message);
        if size > limit as usize {
            let text = format!("the request has {size} bytes, more than max_message, {limit}");
            return Err(Status::of_call(Code::ResourceExhausted, text).not_executed());
        }
        let scene = Scene::new(route.descriptor, Arc::clone(&self.peer), deadline, metadata);
        Ok(Running::start(route, settings.codec, &body, scene))
    }
}

fn answer(settings: &Settings, finished: Finished) -> Answer {
    let outcome: Result<Response, Status> = finished.into();
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

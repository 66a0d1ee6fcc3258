//! A channel's service in the same process, and those that the channel offers to it: two ends without a connection
//! between them. Handlers are polled in the tasks of their callers, through the codec and under the limits of messages,
//! as they would be at the other end of a connection.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    Channel,
    builder::Settings,
    local_items::{Bounded, Ends, watched},
};
use crate::{
    call::{Answer, Ending, OutgoingRequest, Peer, Response, Scene, Side},
    codec::CodecKind,
    connection::{ConnectionState, Endpoint},
    metadata::Metadata,
    router::{Finished, Router, Running, Service, Start, respond},
    status::{Code, Status},
};

/// The address of every channel to a service in the same process.
pub(super) const ADDRESS: &str = "in-process";

/// A channel's way to one end of a pair. The pair lives as long as the channel that it was made for.
pub(super) struct InProcess {
    end: Weak<End>,
    /// Where calls come from that go this way.
    side: Side,
    pair: Arc<Pair>,
    _owner: Option<Owner>,
}

/// What is called from the other end.
pub(super) struct End {
    /// Registered services and a codec that can be used, or why not.
    router: Result<Router, Status>,
    /// Who calls.
    peer: Arc<Peer>,
    /// Where that is.
    side: Side,
    pair: Arc<Pair>,
}

/// What both ends share.
pub(super) struct Pair {
    pub(super) codec: CodecKind,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) state: watch::Sender<ConnectionState>,
    /// Which side closed it first.
    closed_by: watch::Sender<Option<Side>>,
}

/// Keeps both ends, until the channel is dropped.
struct Owner {
    pair: Arc<Pair>,
    _ends: [Arc<End>; 2],
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pair.close(Side::Client);
    }
}

/// The end that is behind the [way back](Peer::way_back) to a peer, if that is no connection.
pub(super) fn back(way: Arc<dyn Any + Send + Sync>) -> Option<Arc<End>> {
    way.downcast().ok()
}

impl InProcess {
    /// A way to this service, for the owner of the pair, and what the pair is up to.
    pub(super) fn new(
        service: &dyn Service,
        settings: &Settings,
        endpoint: &Arc<Endpoint>,
    ) -> (Self, watch::Sender<ConnectionState>) {
        let state = watch::Sender::new(ConnectionState::Ready);
        let (closed_by, endpoint) = (watch::Sender::new(None), Arc::clone(endpoint));
        let pair = Arc::new(Pair { codec: settings.codec, endpoint, state: state.clone(), closed_by });
        let mut router = Router::default();
        let registered = settings.codec.check().and_then(|()| router.register(service)).map(|()| router);
        let (router, offered) = match (registered, settings.offered.router()) {
            (Ok(router), Ok(offered)) => (Ok(router), Ok(offered)),
            (Err(status), _) | (_, Err(status)) => (Err(status.clone()), Err(status)),
        };
        let there = End::new(router, Side::Client, settings.metadata.clone(), &pair);
        let here = End::new(offered, Side::Server, Metadata::new(), &pair);
        let (to_there, to_here): (Weak<End>, Weak<End>) = (Arc::downgrade(&there), Arc::downgrade(&here));
        here.peer.is_reached_by(to_there);
        there.peer.is_reached_by(to_here);
        let owner = Owner { pair, _ends: [Arc::clone(&there), here] };
        (Self { _owner: Some(owner), ..Self::to(&there) }, state)
    }

    /// A way that does not keep the pair.
    pub(super) fn to(end: &Arc<End>) -> Self {
        Self { end: Arc::downgrade(end), side: end.side, pair: Arc::clone(&end.pair), _owner: None }
    }

    /// Ends the calls between both ends.
    pub(super) fn close(&self) {
        self.pair.close(self.side);
    }

    /// Runs one call; one that streams, until it has begun. Closing the channel at either end, or dropping it, ends it
    /// early; dropping the future, or the items that come of it, drops the handler.
    pub(super) async fn call(&self, request: OutgoingRequest, deadline: Option<Instant>, channel: &Channel) -> Answer {
        let closed = self.pair.closed(self.side);
        match (self.end.upgrade(), closed) {
            (Some(end), None) => end.call(request, deadline, channel).await,
            (_, Some(status)) => Answer::of_status(status.not_executed()),
            (None, None) => Answer::of_status(closed_there().not_executed()),
        }
    }
}

impl Pair {
    /// The side that comes first closes it.
    fn close(&self, side: Side) {
        self.closed_by.send_if_modified(|by| by.replace(by.unwrap_or(side)).is_none());
        self.state.send_if_modified(|state| {
            let open = !matches!(state, ConnectionState::Closed(_));
            if open {
                *state = ConnectionState::Closed(closed_here());
            }
            open
        });
    }

    /// Why calls of this side end, once it is closed.
    fn closed(&self, side: Side) -> Option<Status> {
        self.closed_by.borrow().map(|by| if by == side { closed_here() } else { closed_there() })
    }

    fn closing(self: &Arc<Self>, side: Side) -> impl Future<Output = Status> + Send + use<> {
        let pair = Arc::clone(self);
        async move {
            // The sender lives in the pair.
            let _ = pair.closed_by.subscribe().wait_for(Option::is_some).await;
            pair.closed(side).unwrap_or_else(closed_there)
        }
    }
}

impl End {
    fn new(router: Result<Router, Status>, side: Side, metadata: Metadata, pair: &Arc<Pair>) -> Arc<Self> {
        let peer = Arc::new(Peer::new(ADDRESS.to_owned(), metadata, Arc::from(ADDRESS)));
        Arc::new(Self { router, peer, side, pair: Arc::clone(pair) })
    }

    pub(super) fn pair(&self) -> &Pair {
        &self.pair
    }

    async fn call(&self, request: OutgoingRequest, deadline: Option<Instant>, channel: &Channel) -> Answer {
        let limit = self.pair.endpoint.limits.max_message;
        let (request, failed) = watched(request, limit);
        let started = self.start(request, deadline);
        let running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(finished)) => return self.answer(finished.into()),
            Err(status) => return Answer::of_status(status),
        };
        let closing = self.pair.closing(self.side);
        let ended = async move {
            match deadline {
                None => closing.await,
                Some(deadline) => timeout_at(deadline, closing).await.unwrap_or_else(|_| {
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
        match self.answer(outcome) {
            Answer { ending: Ending::Opened(items), metadata, body } => {
                let items = Bounded::items(items, ends, channel, limit);
                Answer { ending: Ending::Opened(items), metadata, body }
            }
            answer => answer,
        }
    }

    /// The handler, or its refusal of the arguments; or why the call does not get so far.
    fn start(&self, request: OutgoingRequest, deadline: Option<Instant>) -> Result<Result<Running, Finished>, Status> {
        let router = self.router.as_ref().map_err(|status| status.clone().not_executed())?;
        let OutgoingRequest { service, method, metadata, body, items, .. } = request;
        let route = router.find(service.as_str(), method)?;
        let (size, limit) = (body.len(), self.max_message());
        if size > limit {
            let text = format!("the request has {size} bytes, more than max_message, {limit}");
            return Err(Status::of_call(Code::ResourceExhausted, text).not_executed());
        }
        let scene = Scene::new(route.descriptor, Arc::clone(&self.peer), deadline, metadata);
        let start = Start { codec: self.pair.codec, body: &body, scene, items, max_item: limit };
        Ok(Running::start(route, start))
    }

    fn answer(&self, outcome: Result<Response, Status>) -> Answer {
        let limit = self.max_message();
        match outcome {
            Ok(response) if response.body().bytes().len() > limit => {
                let size = response.body().bytes().len();
                let text = format!("the reply has {size} bytes, more than max_message, {limit}");
                Answer::of_status(Status::of_call(Code::ResourceExhausted, text))
            }
            outcome => outcome.map_err(Status::received).into(),
        }
    }

    fn max_message(&self) -> usize {
        self.pair.endpoint.limits.max_message as usize
    }
}

fn closed_here() -> Status {
    Status::of_call(Code::Cancelled, "the connection was closed here").at(ADDRESS)
}

fn closed_there() -> Status {
    Status::of_call(Code::Unavailable, "the other end has closed the channel").at(ADDRESS)
}

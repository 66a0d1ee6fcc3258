//! A call that goes to its handler by way of layers. To whoever runs it, it is a handler like any other; the handler
//! itself runs in a context of its own, with what the layers made of the request.

use std::{future::poll_fn, sync::Arc};

use super::{Finished, HandlerFuture, Reply, Route, Running};
use crate::{
    call::{
        Ambient, Attempts, CallService, Destination, Peer, Request, Response, ResponseFuture, Scene, ServiceName, Side,
    },
    codec::CodecKind,
    status::Status,
};

/// The call as the layers will see it.
pub(super) fn request(route: &Arc<Route>, codec: CodecKind, body: &[u8], scene: &Scene) -> Request {
    let handling = Handling { route: Arc::clone(route), peer: Arc::clone(&scene.peer), attempts: Attempts::default() };
    Request {
        method: route.descriptor,
        service: ServiceName::Named(Arc::clone(&route.service)),
        codec,
        deadline: scene.deadline,
        metadata: scene.metadata.clone(),
        body: body.to_vec().into(),
        extensions: scene.extensions.clone(),
        destination: Arc::new(handling),
    }
}

/// Leads it through the layers.
pub(super) fn lead(layers: CallService, request: Request) -> HandlerFuture {
    let led = layers.lead(request);
    Box::pin(async move {
        match led.await {
            Ok(response) => {
                let (is_service_error, metadata, body) = response.into_parts();
                Ambient::respond_with(&metadata);
                let reply = if is_service_error { Reply::ServiceError } else { Reply::Value };
                reply(body.into_bytes())
            }
            Err(status) => {
                let status = settled(status);
                Ambient::respond_with(status.metadata());
                Reply::Status(status)
            }
        }
    })
}

/// One call on its way to its handler.
struct Handling {
    route: Arc<Route>,
    peer: Arc<Peer>,
    attempts: Attempts,
}

impl Destination for Handling {
    fn reach(self: Arc<Self>, request: Request) -> ResponseFuture {
        let Request { codec, deadline, metadata, body, extensions, .. } = request;
        let (method, peer) = (self.route.descriptor, Arc::clone(&self.peer));
        let scene = Scene { method, peer, deadline, metadata, extensions };
        Box::pin(async move {
            let attempt = async {
                let finished = match Running::start_handler(&self.route, codec, body.bytes(), scene) {
                    Ok(mut running) => poll_fn(|cx| running.poll(cx)).await,
                    Err(finished) => finished,
                };
                finished.into()
            };
            self.attempts.count(attempt).await
        })
    }

    fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    fn side(&self) -> Side {
        Side::Server
    }

    fn peer(&self) -> &str {
        &self.peer.address
    }

    fn server_address(&self) -> &str {
        &self.peer.local
    }
}

impl From<Finished> for Result<Response, Status> {
    fn from(Finished { reply, metadata }: Finished) -> Self {
        match reply {
            Reply::Value(body) => Ok(Response::value(body.into()).with_metadata(metadata)),
            Reply::ServiceError(body) => Ok(Response::service_error(body.into()).with_metadata(metadata)),
            Reply::Status(status) => Err(settled(status).with_metadata(metadata)),
        }
    }
}

/// What of a status leaves the handler, or the layers. It may still be *not executed*, if no handler was reached.
fn settled(status: Status) -> Status {
    let may_have_run = status.may_have_run();
    let status = status.leaving_handler();
    if may_have_run { status } else { status.not_executed() }
}

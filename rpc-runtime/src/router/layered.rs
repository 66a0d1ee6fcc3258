//! A call that goes to its handler by way of layers. To whoever runs it, it is a handler like any other; the handler
//! itself runs in a context of its own, with what the layers made of the request.

use std::sync::Arc;

use super::{Finished, HandlerFuture, Route, Running, Start, produced::respond};
use crate::{
    call::{
        Ambient, Attempts, Body, CallService, Destination, Outlet, Peer, Reply, Request, Response, ResponseFuture,
        Scene, SharedItems, Side, items_spent,
    },
    status::{Code, Status},
};

/// The call as the layers will see it.
pub(super) fn request(route: &Arc<Route>, start: Start<'_>) -> (Request, Scene) {
    let Start { codec, body, scene, items, max_item } = start;
    let peer = Arc::clone(&scene.peer);
    let handling = Handling { route: Arc::clone(route), peer, max_item, attempts: Attempts::default() };
    let request = Request {
        method: route.descriptor,
        service: route.service.clone(),
        codec,
        deadline: scene.deadline,
        metadata: scene.metadata.clone(),
        body: body.to_vec().into(),
        items: SharedItems::new(items),
        extensions: scene.extensions.clone(),
        destination: Arc::new(handling),
    };
    (request, scene)
}

/// Leads it through the layers. What items come of it are put into the outlet.
pub(super) fn lead(layers: CallService, request: Request, outlet: Option<Outlet>) -> HandlerFuture {
    let led = layers.lead(request);
    Box::pin(async move {
        match led.await.and_then(Response::into_parts) {
            Ok((is_service_error, metadata, body, items)) => {
                Ambient::respond_with(&metadata);
                match (items, outlet) {
                    (Some(items), Some(outlet)) => {
                        outlet.open();
                        let end = outlet.forward(items).await;
                        Ambient::respond_with(&end.metadata);
                        end.into()
                    }
                    (None, _) if is_service_error => Reply::ServiceError(body.into_bytes()),
                    (None, None) => Reply::Value(body.into_bytes()),
                    (Some(_), None) => Reply::Status(other_kind("items", "one value")),
                    (None, Some(_)) => Reply::Status(other_kind("a value", "a stream")),
                }
            }
            Err(status) => {
                let status = settled(status);
                Ambient::respond_with(status.metadata());
                Reply::Status(status)
            }
        }
    })
}

fn other_kind(given: &str, wanted: &str) -> Status {
    Status::of_call(Code::Internal, format!("a layer answered with {given} where the method returns {wanted}"))
}

/// One call on its way to its handler.
struct Handling {
    route: Arc<Route>,
    peer: Arc<Peer>,
    max_item: usize,
    attempts: Attempts,
}

impl Destination for Handling {
    fn reach(self: Arc<Self>, request: Request) -> ResponseFuture {
        let Request { codec, deadline, metadata, body, items, extensions, .. } = request;
        let (method, peer, max_item) = (self.route.descriptor, Arc::clone(&self.peer), self.max_item);
        let scene = Scene { method, peer, deadline, metadata, extensions };
        Box::pin(async move {
            let attempt = async {
                let there = items.are_there();
                let items = items.take();
                if there && items.is_none() {
                    return Err(items_spent());
                }
                let start = Start { codec, body: body.bytes(), scene, items, max_item };
                match Running::start_handler(&self.route, start) {
                    Ok(running) => respond(running).await,
                    Err(finished) => finished.into(),
                }
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
            // A handler that has begun its items ends elsewhere.
            Reply::Finished => Ok(Response::value(Body::default()).with_metadata(metadata)),
            Reply::Status(status) | Reply::Unsendable(status) => Err(settled(status).with_metadata(metadata)),
        }
    }
}

/// What of a status leaves the handler, or the layers. It may still be *not executed*, if no handler was reached.
fn settled(status: Status) -> Status {
    let may_have_run = status.may_have_run();
    let status = status.leaving_handler();
    if may_have_run { status } else { status.not_executed() }
}

//! A call that goes to its server by way of layers.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, timeout, timeout_at};

use super::{Channel, engine::late};
use crate::{
    call::{
        Answer, Attempts, Body, CallService, Destination, Ending, Extensions, Items, OutgoingRequest, Pulled,
        Reception, Request, Response, ResponseFuture, SharedItems, Side, Source, items_spent,
    },
    descriptor::MethodDescriptor,
    status::Status,
};

/// An attempt ends by the call's own deadline, and says better than this side could what became of it. So long it is
/// waited for.
const GRACE: Duration = Duration::from_millis(100);

/// Leads a call through the layers of its channel, within its deadline.
pub(super) async fn call(
    channel: Channel,
    layers: CallService,
    method: &'static MethodDescriptor,
    request: OutgoingRequest,
    deadline: Option<Instant>,
) -> Answer {
    let codec = channel.settings().codec;
    let OutgoingRequest { service, metadata, body, items, reception, .. } = request;
    let sending = Arc::new(Sending { channel, reception, attempts: Attempts::default() });
    let request = Request {
        method,
        service,
        codec,
        deadline,
        metadata,
        body: Body::from(body),
        items: SharedItems::new(items),
        extensions: Extensions::default(),
        destination: Arc::<Sending>::clone(&sending),
    };
    let led = until_closed(&sending, layers.lead(request));
    let outcome: Result<Response, Status> = match deadline {
        None => led.await,
        Some(deadline) => {
            let mut led = pin!(led);
            match timeout_at(deadline, &mut led).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let grace = if sending.attempts.is_under_way() { GRACE } else { Duration::ZERO };
                    let late = |_| Err(sending.attempts.judge(late("the deadline passed in a layer")));
                    timeout(grace, led).await.unwrap_or_else(late)
                }
            }
        }
    };
    outcome.into()
}

/// The outcome of the layers. While they make no attempt, which would end by itself, the channel's close ends the call.
async fn until_closed(
    sending: &Sending,
    led: impl Future<Output = Result<Response, Status>>,
) -> Result<Response, Status> {
    let (mut led, mut closing) = (pin!(led), pin!(sending.channel.closing()));
    poll_fn(|cx| {
        let outcome = led.as_mut().poll(cx);
        if outcome.is_ready() || sending.attempts.is_under_way() {
            return outcome;
        }
        closing.as_mut().poll(cx).map(|status| Err(sending.attempts.judge(status)))
    })
    .await
}

/// One call on its way to its server.
struct Sending {
    channel: Channel,
    reception: Reception,
    attempts: Attempts,
}

impl Destination for Sending {
    fn reach(self: Arc<Self>, request: Request) -> ResponseFuture {
        Box::pin(async move {
            let Request { method, service, deadline, metadata, body, items, .. } = request;
            let name = service.clone();
            let (body, reception) = (body.into_bytes(), self.reception);
            let there = items.are_there();
            let items = items.take();
            let spent = there && items.is_none();
            let request =
                OutgoingRequest { service, method: method.name, metadata, body, items, sends: there, reception };
            let attempt = async {
                let answer = if spent {
                    Answer::of_status(items_spent())
                } else if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    Answer::of_status(late("there was no time left for another attempt"))
                } else {
                    self.channel.reach(request, deadline).await
                };
                let mut outcome: Result<Response, Status> = answer.into();
                if let Ok(response) = &mut outcome {
                    let sending = Arc::clone(&self);
                    response.wrap_items(|items| Items::new(Attempted { items, sending }));
                }
                outcome.map_err(|status| status.in_method(name.as_str(), method.name).at(self.channel.address()))
            };
            self.attempts.count(attempt).await
        })
    }

    fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    fn side(&self) -> Side {
        Side::Client
    }

    fn peer(&self) -> &str {
        self.channel.address()
    }

    fn server_address(&self) -> &str {
        self.channel.address()
    }
}

/// The items of an attempt that was opened, and so may have run, unless they end with word that it has not.
struct Attempted {
    items: Items,
    sending: Arc<Sending>,
}

impl Source for Attempted {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let mut pulled = ready!(self.items.poll(cx, out, room));
        if let Pulled::End(Answer { ending: Ending::Status(status), .. }) | Pulled::Fault(status) = &mut pulled {
            let attempts = &self.sending.attempts;
            if !status.may_have_run() {
                attempts.take_back();
            }
            *status = attempts.judge(status.clone());
        }
        Poll::Ready(pulled)
    }

    fn taken(&mut self, cost: usize) {
        self.items.taken(cost);
    }
}

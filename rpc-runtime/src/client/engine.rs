//! What drives a call, without its types: unsent, in the pending table, or in a task that dials first.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    task::{self, Poll, Waker},
};

use tokio::{
    task::{AbortHandle, JoinError},
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use super::{Channel, layered};
use crate::{
    call::{Ambient, Answer, Context, OutgoingRequest, ServiceName, Timeout, panicked},
    codec::CodecKind,
    connection::CallId,
    descriptor::{MethodDescriptor, MethodKind},
    status::{Code, Status},
    stream::Place,
};

/// A call between its making and its outcome.
pub(super) struct Engine {
    stage: Stage,
    target: Target,
    timeout: Timeout,
    /// The deadline of the call that this one is made in.
    inherited: Option<Instant>,
}

/// Whom a call is for.
#[derive(Clone)]
struct Target {
    channel: Channel,
    service: ServiceName,
    method: &'static MethodDescriptor,
}

enum Stage {
    Unsent(OutgoingRequest),
    /// In the pending table of the channel's connection.
    Sent(CallId),
    /// There are layers, or no connection: the channel has to be dialled first, or never has one.
    Slow(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// Ended before it was sent.
    Refused(Status),
    Over,
}

/// A call's end, with what is needed to decode it and to name it in errors.
pub(super) struct Ended {
    pub(super) answer: Answer,
    target: Target,
}

impl Engine {
    pub(super) fn new(
        channel: Channel,
        method: &'static MethodDescriptor,
        mut request: OutgoingRequest,
        refused: Option<Status>,
    ) -> Self {
        let inherited = Ambient::inherited(&mut request.metadata);
        let target = Target { channel, service: request.service.clone(), method };
        let stage = refused.map_or(Stage::Unsent(request), Stage::Refused);
        Self { stage, target, timeout: Timeout::Default, inherited }
    }

    pub(super) fn set_timeout(&mut self, timeout: Timeout) {
        self.timeout = timeout;
    }

    pub(super) fn add_metadata(&mut self, key: String, value: String) {
        if let Stage::Unsent(request) = &mut self.stage {
            request.metadata.append(key, value);
        }
    }

    /// Sends the call if it is not sent, and asks for its outcome.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Ended> {
        if matches!(self.stage, Stage::Unsent(_)) {
            self.send(Some(cx.waker().clone()));
            // A stream that opens at once has its outcome now.
            if matches!(self.stage, Stage::Sent(_)) && self.target.method.kind == MethodKind::Unary {
                return Poll::Pending;
            }
        }
        let answer = match &mut self.stage {
            Stage::Sent(id) => match self.target.channel.connection() {
                Some(connection) => std::task::ready!(connection.poll(*id, cx)),
                None => Answer::of_status(Status::internal("a call was sent without a connection")),
            },
            Stage::Slow(slow) => std::task::ready!(slow.as_mut().poll(cx)),
            Stage::Refused(status) => Answer::of_status(status.clone()),
            Stage::Unsent(_) | Stage::Over => Answer::of_status(Status::internal("a call was polled after its end")),
        };
        self.stage = Stage::Over;
        Poll::Ready(Ended { answer, target: self.target.clone() })
    }

    /// Sends the call without anybody waiting for it yet.
    pub(super) fn start(&mut self) {
        self.send(None);
        self.stage = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Slow(slow) => Stage::Slow(in_task(slow)),
            stage => stage,
        };
    }

    fn send(&mut self, waker: Option<Waker>) {
        let request = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Unsent(request) => request,
            stage => {
                self.stage = stage;
                return;
            }
        };
        let now = Instant::now();
        let Target { channel, method, .. } = &self.target;
        // How long a stream lasts is no sign of a fault: it has a deadline by choice only.
        let default = channel.settings().timeout.filter(|_| method.kind == MethodKind::Unary);
        let deadline = self.timeout.deadline(now, default, self.inherited);
        self.stage = if deadline.is_some_and(|deadline| deadline <= now) {
            Stage::Refused(late("there was no time left before it was sent"))
        } else if let Some(layers) = channel.layers() {
            let (channel, layers) = (channel.clone(), layers.clone());
            Stage::Slow(Box::pin(layered::call(channel, layers, method, request, deadline)))
        } else if let Some(connection) = channel.connection() {
            connection.send(request, deadline, now, waker).map_or_else(Stage::Refused, Stage::Sent)
        } else {
            let channel = channel.clone();
            Stage::Slow(Box::pin(async move { channel.reach(request, deadline).await }))
        };
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let (Stage::Sent(id), Some(connection)) = (&self.stage, self.target.channel.connection()) {
            connection.abandon(*id);
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Unsent(_) => "unsent",
            Stage::Sent(_) => "sent",
            Stage::Slow(_) => "on its way",
            Stage::Refused(_) => "refused",
            Stage::Over => "over",
        };
        write!(f, "{}.{}, {stage}", self.target.service.as_str(), self.target.method.name)
    }
}

impl Ended {
    pub(super) fn codec(&self) -> CodecKind {
        self.target.channel.settings().codec
    }

    /// What is named when a stream of this call fails.
    pub(super) fn place(&self) -> Place {
        let Target { channel, service, method } = &self.target;
        Place { service: service.clone(), method: method.name, address: channel.address().to_owned() }
    }

    /// Names the method and the address in a failure.
    pub(super) fn name(&self, status: Status) -> Status {
        let Target { channel, service, method } = &self.target;
        status.in_method(service.as_str(), method.name).at(channel.address())
    }
}

/// The call of a channel that may not be connected. The time for dialling is the call's, too.
pub(super) async fn dial_and_call(channel: &Channel, request: OutgoingRequest, deadline: Option<Instant>) -> Answer {
    let ready = channel.ready();
    let ready = match deadline {
        None => ready.await,
        Some(deadline) => {
            timeout_at(deadline, ready).await.unwrap_or_else(|_| Err(late("the connection was not there in time")))
        }
    };
    let now = Instant::now();
    let sent = ready.and_then(|connection| match deadline {
        Some(deadline) if deadline <= now => Err(late("there was no time left when the connection was there")),
        _ => connection.send(request, deadline, now, None),
    });
    let id = match sent {
        Ok(id) => id,
        Err(status) => return Answer::of_status(status),
    };
    let mut pending = Pending { channel, id: Some(id) };
    poll_fn(|cx| pending.poll(cx)).await
}

/// A sent call, cancelled when it is dropped without an outcome.
struct Pending<'a> {
    channel: &'a Channel,
    id: Option<CallId>,
}

impl Pending<'_> {
    fn poll(&mut self, cx: &task::Context<'_>) -> Poll<Answer> {
        let (Some(id), Some(connection)) = (self.id, self.channel.connection()) else {
            return Poll::Ready(Answer::of_status(Status::internal("a call was polled after its end")));
        };
        let polled = connection.poll(id, cx);
        if polled.is_ready() {
            self.id = None;
        }
        polled
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let (Some(id), Some(connection)) = (self.id, self.channel.connection()) {
            connection.abandon(id);
        }
    }
}

/// Lets a task drive the call, with the context and span of whoever starts it, which layers may ask for; dropping what
/// is returned ends the task.
fn in_task(slow: Pin<Box<dyn Future<Output = Answer> + Send>>) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    struct AbortOnDrop(AbortHandle);
    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the running call owns the task and aborts it")]
    let task = tokio::spawn(Context::current().scope(slow).in_current_span());
    let guard = AbortOnDrop(task.abort_handle());
    Box::pin(async move {
        let _guard = guard;
        task.await.unwrap_or_else(|error| Answer::of_status(lost_task(error)))
    })
}

/// Why the task of a call ended without an outcome. What panics there is a layer.
fn lost_task(error: JoinError) -> Status {
    let Ok(panic) = error.try_into_panic() else {
        return Status::of_call(Code::Cancelled, "the runtime of the call was shut down");
    };
    panicked("a layer", panic)
}

pub(super) fn late(text: &str) -> Status {
    Status::of_call(Code::DeadlineExceeded, text).not_executed()
}

//! A span for each call, after OpenTelemetry's conventions for RPC, and the trace context that ties the spans of
//! several processes together.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;
use tower_layer::Layer;
use tracing::{Instrument, Span, field::Empty};

use super::{
    from_fn,
    trace_context::{TRACEPARENT, TraceContext},
};
use crate::{
    call::{Answer, CallService, Ending, Items, LayeredService, Pulled, Request, Response, Side, Source},
    status::{Code, Status},
};

/// For channels and servers: a `tracing` span around each call, and its trace carried on.
///
/// The span's name for exporters, `otel.name`, is the method, `Service.Method`. Its fields follow OpenTelemetry's
/// conventions for RPC: `rpc.system.name`, `rpc.method`, `server.address`, `server.port`, and once the call has ended
/// `rpc.status_code`, with `error.type` when it failed. Its level is `INFO`. A call that was dropped before its end is
/// `CANCELLED`, or `DEADLINE_EXCEEDED` when its time was over; one that ended with the service's own error is `OK`,
/// with `service_error` as `error.type`. Of a call whose method returns a stream the span lasts until the items have
/// ended or were dropped, and says how.
///
/// The trace travels as `traceparent` of the W3C in the metadata. A channel's layer continues the trace that it finds
/// there or begins one; a server's layer continues the caller's, and the calls that its handler makes belong to it
/// whether or not their channel has this layer. The span's `trace_id`, `span_id` and `parent_span_id` are what travels.
///
/// ```
/// # use rpc_runtime::prelude::*;
/// # #[rpc_service]
/// # trait Greeter {
/// #     async fn greet(&self, name: &str) -> Result<String, Status>;
/// # }
/// # struct English;
/// # impl Greeter for English {
/// #     async fn greet(&self, name: &str) -> Result<String, Status> {
/// #         if name.is_empty() { Err(Status::invalid_argument("nobody")) } else { Ok(format!("hello, {name}")) }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Status> {
/// // Whatever subscriber the program has gets the spans.
/// let channel = Channel::builder().layer(rpc_runtime::middleware::tracing());
/// let greeter = GreeterClient::new(channel.in_process(GreeterServer::new(English)));
/// assert_eq!(greeter.greet("world").await?, "hello, world");
/// # Ok(())
/// # }
/// ```
pub fn tracing() -> impl Layer<CallService, Service: LayeredService> + Clone + Send + Sync {
    from_fn(|mut call, next| {
        let parent = TraceContext::of(call.metadata());
        let own = TraceContext::child(parent.as_ref());
        call.metadata_mut().insert(TRACEPARENT, own.to_string());
        let span = span(&call, &own, parent.as_ref());
        let of_items = span.clone();
        let end = End { span: Some(span.clone()), deadline: call.deadline() };
        async move {
            let mut outcome = next.run(call).await;
            match &mut outcome {
                Ok(response) if response.has_items() => {
                    let span = of_items;
                    response.wrap_items(|items| Items::new(Spanned { items: Some(items), span, end: Some(end) }));
                }
                _ => end.record(outcome.as_ref().map(Response::is_service_error)),
            }
            outcome
        }
        .instrument(span)
    })
}

fn span(call: &Request, own: &TraceContext, parent: Option<&TraceContext>) -> Span {
    let kind = match call.side() {
        Side::Client => "client",
        Side::Server => "server",
    };
    let method = call.method().full_name;
    let span = tracing::info_span!(
        "rpc",
        otel.name = method,
        otel.kind = kind,
        rpc.system.name = "rpc-runtime",
        rpc.method = method,
        server.address = Empty,
        server.port = Empty,
        rpc.status_code = Empty,
        error.r#type = Empty,
        trace_id = format_args!("{:032x}", own.trace),
        span_id = format_args!("{:016x}", own.span),
        parent_span_id = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let (address, port) = host_and_port(call.server_address());
    if !address.is_empty() {
        span.record("server.address", address);
    }
    if let Some(port) = port {
        span.record("server.port", port);
    }
    if let Some(parent) = parent {
        span.record("parent_span_id", tracing::field::display(format_args!("{:016x}", parent.span)));
    }
    span
}

/// Of `tcp://host:port` both; else all that stands behind the scheme.
fn host_and_port(address: &str) -> (&str, Option<u16>) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    match rest.rsplit_once(':') {
        Some((host, port)) if address.starts_with("tcp://") => match port.parse() {
            Ok(port) => (host.trim_matches(['[', ']']), Some(port)),
            Err(_) => (rest, None),
        },
        _ => (rest, None),
    }
}

/// Owes a span the end of its call.
struct End {
    span: Option<Span>,
    deadline: Option<Instant>,
}

impl End {
    /// `Ok` says whether it ended with the service's own error.
    fn record(mut self, outcome: Result<bool, &Status>) {
        let Some(span) = self.span.take() else { return };
        match outcome {
            Ok(is_service_error) => {
                span.record("rpc.status_code", Code::Ok.name());
                if is_service_error {
                    span.record("error.type", "service_error");
                }
            }
            Err(status) => fail(&span, status.code().name()),
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            let late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
            fail(&span, if late { Code::DeadlineExceeded.name() } else { Code::Cancelled.name() });
        }
    }
}

/// The items of a call, polled and dropped in its span, which lasts as long as they do.
struct Spanned {
    items: Option<Items>,
    span: Span,
    end: Option<End>,
}

impl Source for Spanned {
    fn poll_items(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>, room: usize) -> Poll<Pulled> {
        let _entered = self.span.enter();
        let Some(items) = &mut self.items else { return Poll::Pending };
        let pulled = ready!(items.poll(cx, out, room));
        let outcome = match &pulled {
            Pulled::Items(_) => return Poll::Ready(pulled),
            Pulled::End(Answer { ending: Ending::Status(status), .. }) | Pulled::Fault(status) => Err(status),
            Pulled::End(Answer { ending, .. }) => Ok(matches!(ending, Ending::ServiceError)),
        };
        if let Some(end) = self.end.take() {
            end.record(outcome);
        }
        Poll::Ready(pulled)
    }

    fn taken(&mut self, cost: usize) {
        if let Some(items) = &mut self.items {
            items.taken(cost);
        }
    }
}

impl Drop for Spanned {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        drop(self.items.take());
    }
}

fn fail(span: &Span, code: &str) {
    span.record("rpc.status_code", code);
    span.record("error.type", code);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        assert_eq!(host_and_port("tcp://127.0.0.1:7000"), ("127.0.0.1", Some(7000)));
        assert_eq!(host_and_port("tcp://[::1]:7000"), ("::1", Some(7000)));
        assert_eq!(host_and_port("unix:///run/arith.sock"), ("/run/arith.sock", None));
        assert_eq!(host_and_port(""), ("", None));
    }
}

//! A span for each call, after OpenTelemetry's conventions for RPC, and the trace context that ties the spans of
//! several processes together.

use tokio::time::Instant;
use tower_layer::Layer;
use tracing::{Instrument, Span, field::Empty};

use super::{
    from_fn,
    trace_context::{TRACEPARENT, TraceContext},
};
use crate::{
    call::{CallService, LayeredService, Request, Response, Side},
    status::{Code, Status},
};

/// For channels and servers: a `tracing` span around each call, and its trace carried on.
///
/// The span's name for exporters, `otel.name`, is the method, `Service.Method`. Its fields follow OpenTelemetry's
/// conventions for RPC: `rpc.system.name`, `rpc.method`, `server.address`, `server.port`, and once the call has ended
/// `rpc.status_code`, with `error.type` when it failed. Its level is `INFO`. A call that was dropped before its end is
/// `CANCELLED`, or `DEADLINE_EXCEEDED` when its time was over; one that ended with the service's own error is `OK`,
/// with `service_error` as `error.type`.
///
/// The trace travels as `traceparent` of the W3C in the metadata. A channel's layer continues the trace that it finds
/// there or begins one; a server's layer continues the caller's, and the calls that its handler makes belong to it
/// whether or not their channel has this layer. The span's `trace_id`, `span_id` and `parent_span_id` are what travels.
pub fn tracing() -> impl Layer<CallService, Service: LayeredService> + Clone + Send + Sync {
    from_fn(|mut call, next| {
        let parent = TraceContext::of(call.metadata());
        let own = TraceContext::child(parent.as_ref());
        call.metadata_mut().insert(TRACEPARENT, own.to_string());
        let span = span(&call, &own, parent.as_ref());
        let end = End { span: Some(span.clone()), deadline: call.deadline() };
        async move {
            let outcome = next.run(call).await;
            end.record(&outcome);
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
    fn record(mut self, outcome: &Result<Response, Status>) {
        let Some(span) = self.span.take() else { return };
        match outcome {
            Ok(response) => {
                span.record("rpc.status_code", Code::Ok.name());
                if response.is_service_error() {
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

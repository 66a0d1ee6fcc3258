//! Spans after OpenTelemetry's conventions, and the trace that ties them together.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_runtime::{CallError, Channel, Code, Server, Status, middleware, rpc_service, testing};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{Clerk, feed, linked, plain, server};

/// The fields of one span, by name.
type Fields = BTreeMap<String, String>;

/// Keeps the fields of all spans of one thread.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

impl Spans {
    /// Those of this kind, `client` or `server`, in the order in which they began.
    fn of_kind(&self, kind: &str) -> Vec<Fields> {
        self.0.lock().unwrap().iter().filter(|fields| fields["otel.kind"] == kind).cloned().collect()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("rpc_runtime")
    }
    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::new();
        attributes.record(&mut Recorder(&mut fields));
        let mut spans = self.0.lock().unwrap();
        spans.push(fields);
        span::Id::from_u64(spans.len() as u64)
    }
    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Recorder(&mut self.0.lock().unwrap()[span.into_u64() as usize - 1]));
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Recorder<'a>(&'a mut Fields);

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

#[tokio::test]
async fn a_span_at_each_side_says_what_the_conventions_ask_for() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let bound = server(&Clerk::new()).layer(middleware::tracing()).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = bound.local_address().to_owned();
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(bound.serve());
    let channel = plain().layer(middleware::tracing()).connect(&address).await.unwrap();
    super::DeskClient::new(channel).add(1, 2).await.unwrap();
    let (client, server) = (spans.of_kind("client"), spans.of_kind("server"));
    assert_eq!((client.len(), server.len()), (1, 1));
    for span in [&client[0], &server[0]] {
        let expected = [
            ("otel.name", "Desk.add"),
            ("rpc.method", "Desk.add"),
            ("rpc.system.name", "rpc-runtime"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("rpc.status_code", "OK"),
        ];
        for (name, value) in expected {
            assert_eq!(span.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(span.get("error.type"), None);
    }
    assert_eq!(server[0]["trace_id"], client[0]["trace_id"]);
    assert_eq!(server[0]["parent_span_id"], client[0]["span_id"]);
    assert_eq!(client[0].get("parent_span_id"), None, "it began the trace");
}

#[tokio::test]
async fn a_failure_is_told_by_its_code_and_as_the_type_of_the_error() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let clerk = Clerk::new();
    let server = server(&clerk).layer(middleware::tracing());
    let (desk, _link) = linked(server, plain().layer(middleware::tracing())).await;
    assert_eq!(desk.refuse("gone".to_owned()).await.unwrap_err().code(), Code::NotFound);
    assert!(matches!(desk.fail("why".to_owned()).await, Err(CallError::Service(_))));
    let mut call = Box::pin(desk.wait());
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        () = clerk.waiting(1) => {}
    }
    drop(call);
    clerk.waiting(0).await;
    for kind in ["client", "server"] {
        let ends: Vec<_> = spans
            .of_kind(kind)
            .into_iter()
            .map(|mut span| (span.remove("rpc.status_code").unwrap(), span.remove("error.type").unwrap()))
            .collect();
        let pair = |status: &str, error: &str| (status.to_owned(), error.to_owned());
        let cancelled = pair("CANCELLED", "CANCELLED");
        assert_eq!(ends, [pair("NOT_FOUND", "NOT_FOUND"), pair("OK", "service_error"), cancelled], "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_was_over_is_told_so_at_both_sides() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let clerk = Clerk::new();
    let server = server(&clerk).layer(middleware::tracing());
    let (desk, _link) = linked(server, plain().layer(middleware::tracing())).await;
    let late = desk.wait().timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    clerk.waiting(0).await;
    for kind in ["client", "server"] {
        assert_eq!(spans.of_kind(kind)[0]["rpc.status_code"], "DEADLINE_EXCEEDED", "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_stream_lasts_as_long_as_its_items_and_says_how_they_ended() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let source = feed::Source::new();
    let server = feed::server(&source).layer(middleware::tracing());
    let (feed, _link) = feed::linked(server, feed::plain().layer(middleware::tracing())).await;
    let mut ever = feed.ever().await.unwrap();
    assert_eq!(ever.next().await.unwrap().unwrap(), 7);
    for kind in ["client", "server"] {
        assert_eq!(spans.of_kind(kind)[0].get("rpc.status_code"), None, "it goes on");
    }
    drop(ever);
    source.alive(0).await;
    feed::collect(feed.count(3).await.unwrap()).await;
    feed::collect(feed.torn("why".to_owned()).await.unwrap()).await;
    feed::collect(feed.refused_later().await.unwrap()).await;
    feed::collect(feed.ever().timeout(Duration::from_secs(1)).await.unwrap()).await;
    source.alive(0).await;
    for kind in ["client", "server"] {
        let spans = spans.of_kind(kind);
        let ends = spans.iter().map(|span| (&*span["rpc.status_code"], span.get("error.type").map_or("", |kind| kind)));
        let late = "DEADLINE_EXCEEDED";
        let expected =
            [("CANCELLED", "CANCELLED"), ("OK", ""), ("OK", "service_error"), ("NOT_FOUND", "NOT_FOUND"), (late, late)];
        assert_eq!(ends.collect::<Vec<_>>(), expected, "{kind}");
    }
}

#[rpc_service]
trait Relay {
    /// What it got as `traceparent`, behind as many relays.
    async fn trace(&self, further: u32) -> Result<String, Status>;
}

/// Calls the one behind it.
#[derive(Clone)]
struct Station(Option<RelayClient>);

impl Relay for Station {
    async fn trace(&self, further: u32) -> Result<String, Status> {
        match &self.0 {
            Some(next) if further > 0 => next.trace(further - 1).await,
            _ => {
                let context = rpc_runtime::Context::current();
                Ok(context.metadata().get("traceparent").unwrap_or("none").to_owned())
            }
        }
    }
}

#[tokio::test]
async fn a_trace_goes_through_nested_calls_with_and_without_layers_on_the_way() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let last = Server::builder().layer(middleware::tracing()).service(RelayServer::new(Station(None)));
    // The channel between the two has no layer: the handler's trace goes on all the same.
    let (channel, _last) = testing::link(last, Channel::builder()).await.unwrap();
    let first = Station(Some(RelayClient::new(channel)));
    let first = Server::builder().layer(middleware::tracing()).service(RelayServer::new(first));
    let (channel, _first) = testing::link(first, Channel::builder().layer(middleware::tracing())).await.unwrap();
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let relay = RelayClient::new(channel);
    let trace = relay.trace(1).metadata("traceparent", given).metadata("tracestate", "a=b").await.unwrap();
    let (client, server) = (spans.of_kind("client"), spans.of_kind("server"));
    assert_eq!(client[0]["parent_span_id"], "00f067aa0ba902b7");
    assert_eq!(server[0]["parent_span_id"], client[0]["span_id"]);
    assert_eq!(server[1]["parent_span_id"], server[0]["span_id"]);
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert!(client.iter().chain(&server).all(|span| span["trace_id"] == id));
    assert_eq!(trace, format!("00-{id}-{}-01", server[1]["span_id"]));
}

#[tokio::test]
async fn a_malformed_traceparent_begins_a_trace_of_its_own() {
    let (desk, _link) = linked(server(&Clerk::new()).layer(middleware::tracing()), plain()).await;
    let seen = desk.seen("traceparent".to_owned()).metadata("traceparent", "nonsense").await.unwrap().unwrap();
    assert_eq!((seen.len(), &seen[..3]), (55, "00-"));
}

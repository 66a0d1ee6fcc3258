//! How streams end that go through layers or stay in the process, and what tower's layers bound of them.

use std::time::Duration;

use futures_util::stream;
use rpc_runtime::{
    CallError, Channel, Code, CodecKind, Limits, Status, Streaming,
    middleware::{self, Request, from_fn},
    stream as channels,
};
use tower::{limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};

use super::{
    Reason,
    feed::{FeedClient, Source, both, collect, in_process, linked, plain, server},
};

/// Clients with and without layers, over a link and in the same process.
async fn all_ways(source: &Source) -> (Vec<FeedClient>, Vec<rpc_runtime::testing::Link>) {
    let passing = || from_fn(|call: Request, next| async move { next.run(call).await });
    let (mut clients, link) = both(source, plain).await;
    let (layered, link2) = both(source, || plain().layer(passing()).layer(middleware::tracing())).await;
    let (at_server, link3) = linked(server(source).layer(passing()), plain().layer(passing())).await;
    clients.extend(layered);
    clients.push(at_server);
    (clients, vec![link, link2, link3])
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_call_ends_its_items_and_drops_the_handler() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let ever = feed.ever().timeout(Duration::from_secs(5)).await.unwrap();
        let (items, status) = collect(ever).await;
        let status = status.unwrap();
        assert_eq!((items, status.code(), status.may_have_run()), (vec![7], Code::DeadlineExceeded, true), "{status}");
        source.alive(0).await;
        let status = feed.never().timeout(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true), "{status}");
        source.alive(0).await;
    }
}

#[tokio::test]
async fn closing_the_channel_ends_the_items_and_drops_the_handler() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let mut ever = feed.ever().await.unwrap();
        assert_eq!(ever.next().await.unwrap().unwrap(), 7);
        feed.channel().close();
        let status = ever.next().await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, true), "{status}");
        assert!(ever.next().await.is_none());
        source.alive(0).await;
    }
}

#[tokio::test]
async fn dropping_the_items_or_the_opening_drops_the_handler() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let mut ever = feed.ever().await.unwrap();
        assert_eq!(ever.next().await.unwrap().unwrap(), 7);
        assert_eq!(*source.0.borrow(), 1);
        drop(ever);
        source.alive(0).await;
        let opening = feed.never().start();
        source.alive(1).await;
        drop(opening);
        source.alive(0).await;
    }
}

#[tokio::test]
async fn a_handlers_panic_among_its_items_ends_its_stream_only() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let (items, status) = collect(feed.panic_later().await.unwrap()).await;
        let status = status.unwrap();
        assert_eq!((items, status.code(), status.may_have_run()), (vec![0], Code::Internal, true), "{status}");
        assert!(status.message().contains("on purpose"), "{status}");
        assert!(feed.ready().await.unwrap());
    }
}

#[tokio::test]
async fn an_answer_before_the_callers_items_are_over_stops_the_sender() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let (sender, receiver) = channels::channel(1);
        let call = feed.first(receiver).start();
        sender.send(7).await.unwrap();
        assert_eq!(call.await.unwrap(), Some(7));
        tokio::time::timeout(Duration::from_secs(100), sender.closed()).await.expect("it is told");
    }
}

#[tokio::test]
async fn a_callers_stream_that_panics_or_can_not_be_sent_fails_its_call() {
    let source = Source::new();
    let (clients, _links) = all_ways(&source).await;
    for feed in clients {
        let panicking = stream::poll_fn(|_| -> std::task::Poll<Option<u64>> { panic!("on purpose") });
        let status = feed.sum(panicking).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Internal, true), "{status}");
        assert!(status.message().contains("on purpose"), "{status}");
        // While items go both ways.
        let (sender, receiver) = channels::channel(1);
        let mut echo: Streaming<String> = feed.echo(receiver).await.unwrap();
        sender.send("a".to_owned()).await.unwrap();
        assert_eq!(echo.next().await.unwrap().unwrap(), "a");
        sender.send("x".repeat(5 << 20)).await.unwrap();
        let status = echo.next().await.unwrap().unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true), "{status}");
        assert!(feed.ready().await.unwrap());
    }
}

#[tokio::test]
async fn a_concurrency_limit_and_load_shed_bound_the_openings_and_not_the_items() {
    let source = Source::new();
    let limited = || plain().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let (mut clients, _link) = both(&source, limited).await;
    let at_server = server(&source).layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1));
    let (at_server, _link2) = linked(at_server, plain()).await;
    clients.push(at_server);
    for feed in clients {
        let mut ever = feed.ever().await.unwrap();
        assert_eq!(ever.next().await.unwrap().unwrap(), 7);
        assert!(feed.ready().await.unwrap(), "an open stream takes no room");
        let opening = feed.never().start();
        source.alive(2).await;
        let shed = feed.ready().await.unwrap_err();
        assert_eq!((shed.code(), shed.may_have_run()), (Code::ResourceExhausted, false), "{shed}");
        drop((opening, ever));
        source.alive(0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_layer_bounds_the_opening_and_not_the_items() {
    let source = Source::new();
    let limited = || plain().layer(TimeoutLayer::new(Duration::from_secs(1)));
    let (mut clients, _link) = both(&source, limited).await;
    let (at_server, _link2) = linked(server(&source).layer(TimeoutLayer::new(Duration::from_secs(1))), plain()).await;
    clients.push(at_server);
    for feed in clients {
        let (sender, receiver) = channels::channel(1);
        let mut echo: Streaming<String> = feed.echo(receiver).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        sender.send("late".to_owned()).await.unwrap();
        assert_eq!(echo.next().await.unwrap().unwrap(), "late");
        let status = feed.never().await.unwrap_err();
        assert!(status.message().contains("timed out") && status.may_have_run(), "{status}");
        source.alive(0).await;
    }
}

#[tokio::test]
async fn streams_in_the_process_go_through_every_codec() {
    for codec in CodecKind::available() {
        let feed = in_process(plain().codec(*codec), &Source::new());
        assert_eq!(collect(feed.count(1_000).await.unwrap()).await.0, (0..1_000).collect::<Vec<_>>());
        assert_eq!(feed.sum(stream::iter(0..1_000)).await.unwrap(), 499_500);
        assert_eq!(collect(feed.echo(stream::iter(["é".to_owned()])).await.unwrap()).await.0, ["é"]);
        let (items, error) = collect(feed.torn("why".to_owned()).await.unwrap()).await;
        assert_eq!((items, error.unwrap().service()), (vec![7], Some(&Reason("why".to_owned()))));
        let refused = feed.open(String::new()).await.unwrap_err();
        assert!(matches!(refused, CallError::Service(Reason(reason)) if reason == "no name"));
    }
}

#[tokio::test]
async fn the_largest_item_is_the_same_in_the_process_as_over_a_connection() {
    let (clients, _link) = both(&Source::new(), || plain().limits(Limits::default().max_message(100))).await;
    for feed in clients {
        let (items, status) = collect(feed.texts(2, 98).await.unwrap()).await;
        assert!(items.len() == 2 && status.is_none(), "{status:?}");
        let (items, status) = collect(feed.texts(2, 200).await.unwrap()).await;
        let status = status.unwrap();
        assert_eq!((items.len(), status.code()), (0, Code::ResourceExhausted), "{status}");
        assert!(status.message().contains("max_message, 100"), "{status}");
        let status = feed.sizes(stream::iter(["x".repeat(200)])).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        let (_, error) = collect(feed.torn_at_length(200).await.unwrap()).await;
        let CallError::Status(status) = error.unwrap() else { panic!("the error is too long") };
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
}

#[tokio::test]
async fn the_handler_of_a_stream_in_the_process_runs_as_its_items_are_asked_for() {
    let feed = FeedClient::new(Channel::in_process(super::feed::FeedServer::new(Source::new())));
    let (sender, receiver) = channels::channel(1);
    let mut echo: Streaming<String> = feed.echo(receiver).await.unwrap();
    sender.try_send("a".to_owned()).unwrap();
    assert!(sender.try_send("b".to_owned()).is_err(), "nobody has asked");
    assert_eq!(echo.next().await.unwrap().unwrap(), "a");
    drop(sender);
    assert!(echo.next().await.is_none());
    let refused: Status = feed.sum(stream::iter([Err(Status::not_found("torn")), Ok(1)])).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::NotFound, true));
}

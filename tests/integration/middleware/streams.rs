//! Streams through layers: what these see of the opening, of the items and of their end.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::stream;
use rpc_runtime::{
    CallError, Code, Limits, Status,
    middleware::{Body, Next, Request, Response, from_fn},
};

use super::{
    Notes, Reason,
    feed::{FeedClient, Source, both, collect, linked, plain, server},
};

fn outcome_of(outcome: &Result<Response, Status>) -> String {
    match outcome {
        Ok(response) if response.has_items() => "items".to_owned(),
        Ok(response) if response.is_service_error() => "service error".to_owned(),
        Ok(_) => "value".to_owned(),
        Err(status) => status.code().to_string(),
    }
}

#[tokio::test]
async fn a_layer_sees_the_opening_of_each_kind_of_call_and_whether_items_follow() {
    let notes = Notes::default();
    let noting = {
        let notes = notes.clone();
        from_fn(move |call: Request, next| {
            let notes = notes.clone();
            async move {
                let (method, sends, deadline) = (call.method().name, call.has_items(), call.deadline().is_some());
                let outcome = next.run(call).await;
                notes.add(format!("{method} {sends} {deadline} {}", outcome_of(&outcome)));
                outcome
            }
        })
    };
    let (feed, _link) = linked(server(&Source::new()).layer(noting.clone()), plain().layer(noting.clone())).await;
    let seen = |expected: [&str; 2]| assert_eq!(notes.take(), expected);
    assert!(feed.ready().await.unwrap());
    seen(["ready false true value"; 2]);
    assert_eq!(collect(feed.count(3).await.unwrap()).await.0, [0, 1, 2]);
    seen(["count false false items"; 2]);
    assert_eq!(feed.sum(stream::iter(0..4)).await.unwrap(), 6);
    seen(["sum true false value"; 2]);
    assert_eq!(collect(feed.echo(stream::iter(["a".to_owned()])).await.unwrap()).await.0, ["a"]);
    seen(["echo true false items"; 2]);
    assert_eq!(collect(feed.open("a".to_owned()).await.unwrap()).await.0, ["a"]);
    seen(["open false false items"; 2]);
    assert!(matches!(feed.open(String::new()).await, Err(CallError::Service(Reason(_)))));
    seen(["open false false service error"; 2]);
}

#[tokio::test]
async fn a_layer_is_told_how_the_items_ended_at_both_sides() {
    let (client, at_server) = (Notes::default(), Notes::default());
    let telling = |notes: &Notes| {
        let notes = notes.clone();
        from_fn(move |call: Request, next| {
            let notes = notes.clone();
            async move {
                let mut outcome = next.run(call).await;
                if let Ok(response) = &mut outcome {
                    response.on_end(move |end| {
                        let body = end.as_ref().map_or(0, |response| response.body().bytes().len());
                        notes.add(format!("{} {body}", outcome_of(end)));
                    });
                }
                outcome
            }
        })
    };
    let source = Source::new();
    let (feed, _link) = linked(server(&source).layer(telling(&at_server)), plain().layer(telling(&client))).await;
    let seen = |expected: &str| {
        assert_eq!(client.take(), [expected], "at the client");
        assert_eq!(at_server.take(), [expected], "at the server");
    };
    assert_eq!(collect(feed.count(100_000).await.unwrap()).await.0.len(), 100_000);
    seen("value 0");
    let (items, error) = collect(feed.torn("why".to_owned()).await.unwrap()).await;
    assert_eq!((items, error.unwrap().service()), (vec![7], Some(&Reason("why".to_owned()))));
    seen("service error 4");
    let (items, status) = collect(feed.refused_later().await.unwrap()).await;
    let status = status.unwrap();
    assert_eq!((items, status.code(), status.details()), (vec![7], Code::NotFound, &[9][..]));
    seen("NOT_FOUND 0");
    let mut ever = feed.ever().await.unwrap();
    assert_eq!(ever.next().await.unwrap().unwrap(), 7);
    assert!(client.take().is_empty() && at_server.take().is_empty(), "it goes on");
    drop(ever);
    source.alive(0).await;
    // The next call is answered after the last one's handler was dropped.
    assert!(feed.ready().await.unwrap());
    assert_eq!(client.take(), ["CANCELLED 0", "value 1"], "without items it is told at once");
    assert_eq!(at_server.take(), ["CANCELLED 0", "value 1"]);
}

#[tokio::test]
async fn a_panic_of_what_is_told_the_end_costs_its_call_only() {
    let panicking = || {
        from_fn(|call: Request, next| async move {
            let mut response = next.run(call).await?;
            if response.has_items() {
                response.on_end(|_| panic!("on purpose"));
            }
            Ok(response)
        })
    };
    let source = Source::new();
    let (mut clients, _link) = both(&source, || plain().layer(panicking())).await;
    let (at_server, _link2) = linked(server(&source).layer(panicking()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        let (items, status) = collect(feed.count(3).await.unwrap()).await;
        let status = status.unwrap();
        assert_eq!((items.len(), status.code()), (3, Code::Internal), "{status}");
        assert!(status.message().contains("a layer panicked: on purpose"), "{status}");
        drop(feed.ever().await.unwrap());
        source.alive(0).await;
        assert!(feed.ready().await.unwrap());
    }
}

fn flip(body: Body) -> Body {
    body.into_bytes().into_iter().map(|byte| !byte).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn a_layer_can_wrap_each_item_in_both_directions_and_the_error_behind_them() {
    let flipping = || {
        from_fn(|mut call: Request, next| async move {
            call.map_items(flip);
            let mut response = next.run(call).await?;
            response.map_items(flip);
            Ok(response)
        })
    };
    let (feed, _link) = linked(server(&Source::new()).layer(flipping()), plain().layer(flipping())).await;
    let texts: Vec<_> = (0..1_000).map(|n| n.to_string()).collect();
    assert_eq!(collect(feed.echo(stream::iter(texts.clone())).await.unwrap()).await.0, texts);
    let (items, error) = collect(feed.torn("why".to_owned()).await.unwrap()).await;
    assert_eq!((items, error.unwrap().service()), (vec![7], Some(&Reason("why".to_owned()))));
    let (feed, _link) = linked(server(&Source::new()), plain().layer(flipping())).await;
    let (_, status) = collect(feed.texts(1, 3).await.unwrap()).await;
    assert_eq!(status.unwrap().code(), Code::Internal, "the item was flipped, and nobody flipped it back");
}

/// Makes each body so many times as long.
fn stretch(times: usize) -> impl FnMut(Body) -> Body + Send + 'static {
    resize(times, false)
}

/// The same, or its opposite.
fn resize(times: usize, back: bool) -> impl FnMut(Body) -> Body + Send + 'static {
    move |body| {
        let bytes = body.bytes();
        if back { bytes[..bytes.len() / times].to_vec().into() } else { bytes.repeat(times).into() }
    }
}

#[tokio::test]
async fn items_that_a_layer_makes_longer_or_shorter_keep_to_their_frames_and_windows() {
    let changing = |times: usize, back: bool| {
        from_fn(move |mut call: Request, next| async move {
            call.map_items(resize(times, back));
            let mut response = next.run(call).await?;
            response.map_items(resize(times, !back));
            Ok(response)
        })
    };
    // Short items in many frames, items of about a frame, and items longer than a frame: each many windows long.
    for (items, bytes, times) in [(20_000, 10, 40), (200, 2_000, 30), (40, 40_000, 5)] {
        let server = server(&Source::new()).layer(changing(times, true));
        let (feed, _link) = linked(server, plain().layer(changing(times, false))).await;
        let (texts, status) = collect(feed.texts(items, bytes).await.unwrap()).await;
        assert!(status.is_none(), "{status:?}");
        assert!(texts.len() as u64 == items && texts.iter().all(|text| text.len() as u64 == bytes));
        let sent = stream::iter((0..items).map(move |_| "x".repeat(bytes as usize)));
        assert_eq!(feed.sizes(sent).await.unwrap(), (items, items * bytes));
    }
}

#[tokio::test]
async fn an_item_that_a_layer_makes_too_long_fails_its_call_in_either_direction() {
    let stretching = || {
        from_fn(|mut call: Request, next| async move {
            call.map_items(stretch(100));
            let mut response = next.run(call).await?;
            response.map_items(stretch(100));
            Ok(response)
        })
    };
    let source = Source::new();
    let limits = || Limits::default().max_message(1_000);
    let (clients, _link) = both(&source, || plain().limits(limits()).layer(stretching())).await;
    for feed in clients {
        let status = feed.sizes(stream::iter(["x".repeat(50)])).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("an item has 5100 bytes, more than max_message, 1000"), "{status}");
        assert!(feed.ready().await.unwrap());
    }
    let (feed, _link) = linked(server(&source).layer(stretching()), plain().limits(limits())).await;
    let (items, status) = collect(feed.texts(1, 50).await.unwrap()).await;
    let status = status.unwrap();
    assert_eq!((items.len(), status.code()), (0, Code::ResourceExhausted), "{status}");
    assert!(feed.ready().await.unwrap());
}

#[tokio::test]
async fn a_panic_of_what_wraps_items_costs_its_call_only() {
    let panicking = || {
        from_fn(|mut call: Request, next| async move {
            call.map_items(|_| panic!("on purpose"));
            let mut response = next.run(call).await?;
            response.map_items(|_| panic!("on purpose"));
            Ok(response)
        })
    };
    let source = Source::new();
    let (mut clients, _link) = both(&source, || plain().layer(panicking())).await;
    let (at_server, _link2) = linked(server(&source).layer(panicking()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        let sent = feed.sum(stream::iter(0..3)).await.unwrap_err();
        let (items, received) = collect(feed.count(3).await.unwrap()).await;
        for status in [sent, received.unwrap()] {
            assert_eq!((items.len(), status.code()), (0, Code::Internal), "{status}");
            assert!(status.message().contains("a layer panicked: on purpose"), "{status}");
        }
        assert!(feed.ready().await.unwrap());
    }
}

#[tokio::test]
async fn what_a_handler_says_with_the_end_of_its_items_passes_through_layers() {
    let passing = || from_fn(|call, next| async move { next.run(call).await });
    let source = Source::new();
    let (plainly, _link) = both(&source, plain).await;
    let (layered, _link2) = linked(server(&source).layer(passing()), plain().layer(passing())).await;
    for feed in plainly.into_iter().chain([layered]) {
        let mut told = feed.told().await.unwrap();
        assert_eq!(told.next().await.unwrap().unwrap(), 7);
        assert!(told.next().await.is_none());
        assert_eq!(told.end_metadata().get("rows"), Some("1"));
    }
}

/// Answers each call with a clone of the response to the first.
#[tokio::test]
async fn a_clone_of_a_response_with_items_is_no_second_answer() {
    let caching = || {
        let kept: Arc<Mutex<Option<Response>>> = Arc::default();
        from_fn(move |call: Request, next| {
            let kept = Arc::clone(&kept);
            async move {
                let first = kept.lock().unwrap().clone();
                if let Some(response) = first {
                    return Ok(response);
                }
                let response = next.run(call).await?;
                *kept.lock().unwrap() = Some(response.clone());
                Ok(response)
            }
        })
    };
    let source = Source::new();
    let (mut clients, _link) = both(&source, || plain().layer(caching())).await;
    let (at_server, _link2) = linked(server(&source).layer(caching()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        assert_eq!(collect(feed.open("a".to_owned()).await.unwrap()).await.0, ["a"]);
        let second = feed.open("a".to_owned()).await.unwrap_err();
        assert_eq!(second.status().unwrap().code(), Code::FailedPrecondition, "{second:?}");
    }
}

#[tokio::test]
async fn a_layer_can_not_answer_with_a_value_where_the_method_returns_a_stream() {
    let answering = || from_fn(|call: Request, _| async move { call.answer(&7_u64) });
    let source = Source::new();
    let (mut clients, _link) = both(&source, || plain().layer(answering())).await;
    let (at_server, _link2) = linked(server(&source).layer(answering()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        let status = match feed.count(3).await {
            Ok(items) => collect(items).await.1.unwrap(),
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().contains("returns a stream"), "{status}");
    }
}

/// Sends a second time what did not get through.
async fn again(call: Request, next: Next) -> Result<Response, Status> {
    match next.run(call.clone()).await {
        Err(status) if status.code() == Code::Unavailable => next.run(call).await,
        outcome => outcome,
    }
}

#[tokio::test]
async fn a_call_that_sends_items_can_be_sent_again_if_nobody_has_taken_them() {
    let source = Source::new();
    let flaky = || {
        let tries = AtomicUsize::new(0);
        from_fn(move |mut call: Request, next| {
            let first = tries.fetch_add(1, SeqCst) == 0;
            call.map_items(|body| body);
            async move { if first { Err(Status::unavailable("not yet")) } else { next.run(call).await } }
        })
    };
    let (mut clients, _link) = both(&source, || plain().layer(from_fn(again)).layer(flaky())).await;
    let (at_server, _link2) = linked(server(&source).layer(from_fn(again)).layer(flaky()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        assert_eq!(feed.sum(stream::iter(0..4)).await.unwrap(), 6);
    }
}

#[tokio::test]
async fn a_second_attempt_fails_clearly_when_the_items_went_with_the_first() {
    let twice = || {
        from_fn(|call: Request, next| async move {
            let _first = next.run(call.clone()).await;
            next.run(call).await
        })
    };
    let source = Source::new();
    let (mut clients, _link) = both(&source, || plain().layer(twice())).await;
    let (at_server, _link2) = linked(server(&source).layer(twice()), plain()).await;
    clients.push(at_server);
    for feed in clients {
        let status = feed.sum(stream::iter(0..4)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::FailedPrecondition, true), "{status}");
        assert!(status.message().contains("given to an earlier attempt"), "{status}");
        assert_eq!(collect(feed.count(2).await.unwrap()).await.0, [0, 1], "without items there may be two");
    }
}

#[tokio::test]
async fn an_opened_stream_that_fails_later_may_have_run_and_one_that_was_refused_has_not() {
    let passing = || from_fn(|call, next| async move { next.run(call).await });
    // Its first attempt may have run, so the truth of the call is unknown whatever becomes of the second.
    let twice = || {
        from_fn(|call: Request, next| async move {
            drop(next.run(call.clone()).await);
            next.run(call).await
        })
    };
    let (source, missing) = (Source::new(), rpc_runtime::Server::builder());
    let end = async |feed: FeedClient| collect(feed.refused_later().await.unwrap()).await.1.unwrap();
    for feed in both(&source, || plain().layer(passing())).await.0 {
        let channel = feed.channel().clone();
        channel.close();
        let status = feed.count(1).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, false), "{status}");
    }
    let (feed, _link) = linked(server(&source), plain().layer(passing())).await;
    let status = end(feed).await;
    assert_eq!((status.code(), status.may_have_run()), (Code::NotFound, true), "{status}");
    let (feed, _link) = linked(missing, plain().layer(passing())).await;
    let status = end(feed).await;
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, false), "{status}");
    let (feed, _link) = linked(rpc_runtime::Server::builder(), plain().layer(twice())).await;
    let status = end(feed).await;
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, true), "{status}");
}

//! Calls that go back and forth, what they take along, and what stays on its side.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, Server, middleware};

use super::{End, Pair, PartyClient, Scene, spawn, within};
use crate::faults::raw::{Peer, REQUEST, RESPONSE, frame, names};

#[tokio::test]
async fn calls_go_back_and_forth_within_one_another() {
    let pair = Pair::new().await;
    assert_eq!(within("the call", pair.client.ask(40, 60)).await.unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_call_each_other_at_once_with_calls_back_within() {
    let pair = Pair::new().await;
    let caller = pair.met().await;
    // With the calls back that they wait for, fewer than the places among the running at either end.
    let many = async |client: &PartyClient| {
        let asked = join_all((0..120).map(|n| client.ask(n % 3, 60))).await;
        asked.into_iter().map(|sum| sum.expect("it is answered")).sum::<u64>()
    };
    for _ in 0..5 {
        let (ours, theirs) = within("the calls", async { tokio::join!(many(&pair.client), many(&caller)) }).await;
        assert_eq!((ours, theirs), (120, 120));
    }
    assert_eq!(pair.client.channel().late_responses() + caller.channel().late_responses(), 0);
}

#[tokio::test]
async fn dropping_a_call_drops_the_calls_back_and_forth_within_it() {
    let pair = Pair::new().await;
    let caller = pair.met().await;
    // Here, there, here: the last one waits.
    let outer = caller.have_wait().no_timeout().start();
    pair.there.live(1).await;
    pair.here.live(1).await;
    drop(outer);
    pair.there.live(0).await;
    pair.here.live(0).await;
    assert_eq!(within("a later call", pair.client.ask(2, 60)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_handler_at_the_client_that_panics_costs_the_call_back_and_nothing_else() {
    let pair = Pair::new().await;
    let caller = pair.met().await;
    let panicked = caller.panic().await.unwrap_err();
    assert_eq!((panicked.code(), panicked.may_have_run()), (Code::Internal, true));
    assert!(panicked.message().contains("on purpose"), "{panicked}");
    assert_eq!(within("a later call", pair.client.ask(2, 60)).await.unwrap(), 2);
}

#[tokio::test]
async fn every_codec_carries_calls_back() {
    for codec in [CodecKind::Bincode, CodecKind::Json, CodecKind::MessagePack, CodecKind::Postcard] {
        let pair = Pair::with(Server::builder(), Channel::builder().codec(codec)).await;
        assert_eq!(within("the calls", pair.client.ask(3, 60)).await.unwrap(), 3, "{codec:?}");
        let caller = pair.met().await;
        assert_eq!(caller.echo(vec![1, 2, 255]).await.unwrap(), [1, 2, 255], "{codec:?}");
    }
}

#[tokio::test]
async fn calls_back_go_over_tcp_and_unix_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix://{}", folder.path().join("socket").display());
    for address in ["tcp://127.0.0.1:0", &socket] {
        let server = Server::builder().service(End::new().service()).bind(address).await.unwrap();
        let address = server.local_address().to_owned();
        spawn(server.serve());
        let channel = Channel::builder().service(End::new().service()).connect(&address).await.unwrap();
        assert_eq!(within("the calls", PartyClient::new(channel).ask(4, 60)).await.unwrap(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_back_has_what_its_handler_has_left_of_its_time_and_the_trace_but_no_metadata() {
    let pair = Pair::with(Server::builder(), Channel::builder().metadata("token", "secret")).await;
    let call = pair.client.their_scene().timeout(Duration::from_secs(5));
    let seen = call.metadata("tenant", "7").metadata("traceparent", "00-1-2-01").await.unwrap();
    let expected = Scene {
        peer: Some("mem://link".to_owned()),
        remaining: Some(Duration::from_secs(5)),
        metadata: vec![("traceparent".to_owned(), "00-1-2-01".to_owned())],
        connection_metadata: vec![],
    };
    assert_eq!(seen, expected);
    let caller = pair.met().await;
    assert_eq!(caller.scene().await.unwrap().remaining, Some(Duration::from_secs(30)), "the default outside of it");
}

#[tokio::test]
async fn a_trace_goes_on_in_calls_back_from_the_span_of_their_handler() {
    let layered = (Server::builder().layer(middleware::tracing()), Channel::builder().layer(middleware::tracing()));
    let pair = Pair::with(layered.0, layered.1).await;
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let seen = pair.client.their_scene().metadata("traceparent", format!("00-{trace}-{span}-01")).await.unwrap();
    let [(key, value)] = &seen.metadata[..] else { panic!("{:?}", seen.metadata) };
    assert!(key == "traceparent" && value.starts_with(&format!("00-{trace}-")), "{value}");
    assert!(!value.contains(span), "neither the caller's span nor the one it was given: {value}");
}

/// As a peer in another language would do it: the ids of the accepting side are odd.
#[tokio::test]
async fn a_peer_made_of_bytes_serves_a_call_back() {
    let (ours, theirs) = tokio::io::duplex(4_096);
    spawn(Server::builder().service(End::new().service()).serve_connection(theirs, "raw"));
    let mut peer = Peer::new(ours);
    peer.dial("json").await;
    peer.send(&frame(REQUEST, 0, 2, &names("Party", "ask"), b"[1,60]")).await;
    let back = peer.frame_of(REQUEST).await;
    let name = |tag| back.fields.iter().find(|(of, _)| *of == tag).map(|(_, name)| &name[..]);
    assert_eq!((name(1), name(3)), (Some(&b"Party"[..]), Some(&b"ask"[..])));
    assert_eq!((back.id & 1, &back.body[..]), (1, &b"[0,59]"[..]));
    peer.send(&frame(RESPONSE, 0, back.id, &[], b"0")).await;
    let reply = peer.reply(2).await;
    assert!(reply.is_value() && reply.body == b"1", "{reply:?}");
}

#[tokio::test]
async fn layers_are_put_around_calls_of_a_channel_and_handlers_of_a_server_and_not_around_calls_back() {
    let counter = || {
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        let layer = middleware::from_fn(move |call: middleware::Request, next: middleware::Next| {
            counted.fetch_add(1, SeqCst);
            async move { next.run(call).await }
        });
        (layer, seen)
    };
    let ((at_server, by_server), (at_channel, by_channel)) = (counter(), counter());
    let pair = Pair::with(Server::builder().layer(at_server), Channel::builder().layer(at_channel)).await;
    // Here, there, here: the second one is the call back.
    assert_eq!(pair.client.ask(1, 60).await.unwrap(), 1);
    assert_eq!((by_server.load(SeqCst), by_channel.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_layer_of_the_server_can_call_back_too() {
    let asks = middleware::from_fn(|call: middleware::Request, next: middleware::Next| async move {
        let sum = PartyClient::new(Channel::caller()).add(40, 2).await?;
        let mut response = next.run(call).await?;
        response.metadata_mut().insert("caller-says", sum.to_string());
        Ok(response)
    });
    let pair = Pair::with(Server::builder().layer(asks), Channel::builder()).await;
    let (sum, metadata) = pair.client.add(1, 2).with_response_metadata().await;
    assert_eq!((sum.unwrap(), metadata.get("caller-says")), (3, Some("42")));
}

#[tokio::test]
async fn what_each_end_calls_and_serves_is_counted_there() {
    let server = Server::builder().service(End::new().service()).bind("tcp://127.0.0.1:0").await.unwrap();
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    spawn(server.serve());
    let channel = Channel::builder().service(End::new().service()).connect(&address).await.unwrap();
    let client = PartyClient::new(channel.clone());
    for _ in 0..3 {
        client.ask(1, 60).await.unwrap();
    }
    client.add(1, 2).await.unwrap();
    assert_eq!((channel.stats().calls_total, channel.stats().served_total), (4, 3));
    assert_eq!((handle.stats().served_total, handle.stats().calls_total), (4, 3));
}

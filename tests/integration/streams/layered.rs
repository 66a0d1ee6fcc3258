//! Streams through layers: on both sides, with their flow control, their errors and whoever goes.

use futures_util::stream;
use rpc_runtime::{CallError, Channel, Limits, middleware, testing};

use super::{
    Linked, all_is_quiet, collect, complete, server,
    service::{Fault, Fragile, Here, TidesClient, Torn},
    then_silence, within,
};

/// With a layer on each side that hands everything on.
async fn layered() -> Linked {
    let here = Here::new();
    let layer = || middleware::from_fn(|request, next| async move { next.run(request).await });
    let (served, channel) = (server(&here, Limits::default()).layer(layer()), Channel::builder().layer(layer()));
    let (channel, link) = testing::link(served, channel).await.unwrap();
    Linked { tides: TidesClient::new(channel.clone()), channel, here, link }
}

#[tokio::test]
async fn all_kinds_of_streams_go_through_layers() {
    let linked = layered().await;
    let tides = &linked.tides;
    assert_eq!(within("numbers", complete(tides.count(10_000).await.unwrap())).await.len(), 10_000);
    assert_eq!(within("a total", tides.total(stream::iter(0..10_000))).await.unwrap(), 9_999 * 5_000);
    let blocks: Vec<Vec<u8>> = [0, 1, 70_000, 1 << 20].map(|size| vec![3; size]).into();
    assert!(within("an echo", complete(tides.echo(stream::iter(blocks.clone())).await.unwrap())).await == blocks);
    let (items, error) = within("a torn one", collect(tides.torn(3).await.unwrap())).await;
    assert_eq!(items, [0, 1, 2]);
    assert!(matches!(error.unwrap(), CallError::Service(Torn(text)) if text == "half way"));
    let (opened, metadata) = tides.open(2).with_response_metadata().await;
    assert_eq!(metadata.get("opened"), Some("yes"));
    assert_eq!(within("the opened", complete(opened.unwrap())).await, [0, 1]);
    assert!(matches!(tides.open(0).await.map(|_| ()), Err(CallError::Service(Torn(text))) if text == "closed"));
    linked.is_as_before().await;
}

#[tokio::test]
async fn who_goes_is_noticed_through_layers() {
    let linked = layered().await;
    let hang = within("a stream", linked.tides.hang(1)).await.unwrap();
    linked.here.live(1).await;
    drop(hang);
    linked.here.live(0).await;
    let total = linked.tides.total(linked.here.watched(then_silence(0..1))).start();
    linked.here.live(1).await;
    drop(total);
    linked.here.live(0).await;
    assert_eq!(linked.tides.first(linked.here.watched(then_silence(3..4))).await.unwrap(), 3);
    linked.here.live(0).await;
    for fault in [Fault::PollPanics, Fault::DropPanics, Fault::SerializePanics, Fault::SerializeFails] {
        let (items, status) = within("the end", collect(linked.tides.fragile(fault).await.unwrap())).await;
        assert_eq!(items, [Fragile(None)]);
        assert!(status.unwrap().message().contains("on purpose"));
    }
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_producer_behind_layers_stops_within_the_window() {
    let linked = layered().await;
    let unread = linked.tides.blocks(u64::MAX, 1_000).await.unwrap();
    all_is_quiet().await;
    let produced = linked.here.taken();
    assert!((60..140).contains(&produced), "{produced} items");
    drop(unread);
    linked.is_as_before().await;
}

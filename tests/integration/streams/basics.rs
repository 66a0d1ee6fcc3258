//! What streams carry when nothing goes wrong: items in each codec, chats, metadata, and calls that are started.

use futures_util::stream;
use rpc_runtime::{CallError, Channel, CodecKind, Limits, stream as pushed};

use super::{
    Linked, collect, complete, server,
    service::{Here, TidesClient, Torn},
    spawn, within,
};
use crate::faults::probe::Unguarded;

const CODECS: [CodecKind; 5] =
    [CodecKind::Bincode, CodecKind::Json, CodecKind::MessagePack, CodecKind::Postcard, CodecKind::Custom(&Unguarded)];

#[tokio::test]
async fn every_codec_carries_items_of_all_kinds_in_both_directions() {
    for codec in CODECS {
        let linked = Linked::with(Limits::default(), Channel::builder().codec(codec)).await;
        let tides = &linked.tides;
        let numbers = complete(tides.count(3_000).await.unwrap()).await;
        assert_eq!(numbers, (0..3_000).collect::<Vec<_>>(), "{}", codec.name());
        assert_eq!(complete(tides.nothings(1_000).await.unwrap()).await.len(), 1_000);
        assert_eq!(tides.total(stream::iter(0..3_000)).await.unwrap(), 2_999 * 1_500);
        let blocks: Vec<Vec<u8>> = [0, 1, 4_096, 65_536, 300_000].map(|size| vec![0xF5; size]).into();
        let echo = complete(tides.echo(stream::iter(blocks.clone())).await.unwrap()).await;
        assert!(echo == blocks, "{}: the blocks came back", codec.name());
        linked.is_as_before().await;
    }
}

#[tokio::test]
async fn an_echo_with_one_item_in_flight_goes_on() {
    let linked = Linked::new().await;
    let (sender, receiver) = pushed::channel(1);
    let mut echo = linked.tides.echo(receiver).await.unwrap();
    for n in 0..2_000_u64 {
        sender.send(n.to_le_bytes().to_vec()).await.unwrap();
        assert_eq!(within("the echo", echo.next()).await.unwrap().unwrap(), n.to_le_bytes());
    }
    drop(sender);
    assert!(within("the end", echo.next()).await.is_none());
    linked.is_as_before().await;
}

#[tokio::test]
async fn both_sides_of_a_chat_speak_when_they_like() {
    let linked = Linked::new().await;
    let (speaking, lines) = pushed::channel(4);
    let listening = spawn(complete(linked.tides.echo(lines).await.unwrap()));
    for n in 0..500_u32 {
        speaking.send(n.to_le_bytes().to_vec()).await.unwrap();
    }
    drop(speaking);
    assert_eq!(within("the chat", listening).await.unwrap().len(), 500);
    linked.is_as_before().await;
}

#[tokio::test]
async fn metadata_comes_with_the_opening_and_with_the_end() {
    let linked = Linked::new().await;
    let (opened, metadata) = linked.tides.open(2).with_response_metadata().await;
    let mut stream = opened.unwrap();
    assert_eq!((metadata.get("opened"), metadata.get("ended")), (Some("yes"), None));
    assert!(stream.end_metadata().is_empty());
    while let Some(item) = stream.next().await {
        item.unwrap();
    }
    assert_eq!((stream.end_metadata().get("opened"), stream.end_metadata().get("ended")), (None, Some("too")));

    let (refused, metadata) = linked.tides.open(0).with_response_metadata().await;
    assert!(matches!(refused.unwrap_err(), CallError::Service(Torn(text)) if text == "closed"));
    assert_eq!(metadata.get("opened"), Some("yes"));
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_stream_that_is_opened_at_once_is_there_before_anything_has_come() {
    let linked = Linked::new().await;
    let (stream, metadata) = linked.tides.hang(0).with_response_metadata().await;
    assert!(metadata.is_empty());
    linked.here.live(1).await;
    drop(stream.unwrap());
    linked.is_as_before().await;
}

#[tokio::test]
async fn started_calls_are_on_their_way_without_being_polled() {
    let linked = Linked::new().await;
    let (hanging, total) = (linked.tides.hang(5).start(), linked.tides.total(stream::iter(0..5)).start());
    linked.here.live(1).await;
    let mut hanging = hanging.await.unwrap();
    for n in 0..5 {
        assert_eq!(within("an item", hanging.next()).await.unwrap().unwrap(), n);
    }
    assert_eq!(within("the total", total).await.unwrap(), 10);
    drop(hanging);
    linked.is_as_before().await;
}

#[tokio::test]
async fn streams_dial_a_lazy_channel_whether_started_or_awaited() {
    let here = Here::new();
    let served = server(&here, Limits::default()).bind("mem://lazy-streams").await.unwrap();
    spawn(served.serve());
    for start in [false, true] {
        let lazy = || TidesClient::new(Channel::lazy("mem://lazy-streams").unwrap());
        let tides = lazy();
        let (count, total) = (tides.count(3), lazy().total(stream::iter(0..4)));
        let (opened, echo) = (lazy().open(2), lazy().echo(stream::iter([vec![1]])));
        let (count, total, opened, echo) = if start {
            let all = (count.start(), total.start(), opened.start(), echo.start());
            (all.0.await, all.1.await, all.2.await, all.3.await)
        } else {
            (count.await, total.await, opened.await, echo.await)
        };
        assert_eq!(within("the numbers", complete(count.unwrap())).await, [0, 1, 2]);
        assert_eq!(total.unwrap(), 6);
        assert_eq!(within("the opened", complete(opened.unwrap())).await, [0, 1]);
        assert_eq!(within("the echo", complete(echo.unwrap())).await, [[1]]);
    }
    here.live(0).await;
}

#[tokio::test]
async fn what_a_handler_gets_it_can_pass_on_to_another_server() {
    let (first, there) = (Linked::new().await, Here::new());
    let served = server(&there, Limits::default()).bind("mem://passed-on").await.unwrap();
    spawn(served.serve());
    assert_eq!(first.tides.elsewhere("mem://passed-on", stream::iter(0..10_000)).await.unwrap(), 9_999 * 5_000);
    // A failure goes all the way, too.
    let torn = stream::iter([Ok(1), Err(rpc_runtime::Status::not_found("torn"))]);
    let status = first.tides.elsewhere("mem://passed-on", torn).await.unwrap_err();
    assert_eq!(status.code(), rpc_runtime::Code::NotFound);
    assert!(status.message().ends_with("torn"), "{status}");
    first.is_as_before().await;
}

#[tokio::test]
async fn what_a_client_gets_it_can_send() {
    let linked = Linked::new().await;
    let numbers = linked.tides.count(5_000).await.unwrap();
    assert_eq!(within("the total", linked.tides.total(numbers)).await.unwrap(), 4_999 * 2_500);
    let (none, status) = collect(linked.tides.echo(stream::empty::<Vec<u8>>()).await.unwrap()).await;
    assert!(none.is_empty() && status.is_none());
    linked.is_as_before().await;
}

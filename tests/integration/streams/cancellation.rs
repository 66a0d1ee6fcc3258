//! Whoever goes is noticed: consumers and producers that are dropped, handlers that take no further items or answer
//! early, and calls that are cancelled before they began.

use futures_util::{StreamExt, stream};
use rpc_runtime::{Channel, Code, Limits, stream as pushed};

use super::{Linked, all_is_quiet, complete, then_silence, within};

#[tokio::test]
async fn a_consumer_that_is_dropped_drops_the_producer_at_the_server() {
    let linked = Linked::new().await;
    let mut streams = vec![linked.tides.hang(0).await.unwrap(), linked.tides.count(u64::MAX).await.unwrap()];
    assert_eq!(within("an item", streams[1].next()).await.unwrap().unwrap(), 0);
    linked.here.live(2).await;
    streams.clear();
    within("the drop of the producers", linked.here.live(0)).await;
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_what_it_was_to_send() {
    let linked = Linked::new().await;
    let call = linked.tides.total(linked.here.watched(then_silence(0..3))).start();
    linked.here.live(1).await;
    drop(call);
    within("the drop of the stream", linked.here.live(0)).await;

    let echo = linked.tides.echo(linked.here.watched(stream::repeat(vec![1; 100]))).await.unwrap();
    linked.here.live(2).await;
    drop(echo);
    within("the drop of both streams", linked.here.live(0)).await;
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_before_it_is_sent_drops_its_stream_and_sends_nothing() {
    let linked = Linked::new().await;
    drop(linked.tides.total(linked.here.watched(then_silence(0..3))));
    assert_eq!((linked.here.alive(), linked.here.taken()), (0, 0));
    assert_eq!(linked.channel.stats().calls_total, 0);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_drops_its_stream_stops_the_sender_and_goes_on() {
    let linked = Linked::new().await;
    let endless = linked.here.watched(stream::iter(7..).inspect(|_| {}));
    let call = linked.tides.leave(endless).start();
    linked.here.live(0).await;
    all_is_quiet().await;
    // It waits for the gate, and its call is in flight.
    assert_eq!(linked.channel.stats().calls_in_flight, 1);
    linked.here.open_gate();
    assert_eq!(within("the answer", call).await.unwrap(), 7);
    linked.is_as_before().await;
}

#[tokio::test]
async fn who_pushes_learns_that_nobody_takes_items_any_more() {
    let linked = Linked::new().await;
    let (sender, receiver) = pushed::channel(1);
    let call = linked.tides.leave(receiver).start();
    sender.send(1).await.unwrap();
    within("the news", sender.closed()).await;
    assert_eq!(sender.send(2).await.unwrap_err().0, 2);
    linked.here.open_gate();
    assert_eq!(call.await.unwrap(), 1);
    linked.is_as_before().await;
}

#[tokio::test]
async fn an_early_answer_stops_the_sender_whether_it_waits_or_not() {
    let linked = Linked::new().await;
    let answer = linked.tides.first(linked.here.watched(then_silence(3..4)));
    assert_eq!(within("the answer", answer).await.unwrap(), 3);
    within("the drop of a stream that waits", linked.here.live(0)).await;
    let answer = linked.tides.first(linked.here.watched(stream::iter(4..)));
    assert_eq!(within("the answer", answer).await.unwrap(), 4);
    within("the drop of a stream that goes on", linked.here.live(0)).await;
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_for_room_leaves_nothing() {
    let linked = Linked::with(Limits::default().streams(1), Channel::builder()).await;
    let first = linked.tides.hang(0).await.unwrap();
    let (second, third) =
        (linked.tides.total(linked.here.watched(then_silence(0..1))).start(), linked.tides.count(2).start());
    assert_eq!(linked.channel.stats().calls_waiting, 2);
    linked.here.live(2).await;
    drop(second);
    linked.here.live(1).await;
    assert_eq!((linked.channel.stats().calls_waiting, linked.here.taken()), (1, 0));
    drop(first);
    assert_eq!(within("the third", complete(within("its turn", third).await.unwrap())).await, [0, 1]);
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_stream_that_is_dropped_while_its_opening_is_awaited_ends_the_handler() {
    let linked = Linked::new().await;
    let call = linked.tides.late(3).start();
    linked.here.live(1).await;
    drop(call);
    linked.here.live(0).await;
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_closed_channel_ends_its_streams_in_both_directions() {
    let linked = Linked::new().await;
    let mut hang = linked.tides.hang(2).await.unwrap();
    let total = linked.tides.total(linked.here.watched(then_silence(0..1))).start();
    linked.here.live(2).await;
    assert_eq!(within("an item", hang.next()).await.unwrap().unwrap(), 0);
    assert_eq!(within("an item", hang.next()).await.unwrap().unwrap(), 1);
    linked.channel.close();
    let status = within("the end", hang.next()).await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Cancelled, true), "{status}");
    assert!(hang.next().await.is_none());
    assert_eq!(within("the other end", total).await.unwrap_err().code(), Code::Cancelled);
    within("the drop of all", linked.here.live(0)).await;
}

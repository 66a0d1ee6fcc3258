//! Time, and how many streams there may be: deadlines of streams are by choice, and a stream that waits for room waits
//! in nobody's way.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rpc_runtime::{Channel, Code, Limits};
use tokio::time::Instant;

use super::{Linked, all_is_quiet, collect, complete, then_silence, within};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_stream_has_no_deadline_by_default_in_either_direction() {
    let linked = Linked::new().await;
    let mut hang = linked.tides.hang(1).await.unwrap();
    let total = linked.tides.total(then_silence(0..1)).start();
    assert_eq!(hang.next().await.unwrap().unwrap(), 0);
    assert!(tokio::time::timeout(HOUR, hang.next()).await.is_err(), "it goes on");
    assert!(tokio::time::timeout(HOUR, total).await.is_err(), "it goes on");
    drop(hang);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_was_set_ends_a_stream_behind_the_items_that_came() {
    let linked = Linked::new().await;
    let began = Instant::now();
    let hang = linked.tides.hang(3).timeout(Duration::from_secs(5)).await.unwrap();
    let (items, status) = collect(hang).await;
    let status = status.unwrap();
    assert_eq!(
        (items, status.code(), status.may_have_run()),
        (vec![0, 1, 2], Code::DeadlineExceeded, true),
        "{status}"
    );
    assert_eq!(status.method(), Some("Tides.hang"));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(6), "{took:?}");
    // The server has the same deadline.
    linked.here.live(0).await;
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn the_items_that_came_in_time_can_be_taken_afterwards() {
    let linked = Linked::new().await;
    let hang = linked.tides.hang(100).timeout(Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(HOUR).await;
    let (items, status) = collect(hang).await;
    assert_eq!((items.len(), status.unwrap().code()), (100, Code::DeadlineExceeded));
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_what_a_client_sends() {
    let linked = Linked::new().await;
    let total = linked.tides.total(linked.here.watched(then_silence(0..3))).timeout(Duration::from_secs(5));
    let status = total.await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true), "{status}");
    linked.here.live(0).await;
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_streams_that_never_end_are_ended_by_their_deadlines_and_leak_nothing() {
    let linked = Linked::new().await;
    linked.is_as_before().await;
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..10 {
        let second = Duration::from_secs(1);
        let calls: Vec<_> = (0..100).map(|_| linked.tides.hang(1).timeout(second).start()).collect();
        for call in calls {
            let (_, status) = collect(call.await.unwrap()).await;
            assert_eq!(status.unwrap().code(), Code::DeadlineExceeded);
        }
    }
    linked.is_as_before().await;
    all_is_quiet().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks);
}

#[tokio::test(start_paused = true)]
async fn a_stream_above_the_limit_waits_in_nobodys_way_and_its_deadline_names_the_limit() {
    let linked = Linked::with(Limits::default().streams(2), Channel::builder()).await;
    let held = [linked.tides.hang(0).await.unwrap(), linked.tides.hang(0).await.unwrap()];
    let third = linked.tides.count(2).start();
    let late = linked.tides.total(stream::iter(0..3)).timeout(Duration::from_secs(5)).start();
    for n in 0..100 {
        assert_eq!(within("a call beside it", linked.tides.add(n, 1)).await.unwrap(), n + 1);
    }
    assert_eq!(linked.channel.stats().calls_waiting, 2);
    let status = late.await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false), "{status}");
    assert!(status.message().contains("streams: 2 calls with streams are in flight, the peer allows 2"), "{status}");
    drop(held);
    assert_eq!(complete(within("its turn", third).await.unwrap()).await, [0, 1]);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_wait_get_their_turns_in_their_order() {
    let linked = Linked::with(Limits::default().streams(1), Channel::builder()).await;
    let held = linked.tides.hang(0).await.unwrap();
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let order = std::sync::Arc::clone(&order);
            let polled = stream::once(async move { order.lock().unwrap().push(n) }).map(move |()| n);
            linked.tides.total(polled).start()
        })
        .collect();
    drop(held);
    for (n, call) in (0..).zip(calls) {
        assert_eq!(within("its turn", call).await.unwrap(), n);
    }
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn streams_need_no_place_among_the_running_and_take_none() {
    let linked = Linked::with(Limits::default().running(1), Channel::builder()).await;
    let hang = linked.tides.hang(0).await.unwrap();
    linked.here.live(1).await;
    assert_eq!(within("a stream", linked.tides.total(stream::iter(0..10_000))).await.unwrap(), 9_999 * 5_000);
    assert_eq!(within("a call", linked.tides.add(1, 2)).await.unwrap(), 3);
    drop(hang);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_passed_on_inherits_the_deadline_of_its_handler() {
    let (first, there) = (Linked::new().await, super::service::Here::new());
    let served = super::server(&there, Limits::default()).bind("mem://inherited").await.unwrap();
    super::spawn(served.serve());
    let began = Instant::now();
    let call = first.tides.elsewhere("mem://inherited", then_silence(0..3)).timeout(Duration::from_secs(5));
    let status = call.await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true), "{status}");
    assert!(began.elapsed() < Duration::from_secs(6));
    first.is_as_before().await;
}

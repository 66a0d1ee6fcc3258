//! The limits of both directions are counted apart; what takes all places at both ends is ended by deadlines.

use std::time::Duration;

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, Limits, Server};

use super::{Pair, within};

#[tokio::test(start_paused = true)]
async fn one_call_in_flight_and_one_handler_in_each_direction_do_not_stand_in_each_others_way() {
    let pair = Pair::limited(Limits::default().in_flight(1).running(1)).await;
    let caller = pair.met().await;
    let (ours, theirs) = (pair.client.wait().start(), caller.wait().start());
    pair.here.live(1).await;
    pair.there.live(1).await;
    // Each direction is full now, and says so.
    for full in [pair.client.add(1, 2), caller.add(1, 2)] {
        let status = full.timeout(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false));
        assert!(status.message().contains("in_flight: 1 calls are in flight, the peer allows 1"), "{status}");
    }
    pair.here.open_gate();
    assert_eq!(within("their call", theirs).await.unwrap(), 1);
    pair.there.open_gate();
    assert_eq!(within("our call", ours).await.unwrap(), 1);
}

#[tokio::test]
async fn a_handler_that_calls_back_takes_no_place_of_the_other_direction() {
    let pair = Pair::limited(Limits::default().in_flight(1).running(1)).await;
    let asked = join_all((0..200).map(|_| pair.client.ask(1, 60)));
    let sums = within("the calls", asked).await;
    assert_eq!(sums.into_iter().filter(|sum| matches!(sum, Ok(1))).count(), 200);
}

#[tokio::test]
async fn both_ends_call_back_at_once_while_each_has_a_place_for_them() {
    let pair = Pair::limited(Limits::default().in_flight(2).running(2)).await;
    let caller = pair.met().await;
    for _ in 0..200 {
        let both = async { tokio::join!(pair.client.ask(1, 60), caller.ask(1, 60)) };
        let (ours, theirs) = within("the calls", both).await;
        assert_eq!((ours.unwrap(), theirs.unwrap()), (1, 1));
    }
}

#[tokio::test]
async fn a_full_window_of_requests_in_one_direction_does_not_stop_the_other() {
    let small = Limits::default().max_message(1_000).request_window(1_000).running(1);
    let pair = Pair::limited(small).await;
    let caller = pair.met().await;
    let blocking = pair.client.wait().start();
    pair.there.live(1).await;
    // More than what is granted, which nobody takes while the one place is taken.
    let waiting: Vec<_> = (0..400).map(|_| pair.client.echo(vec![1; 900]).start()).collect();
    while pair.client.channel().stats().calls_waiting == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..400 {
        assert_eq!(within("the other direction", caller.echo(vec![2; 900])).await.unwrap().len(), 900);
    }
    pair.there.open_gate();
    assert_eq!(within("the call in front", blocking).await.unwrap(), 1);
    for call in waiting {
        assert_eq!(within("a call behind", call).await.unwrap().len(), 900);
    }
}

/// All places of both ends are taken by handlers that wait for the other end: their deadlines end it, and who waited
/// for a place is told which.
#[tokio::test(start_paused = true)]
async fn handlers_that_wait_for_each_other_with_all_places_taken_are_ended_by_their_deadlines() {
    let one = Limits::default().in_flight(1).running(1);
    let pair = Pair::limited(one).await;
    let began = tokio::time::Instant::now();
    // The third call, within the two that have the places, has 8 seconds.
    let status = within("the call", pair.client.ask(2, 10)).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 8);
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let named = "Party.ask at mem://link: in_flight: 1 calls are in flight, the peer allows 1";
    assert!(status.message().contains(named), "{status}");
    assert!(status.may_have_run(), "the first handler ran");
    assert_eq!(within("a later call", pair.client.ask(1, 10)).await.unwrap(), 1);
}

/// The same where the peer takes the request in and has no place for its handler.
#[tokio::test(start_paused = true)]
async fn a_call_back_that_finds_no_place_among_the_running_ends_by_its_deadline() {
    let server = Server::builder().limits(Limits::default().running(1));
    let pair = Pair::with(server, Channel::builder().limits(Limits::default().running(1))).await;
    let status = within("the call", pair.client.ask(2, 10)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("Party.ask at mem://link: no answer came in time"), "{status}");
    assert_eq!(within("a later call", pair.client.ask(1, 10)).await.unwrap(), 1);
}

/// A26: the deadline of a call back drops the handler at the client and frees its place.
#[tokio::test(start_paused = true)]
async fn a_handler_at_the_client_that_never_returns_is_dropped_by_the_deadline_of_the_call_back() {
    let pair = Pair::limited(Limits::default().running(1)).await;
    let caller = pair.met().await;
    for _ in 0..50 {
        let late = within("the call", caller.wait().timeout(Duration::from_secs(1))).await.unwrap_err();
        assert_eq!((late.code(), late.may_have_run()), (Code::DeadlineExceeded, true));
    }
    pair.here.live(0).await;
    assert_eq!(within("a later call", caller.add(1, 2)).await.unwrap(), 3);
    assert_eq!(pair.client.channel().stats().running, 0);
}

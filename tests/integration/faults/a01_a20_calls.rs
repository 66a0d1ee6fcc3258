//! A1, A2, A16, A20: many calls at once, in any order, and those that are never sent.

use std::{pin::pin, time::Duration};

use futures_util::future::{join_all, poll_immediate};
use rpc_runtime::Code;

use super::{
    a01_a20_desk::{DeskClient, Hall, assert_status, settled, soon, spawn},
    peer_a::{GENEROUS, REQUEST, channel_to_peer},
};

/// A1.
#[tokio::test]
async fn many_tasks_share_a_client_and_replies_come_in_any_order() {
    const TASKS: u64 = 200;
    for hall in Hall::both("a1").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let tasks = (0..TASKS).map(|ticket| {
            let desk = desk.clone();
            spawn(async move {
                // Half of them in the connection's runner.
                if ticket % 2 == 0 { desk.wait(ticket).await } else { desk.wait_inline(ticket).await }
            })
        });
        let tasks: Vec<_> = tasks.collect();
        hall.book.until(|tally| tally.started == TASKS as usize).await;
        // 77 has no factor in common with 200, so that each ticket is called once.
        for turn in 0..TASKS {
            hall.book.call(turn * 77 % TASKS);
        }
        for (ticket, task) in (0..).zip(tasks) {
            assert_eq!(soon(task).await.unwrap().unwrap(), ticket, "each gets its own reply");
        }
        hall.is_sound(&channel).await;
    }
}

/// A1. On one connection from several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_share_a_client_get_their_own_replies() {
    for hall in Hall::both("a1-threads").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let tasks = (0..16).map(|a| {
            let desk = desk.clone();
            spawn(async move {
                for b in 0..250 {
                    assert_eq!(desk.add(a, b).await.unwrap(), a + b);
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            soon(task).await.unwrap();
        }
        assert_eq!(hall.book.tally().started, 16 * 250, "no call was sent twice");
        hall.is_sound(&channel).await;
    }
}

/// A2.
#[tokio::test]
async fn started_calls_can_be_awaited_in_reverse_order() {
    for hall in Hall::both("a2").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let running: Vec<_> = (0..500).map(|a| (a, desk.add(a, 1).start())).collect();
        for (a, call) in running.into_iter().rev() {
            assert_eq!(soon(call).await.unwrap(), a + 1);
        }
        hall.is_sound(&channel).await;
    }
}

/// A16.
#[tokio::test]
async fn a_call_whose_deadline_has_passed_already_sends_nothing() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let late = soon(desk.add(1, 2).timeout(Duration::ZERO)).await.unwrap_err();
    assert_status(&late, Code::DeadlineExceeded, false, "Desk.add at pipe://peer");
    let started = soon(desk.add(3, 4).timeout(Duration::ZERO).start()).await.unwrap_err();
    assert_status(&started, Code::DeadlineExceeded, false, "no time left");
    let next = desk.add(5, 6).start();
    let request = soon(peer.next()).await.unwrap();
    assert_eq!((request.kind, &request.body[..]), (REQUEST, &b"[5,6]"[..]), "the first frame is of the third call");
    peer.answer(request.id, "11").await;
    assert_eq!(soon(next).await.unwrap(), 11);
    settled(&channel).await;
}

/// A20.
#[tokio::test]
async fn futures_that_are_never_polled_send_nothing_while_another_call_proceeds() {
    for hall in Hall::both("a20").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let never: Vec<_> = (0..10_000).map(|a| desk.add(a, a)).collect();
        assert_eq!(channel.outstanding_calls(), 0);
        assert_eq!(soon(desk.add(1, 2)).await.unwrap(), 3);
        assert_eq!(hall.book.tally().started, 1);
        drop(never);
        hall.is_sound(&channel).await;
        assert_eq!(hall.book.tally().started, 2, "the second was the fresh client's");
    }
}

/// A20. More than may be in flight, so that most of them wait for room.
#[tokio::test]
async fn futures_that_are_polled_once_and_then_forgotten_do_not_hold_up_another_call() {
    for hall in Hall::both("a20-once").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let mut forgotten: Vec<_> = (0..10_000).map(|a| desk.add(a, a)).collect();
        for call in &mut forgotten {
            assert!(poll_immediate(call).await.is_none());
        }
        assert_eq!(soon(desk.add(1, 2)).await.unwrap(), 3);
        let outcomes = soon(join_all(forgotten)).await;
        for (a, outcome) in (0..).zip(outcomes) {
            assert_eq!(outcome.unwrap(), 2 * a);
        }
        hall.is_sound(&channel).await;
    }
}

/// A20. A call is its caller's: what it is polled with may change.
#[tokio::test]
async fn a_call_that_moves_to_another_task_is_awaited_there() {
    for hall in Hall::both("a20-moves").await {
        let channel = hall.channel().await;
        let mut call = DeskClient::new(channel.clone()).wait(1);
        assert!(poll_immediate(pin!(&mut call)).await.is_none());
        let elsewhere = spawn(call);
        hall.book.until(|tally| tally.started == 1).await;
        hall.book.call(1);
        assert_eq!(soon(elsewhere).await.unwrap().unwrap(), 1);
        hall.is_sound(&channel).await;
    }
}

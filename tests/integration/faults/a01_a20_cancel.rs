//! A15, A17: a call that is dropped half written, sent, or answered.

use futures_util::future::poll_immediate;
use rpc_runtime::Channel;
use tokio::io::DuplexStream;

use super::{
    a01_a20_desk::{DeskClient, Hall, Tally, settled, soon},
    peer_a::{CANCEL, Frame, GENEROUS, Peer, REQUEST, RESPONSE, channel_to_peer, frame},
};

/// Makes another call and gives what the peer reads before it.
async fn before_the_next_call(channel: &Channel, peer: &mut Peer<DuplexStream>) -> Vec<Frame> {
    let next = DeskClient::new(channel.clone()).add(20, 3).start();
    let mut before = Vec::new();
    let request = loop {
        let frame = soon(peer.next()).await.expect("the call goes on");
        if frame.kind == REQUEST && frame.body == b"[20,3]" {
            break frame;
        }
        before.push(frame);
    };
    peer.answer(request.id, "23").await;
    assert_eq!(soon(next).await.expect("the call goes on"), 23, "the next call is right");
    before
}

/// A15.
#[tokio::test]
async fn a_call_dropped_half_written_leaves_whole_frames_and_one_cancel() {
    // The pipe holds a part of the first frame; or some frames and a part of the next.
    for holds in [1_000, 70_000, 200_000] {
        let (channel, mut peer) = channel_to_peer(holds, GENEROUS).await;
        let call = DeskClient::new(channel.clone()).keep("x".repeat(1 << 20)).start();
        let first = soon(peer.next()).await.unwrap();
        assert!(first.kind == REQUEST && first.more, "{holds}: the first part of several");
        drop(call);
        let before = before_the_next_call(&channel, &mut peer).await;
        let (cancel, parts) = before.split_last().unwrap();
        assert_eq!((cancel.kind, cancel.id), (CANCEL, first.id), "{holds}");
        assert!(parts.len() < 15, "{holds}: not the whole request, {} further parts", parts.len());
        for part in parts {
            assert_eq!((part.kind, part.id, part.more, part.body.len()), (REQUEST, first.id, true, 65_536), "{holds}");
        }
        peer.send(RESPONSE, first.id, &[1, 1, 2, 3, 1, 1], &[]).await;
        settled(&channel).await;
    }
}

/// A15.
#[tokio::test]
async fn a_call_dropped_once_it_was_sent_sends_one_cancel() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let mut polled = desk.wait(2);
    assert!(poll_immediate(&mut polled).await.is_none());
    let calls = (desk.wait(1).start(), polled);
    let requests = [soon(peer.next()).await.unwrap(), soon(peer.next()).await.unwrap()];
    drop(calls);
    let cancels = before_the_next_call(&channel, &mut peer).await;
    assert_eq!(cancels.len(), 2, "{cancels:?}");
    for request in &requests {
        assert_eq!(cancels.iter().filter(|cancel| (cancel.kind, cancel.id) == (CANCEL, request.id)).count(), 1);
        peer.answer(request.id, "1").await;
    }
    settled(&channel).await;
}

/// A15.
#[tokio::test]
async fn a_call_dropped_once_it_was_answered_sends_no_cancel() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let call = DeskClient::new(channel.clone()).wait(1).start();
    let request = soon(peer.next()).await.unwrap();
    peer.answer(request.id, "1").await;
    // The answers are read in their order, so that the first is there when the second is.
    assert_eq!(before_the_next_call(&channel, &mut peer).await, []);
    assert_eq!(channel.outstanding_calls(), 1, "an outcome that nobody has looked at");
    drop(call);
    assert_eq!(channel.outstanding_calls(), 0);
    assert_eq!(before_the_next_call(&channel, &mut peer).await, []);
    assert_eq!(channel.late_responses(), 0);
}

/// A15.
#[tokio::test]
async fn dropping_calls_at_any_moment_drops_their_handlers_and_leaks_nothing() {
    for hall in Hall::both("a15").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        for turns in 0..40 {
            let calls = [desk.wait(1).start(), desk.wait_inline(1).start(), desk.wait(1).start()];
            let large = desk.keep("x".repeat(300_000)).start();
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            drop((calls, large));
        }
        assert_eq!(soon(desk.add(1, 2)).await.unwrap(), 3);
        hall.is_sound(&channel).await;
    }
}

/// A15. Whatever the handler waits in.
#[tokio::test]
async fn the_handler_of_a_dropped_call_is_dropped() {
    for hall in Hall::both("a15-handler").await {
        let channel = hall.channel().await;
        let desk = DeskClient::new(channel.clone());
        let (in_task, inline) = (desk.wait(1).start(), desk.wait_inline(1).start());
        hall.book.until(|tally| tally.started == 2).await;
        drop(in_task);
        hall.book.until(|tally| tally == Tally { started: 2, ended: 1 }).await;
        drop(inline);
        hall.book.until(|tally| tally == Tally { started: 2, ended: 2 }).await;
        hall.is_sound(&channel).await;
    }
}

/// A17.
#[tokio::test]
async fn a_late_response_for_a_cancelled_call_is_dropped_and_the_next_call_is_right() {
    let (channel, mut peer) = channel_to_peer(1 << 16, GENEROUS).await;
    let desk = DeskClient::new(channel.clone());
    let cancelled = desk.add(1, 1).start();
    let first = soon(peer.next()).await.unwrap();
    drop(cancelled);
    let next = desk.add(2, 2).start();
    let cancel = soon(peer.next()).await.unwrap();
    assert_eq!((cancel.kind, cancel.id), (CANCEL, first.id));
    let second = soon(peer.next()).await.unwrap();
    assert_ne!(first.id, second.id, "the id of the first is not free yet");
    peer.answer(first.id, "2").await;
    peer.answer(second.id, "4").await;
    assert_eq!(soon(next).await.unwrap(), 4);
    assert_eq!(channel.late_responses(), 1);
    let third = desk.add(3, 3).start();
    let request = soon(peer.next()).await.unwrap();
    // The slot may be the first call's again: what comes for that one twice must not be taken for the third.
    peer.answer(first.id, "2").await;
    peer.answer(second.id, "4").await;
    peer.answer(request.id, "6").await;
    assert_eq!(soon(third).await.unwrap(), 6);
    assert_eq!(channel.late_responses(), 3);
    settled(&channel).await;
}

/// A17. In parts, of which some came before the cancel.
#[tokio::test]
async fn a_late_response_in_parts_is_dropped_and_the_next_call_is_right() {
    let (channel, mut peer) = channel_to_peer(1 << 20, GENEROUS).await;
    let call = DeskClient::new(channel.clone()).echo("a".to_owned()).start();
    let request = soon(peer.next()).await.unwrap();
    let part = |more: u8, header: &[u8], body: &[u8]| {
        let mut frame = frame(RESPONSE, request.id, header, body);
        frame[5] = more;
        frame
    };
    peer.write(&part(1, &[5, 1, 6], b"\"ab")).await;
    drop(before_the_next_call(&channel, &mut peer).await);
    drop(call);
    peer.write(&part(1, &[], b"c")).await;
    peer.write(&part(0, &[], b"d\"")).await;
    let before = before_the_next_call(&channel, &mut peer).await;
    assert_eq!(before.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [CANCEL]);
    assert_eq!(channel.late_responses(), 1);
    settled(&channel).await;
}

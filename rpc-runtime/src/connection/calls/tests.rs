//! What the pending table does to its queue; the rest is tested against a model in `connection/tests`.

use std::time::Duration;

use super::{waiting::GONE, *};
use crate::connection::tests::request;

#[test]
fn a_call_whose_time_is_over_when_there_is_room_for_it_is_not_sent() {
    let windows = StreamWindow { start: 1, largest: 1 };
    let mut calls = Calls::new(0, Grant { in_flight: 1, ..Grant::default() }, windows);
    let (mut frames, now) = (Frames::default(), Instant::now());
    let deadline = now + Duration::from_millis(1);
    let first = calls.register(request(Vec::new()), None, &mut None, now, &mut frames, 0).unwrap();
    let late = calls.register(request(Vec::new()), Some(deadline), &mut None, now, &mut frames, 0).unwrap();
    let patient = calls.register(request(Vec::new()), None, &mut None, now, &mut frames, 0).unwrap();
    let over = Answer::of_status(Status::of_call(Code::Unavailable, "over"));
    drop(calls.answer_owned(calls.wire_id(first), over, &mut frames));
    calls.pump(deadline, &mut frames, 0);
    assert!(matches!(calls.slot(patient).unwrap().stage, Stage::Sent(_)));
    let Stage::Ended { answer, .. } = &calls.slot(late).unwrap().stage else { panic!("it has no outcome") };
    let Ending::Status(status) = &answer.ending else { panic!("it succeeded") };
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false), "{status}");
}

/// Calls of 700 and of 100 bytes, with a second each; the large one waits for room: 600 of 1,000 bytes are in use.
fn large_and_small(small_comes_after: Duration) -> (Calls, [CallId; 2]) {
    let windows = StreamWindow { start: 1, largest: 1 };
    let mut calls = Calls::new(0, Grant { request_window: 1_000, ..Grant::default() }, windows);
    let (mut frames, began) = (Frames::default(), Instant::now());
    let mut register = |size, now| {
        let deadline = Some(now + Duration::from_secs(1));
        calls.register(request(vec![0; size]), deadline, &mut None, now, &mut frames, 0).unwrap()
    };
    register(600, began);
    let ids = [register(700, began), register(100, began + small_comes_after)];
    (calls, ids)
}

#[test]
fn a_large_call_that_waits_for_room_is_not_passed_by_small_ones_before_half_of_its_time_is_over() {
    for (after_ms, passes) in [(0, false), (499, false), (500, true)] {
        let (mut calls, [large, small]) = large_and_small(Duration::from_millis(after_ms));
        let is_sent = |calls: &Calls, id| matches!(calls.slot(id).unwrap().stage, Stage::Sent(_));
        assert_eq!((is_sent(&calls, large), is_sent(&calls, small)), (false, passes), "after {after_ms} ms");
        calls.credit(600);
        calls.pump(Instant::now(), &mut Frames::default(), 0);
        assert!(is_sent(&calls, large) && is_sent(&calls, small));
    }
}

#[test]
fn a_queue_does_not_grow_with_calls_that_gave_up_while_its_head_waits() {
    let windows = StreamWindow { start: 1, largest: 1 };
    let mut calls = Calls::new(0, Grant { in_flight: 1, ..Grant::default() }, windows);
    let (mut frames, now) = (Frames::default(), Instant::now());
    for call in 0..10_000 {
        let id = calls.register(request(vec![0; 8]), None, &mut None, now, &mut frames, 0).unwrap();
        if call > 1 {
            drop(calls.abandon(id, &mut frames));
        }
    }
    assert!(calls.queue.all() <= 2 + GONE, "{} stand in the queue", calls.queue.all());
    assert_eq!((calls.occupied(), calls.slots.len()), (2, 3));
}

#[test]
fn nothing_is_held_for_calls_that_have_ended_long_before_their_deadlines() {
    let windows = StreamWindow { start: 1, largest: 1 };
    let mut calls = Calls::new(0, Grant::default(), windows);
    let (mut frames, now) = (Frames::default(), Instant::now());
    for _ in 0..10_000 {
        let deadline = Some(now + Duration::from_secs(30));
        let id = calls.register(request(Vec::new()), deadline, &mut None, now, &mut frames, 0).unwrap();
        let wire_id = calls.wire_id(id);
        drop(calls.answer(wire_id, Ending::Ok, Metadata::new(), &[], &mut frames));
        assert!(matches!(calls.poll(id, Waker::noop()), Polled::Ready(..)));
    }
    assert_eq!((calls.held(), calls.occupied(), calls.slots.len()), (0, 0, 1));
}

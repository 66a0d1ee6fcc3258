//! What the pending table does to its queue; the rest is tested against a model in `connection/tests`.

use super::*;
use crate::connection::tests::request;

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
    assert!(calls.queue.len() <= 2 + GONE, "{} stand in the queue", calls.queue.len());
    assert_eq!((calls.occupied(), calls.slots.len()), (2, 3));
}

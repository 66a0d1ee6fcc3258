//! Room that a call with streams leaves, which never left itself, goes to the next that waits, and that one is told.

use std::{sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{Count, body, pipe::Pipe, request};
use crate::{
    call::{OutgoingRequest, Reception},
    connection::{shared::Shared, slot::CallId},
    status::Status,
    wire::{self, Grant},
};

/// A call whose request has not begun to leave, and one that waits for its place.
struct World {
    shared: Arc<Shared>,
    unsent: CallId,
    told: Arc<Count>,
    _pipe: Arc<Pipe>,
}

impl World {
    fn new(now: Instant) -> Self {
        let (pipe, shared) = Pipe::connected(Grant { streams: 1, ..Grant::default() });
        let mut state = shared.lock();
        wire::put_ping(&mut state.output.frames.small, 7);
        drop(state);
        // Somebody is in the middle of a write.
        assert!(shared.claim().is_some());
        let streaming = |size| OutgoingRequest { reception: Reception::AtOnce, ..request(body(0, size)) };
        let unsent = shared.send(streaming(5_000), Some(now + Duration::from_secs(1)), now, None).unwrap();
        let told = Arc::<Count>::default();
        shared.send(streaming(10), None, now, Some(told.waker())).unwrap();
        assert_eq!((shared.lock().calls.waiting(), told.get()), (1, 0));
        Self { shared, unsent, told, _pipe: pipe }
    }

    fn is_right(&self) {
        assert_eq!((self.shared.lock().calls.waiting(), self.told.get()), (0, 1));
    }
}

#[test]
fn the_room_of_a_call_that_its_items_have_failed_goes_to_the_next() {
    let world = World::new(Instant::now());
    let id = world.shared.lock().calls.wire_id(world.unsent);
    world.shared.fail_and_cancel(id, Status::internal("an item can not be encoded"));
    world.is_right();
}

#[test]
fn the_room_of_a_call_whose_time_is_over_goes_to_the_next() {
    let now = Instant::now();
    let world = World::new(now);
    let mut wakers = Vec::new();
    world.shared.lock().expire(now + Duration::from_secs(2), &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    world.is_right();
}

/// A producer that is polled again and again while the output has no room.
#[test]
fn who_waits_for_the_output_is_remembered_once() {
    let (_pipe, shared) = Pipe::connected(Grant { streams: 1, stream_window: 100, ..Grant::default() });
    let call = OutgoingRequest { sends: true, ..request(body(0, 10)) };
    let call = shared.send(call, None, Instant::now(), None).unwrap();
    let mut state = shared.lock();
    let key = state.calls.stream(call).expect("it has a stream");
    for _ in 0..100 {
        drop(state.calls.streams.room(key, Waker::noop().clone(), true));
    }
    assert_eq!(state.calls.streams.stalled(), 1);
    state.calls.streams.rouse();
    drop(state.calls.streams.room(key, Waker::noop().clone(), true));
    assert_eq!(state.calls.streams.stalled(), 1);
}

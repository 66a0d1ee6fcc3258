//! The serving side: places among the running, too many unsent replies, runners that are replaced in the middle of a
//! poll. Whoever waits for one of these goes on as soon as it can.

use shuttle::thread;

use super::{
    check, one_in, up_to,
    world::{Call, Outcome, Setting, World, call},
};
use crate::limits::Limits;

const METHODS: [&str; 2] = ["inline", "in_task"];

/// `unsent_responses` is reached by each reply, and the pipe holds a part of one.
#[test]
fn handlers_go_on_whenever_there_is_room_for_replies_again() {
    check(250, || {
        let limits = Limits::default().unsent_responses(1).running(2);
        let world = World::new(Setting { limits, holds: 24, shared: one_in(2), ..Setting::default() });
        let calls = [0, 1, 2, 3].map(|tag| call(&world.client, METHODS[up_to(1)], tag, 0, None).unwrap());
        assert_eq!(calls.map(Call::wait), [Outcome::Value; 4]);
        world.client.close();
        world.ended().book.is_closed();
    });
}

#[test]
fn a_place_among_the_running_is_handed_on_however_its_handler_ended() {
    check(250, || {
        let limits = Limits::default().running(1);
        let world = World::new(Setting { limits, shared: one_in(2), ..Setting::default() });
        let stuck = call(&world.client, ["gate_inline", "gate_in_task"][up_to(1)], 0, 0, None).unwrap();
        let calls = [1, 2].map(|tag| call(&world.client, METHODS[up_to(1)], tag, 0, None).unwrap());
        let book = world.book.clone();
        let opener = thread::spawn(move || {
            if one_in(2) {
                book.open(0);
                assert_eq!(stuck.wait(), Outcome::Value);
            } else {
                drop(stuck);
            }
        });
        assert_eq!(calls.map(Call::wait), [Outcome::Value; 2]);
        opener.join().unwrap();
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// Wakes, cancels and the end come while one runner is in a poll and another is put in its place.
#[test]
fn handlers_survive_that_their_runner_is_replaced() {
    check(250, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let calls = [0, 1, 2].map(|tag| call(&world.client, "gate_inline", tag, 0, None).unwrap());
        let [first, second, dropped] = calls;
        let book = world.book.clone();
        let opener = thread::spawn(move || [0, 1].map(|tag| book.open_started(tag)));
        drop(dropped);
        assert_eq!([first.wait(), second.wait()], [Outcome::Value; 2]);
        opener.join().unwrap();
        world.client.close();
        world.ended().book.is_closed();
    });
}

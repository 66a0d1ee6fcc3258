//! Streams between two whole ends: items in order and once, up to the end that their producer gave; no producer is left
//! whose consumer has gone; and nobody waits for ever.

use shuttle::thread::{self, JoinHandle};

use super::{
    check,
    flows::{Flow, Got},
    one_in, up_to,
    world::{Outcome, Setting, World, call},
};
use crate::{limits::Limits, status::Code};

/// Windows that are used up by one item, by a few, or by none of these tests.
fn limits() -> Limits {
    let window = [1, 90, 65_536][up_to(2)];
    Limits::default().stream_window(window, window)
}

fn setting(limits: Limits) -> Setting {
    Setting { limits, shared: one_in(2), ..Setting::default() }
}

/// Each in a thread of its own.
fn run(world: &World, flows: &[Flow]) -> Vec<JoinHandle<Got>> {
    let run = |flow: &Flow| {
        let (flow, client, book) = (*flow, world.client.clone(), world.book.clone());
        thread::spawn(move || flow.run(&client, &book))
    };
    flows.iter().map(run).collect()
}

/// All are as they were to be, and nothing is left of them, before anybody closes anything.
fn are_right(world: World, flows: &[Flow]) {
    let running = run(&world, flows);
    for (flow, running) in flows.iter().zip(running) {
        flow.is_right(running.join().unwrap());
    }
    // Whoever produced for somebody who has gone is told, without a timer and without another frame.
    world.book.is_closed();
    world.has_no_streams();
    assert_eq!(call(&world.client, "inline", 50, 10, None).unwrap().wait(), Outcome::Value);
    world.client.close();
    world.ended().book.is_closed();
}

#[test]
fn a_stream_of_any_kind_comes_in_order_up_to_its_end_or_until_nobody_wants_it() {
    check(600, || {
        let world = World::new(setting(limits()));
        are_right(world, &[Flow::any(0, 60)]);
    });
}

#[test]
fn streams_beside_each_other_do_not_disturb_each_other() {
    check(200, || {
        let world = World::new(setting(limits()));
        are_right(world, &[0, 1, 2].map(|tag| Flow::any(tag, 60)));
    });
}

/// Items that leave beside the small frames, and small ones of the same call behind them.
#[test]
fn long_items_and_short_ones_keep_their_order() {
    check(150, || {
        let world = World::new(Setting { holds: 8_192, ..setting(limits()) });
        are_right(world, &[Flow::whole(0, 5_000), Flow::any(1, 5_000)]);
    });
}

/// Items in parts.
#[test]
fn items_in_parts_keep_their_order() {
    check(25, || {
        let world = World::new(Setting { holds: 1 << 20, ..setting(limits()) });
        are_right(world, &[Flow::whole(0, 70_000), Flow::any(1, 5_000)]);
    });
}

/// `unsent_responses` is reached by each item, and the pipe holds a part of one.
#[test]
fn producers_go_on_whenever_the_output_has_room_again() {
    check(200, || {
        let world = World::new(Setting { holds: 24, ..setting(limits().unsent_responses(1)) });
        are_right(world, &[Flow::whole(0, 30), Flow::any(1, 30), Flow::any(2, 30)]);
    });
}

/// One at a time: the others wait, and go on however those before them end, also when they give up while they wait.
#[test]
fn calls_with_streams_that_wait_for_room_get_it() {
    check(250, || {
        let world = World::new(setting(limits().streams(1)));
        are_right(world, &[Flow::any(0, 30), Flow::any(1, 30).with_patience(0), Flow::any(2, 30), Flow::any(3, 30)]);
    });
}

/// The peer takes one call of any kind: streams wait behind others, and others behind streams.
#[test]
fn calls_with_and_without_streams_wait_for_each_other() {
    check(200, || {
        let world = World::new(setting(limits().streams(1).in_flight(1)));
        let client = world.client.clone();
        let unary = thread::spawn(move || call(&client, "in_task", 60, 10, None).unwrap().wait());
        let flows = [0, 1].map(|tag| Flow::any(tag, 30));
        let running = run(&world, &flows);
        assert_eq!(unary.join().unwrap(), Outcome::Value);
        for (flow, running) in flows.iter().zip(running) {
            flow.is_right(running.join().unwrap());
        }
        world.book.is_closed();
        world.has_no_streams();
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// What comes between.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Close(usize),
    Abort(usize),
    Dropped(usize),
    Breaks,
}

#[test]
fn a_connection_that_ends_beside_streams_ends_each_of_them_once() {
    check(500, || {
        let end = up_to(1);
        let how = [Disturbance::Close(end), Disturbance::Abort(end), Disturbance::Dropped(end), Disturbance::Breaks]
            [up_to(3)];
        let breaks = match how {
            Disturbance::Breaks if one_in(2) => [up_to(800), usize::MAX],
            Disturbance::Breaks => [usize::MAX, up_to(800)],
            _ => [usize::MAX; 2],
        };
        let limits = if one_in(3) { limits().streams(1) } else { limits() };
        let world = World::new(Setting { breaks, ..setting(limits) });
        let flows = [Flow::endless(0, 60), Flow::any(1, 60)];
        let running = run(&world, &flows);
        let ends = [world.client.clone(), world.server.clone()];
        let dropped = [0, 1].map(|end| world.dropped(end));
        let ending = thread::spawn(move || match how {
            Disturbance::Close(end) => ends[end].close(),
            Disturbance::Abort(end) => ends[end].abort("on purpose".to_owned()),
            Disturbance::Dropped(end) => dropped[end].abort(),
            // It may not come so far.
            Disturbance::Breaks => ends[0].close(),
        });
        ending.join().unwrap();
        for (flow, running) in flows.iter().zip(running) {
            flow.is_true(running.join().unwrap(), &[Code::Unavailable, Code::Cancelled]);
        }
        let remains = world.ended();
        remains.book.is_closed();
    });
}

/// A drain lets streams end, and the connection behind them.
#[test]
fn a_drain_beside_streams_lets_them_end() {
    check(250, || {
        let world = World::new(setting(limits()));
        let flows = [0, 1].map(|tag| Flow::any(tag, 60));
        let running = run(&world, &flows);
        let end = if one_in(2) { world.client.clone() } else { world.server.clone() };
        thread::spawn(move || end.drain()).join().unwrap();
        for (flow, running) in flows.iter().zip(running) {
            // Refused, if it came too late; else undisturbed.
            let got = running.join().unwrap();
            flow.is_true(got, &[Code::Unavailable]);
        }
        world.ended().book.is_closed();
    });
}

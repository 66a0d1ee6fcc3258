//! Calls between two whole ends: each has exactly one outcome, of its own, whoever goes first.

use std::sync::{Arc, PoisonError};

use shuttle::thread;

use super::{
    check, one_in, up_to,
    world::{Call, Outcome, Setting, World, call},
};
use crate::{connection::sync::Mutex, limits::Limits};

const METHODS: [&str; 2] = ["inline", "in_task"];

fn sometimes_shared() -> Setting {
    Setting { shared: one_in(2), ..Setting::default() }
}

/// Three callers at once, small and large, and no timer to help.
#[test]
fn every_call_is_answered_although_nobody_appends_again() {
    check(250, || {
        let world = World::new(sometimes_shared());
        let callers = [0, 1, 2].map(|tag| {
            let client = world.client.clone();
            thread::spawn(move || {
                let size = if tag == 2 { 4_500 } else { 10 };
                assert_eq!(call(&client, METHODS[up_to(1)], tag, size, None).unwrap().wait(), Outcome::Value);
            })
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert_eq!([0, 1, 2].map(|tag| world.book.started(tag)), [1; 3]);
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// More calls than the peer allows: who waits for room is sent when there is some, also when those before it give up.
#[test]
fn whoever_waits_for_room_gets_it() {
    check(250, || {
        let limits = Limits::default().in_flight(1);
        let world = World::new(Setting { limits, ..sometimes_shared() });
        let callers = [0, 1, 2].map(|tag| {
            let client = world.client.clone();
            thread::spawn(move || {
                let call = call(&client, METHODS[up_to(1)], tag, 10, None).unwrap();
                if tag == 1 {
                    drop(call);
                } else {
                    assert_eq!(call.wait(), Outcome::Value);
                }
            })
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// A call is dropped while its request waits, is written, or is answered; its handler goes, its neighbour is answered.
#[test]
fn an_abandoned_call_leaves_nothing_behind_and_its_neighbour_is_answered() {
    check(250, || {
        let world = World::new(sometimes_shared());
        let gone = call(&world.client, ["gate_inline", "gate_in_task"][up_to(1)], 0, up_to(1) * 4_500, None).unwrap();
        let (client, book) = (world.client.clone(), world.book.clone());
        let neighbour = thread::spawn(move || {
            assert_eq!(call(&client, METHODS[up_to(1)], 1, 10, None).unwrap().wait(), Outcome::Value);
        });
        let opener = thread::spawn(move || {
            if one_in(2) {
                book.open(0);
            }
        });
        drop(gone);
        neighbour.join().unwrap();
        opener.join().unwrap();
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// The wakers of handlers come from a thread of their own, before, during and after the handler's polls.
#[test]
fn a_handler_that_is_woken_at_any_moment_goes_on() {
    check(250, || {
        let world = World::new(sometimes_shared());
        let book = world.book.clone();
        let opener = thread::spawn(move || {
            book.open(0);
            book.open_started(1);
            book.open_started(2);
        });
        let calls = [0, 1, 2].map(|tag| {
            let method = if tag == 2 { "gate_in_task" } else { "gate_inline" };
            call(&world.client, method, tag, 10, None).unwrap()
        });
        opener.join().unwrap();
        assert_eq!(calls.map(Call::wait), [Outcome::Value; 3]);
        world.client.close();
        world.ended().book.is_closed();
    });
}

/// A call goes from thread to thread: the waker of the last poll is the one that is woken.
#[test]
fn a_call_that_changes_hands_wakes_whoever_holds_it() {
    check(250, || {
        let world = World::new(sometimes_shared());
        let call = Arc::new(Mutex::new(Some(call(&world.client, METHODS[up_to(1)], 0, 10, None).unwrap())));
        let holders = [0, 1].map(|_| {
            let call = Arc::clone(&call);
            thread::spawn(move || {
                let held = call.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(mut held) = held else { return };
                let waker = std::task::Waker::noop();
                if let Some(outcome) = held.look(waker) {
                    return assert_eq!(outcome, Outcome::Value);
                }
                *call.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
            })
        });
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        let held = call.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(held) = held {
            assert_eq!(held.wait(), Outcome::Value);
        }
        world.client.close();
        world.ended().book.is_closed();
    });
}

//! The end of a connection beside whatever else is happening: a close, a drain, a transport that breaks, a driver that
//! is dropped, a deadline. Each call has one outcome, and what it says of its handler is true.

use std::time::Duration;

use shuttle::thread::{self, JoinHandle};
use tokio::time::Instant;

use super::{
    check, one_in, pass, up_to,
    world::{Outcome, Setting, World, call, failure, has_left},
};
use crate::status::Code;

const METHODS: [&str; 4] = ["inline", "in_task", "gate_inline", "gate_in_task"];
/// Those that end by themselves.
const QUICK: usize = 1;

/// Callers at work while something happens: each gives how its call ended.
fn callers(world: &World, most: usize, deadline: Option<Instant>) -> [JoinHandle<Outcome>; 3] {
    [0, 1, 2].map(|tag| {
        let client = world.client.clone();
        thread::spawn(move || {
            let size = if tag == 2 { 4_500 } else { 10 };
            match call(&client, METHODS[up_to(most)], tag, size, deadline) {
                Ok(call) => call.wait(),
                Err(status) => failure(&status),
            }
        })
    })
}

/// Lets the world end, and holds what the callers were told against what happened.
///
/// A peer that refused a request says so: then it has left and did not run.
fn judge(world: World, outcomes: [Outcome; 3], codes: &[Code], refuses: bool) {
    let remains = world.ended();
    remains.book.is_closed();
    let (taken, _) = remains.wires[0].log();
    for (tag, outcome) in (0..).zip(outcomes) {
        let started = remains.book.started(tag);
        match outcome {
            Outcome::Value => assert_eq!(started, 1, "an answer of nobody"),
            Outcome::Failure { code, may_have_run } => {
                assert!(codes.contains(&code), "{code}");
                assert!(may_have_run || started == 0, "{tag} ran, and its caller was told that it did not");
                let left = !refuses && has_left(&taken, tag);
                assert!(may_have_run || !left, "{tag} left, and its caller was told that it did not");
            }
        }
    }
}

#[test]
fn a_close_beside_calls_ends_each_of_them_once() {
    check(250, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let callers = callers(&world, 3, None);
        let client = world.client.clone();
        thread::spawn(move || client.close()).join().unwrap();
        judge(world, callers.map(|caller| caller.join().unwrap()), &[Code::Cancelled], false);
    });
}

#[test]
fn a_server_that_closes_or_drains_beside_calls_ends_each_of_them_once() {
    check(250, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let (server, drains) = (world.server.clone(), one_in(2));
        let callers = callers(&world, if drains { QUICK } else { 3 }, None);
        let closing = thread::spawn(move || if drains { server.drain() } else { server.close() });
        closing.join().unwrap();
        judge(world, callers.map(|caller| caller.join().unwrap()), &[Code::Unavailable, Code::Cancelled], true);
    });
}

/// The commit point: who is told that nothing of it left is told the truth.
#[test]
fn a_transport_that_breaks_in_the_middle_of_a_write_ends_each_call_once() {
    check(300, || {
        let breaks = if one_in(3) { [usize::MAX, up_to(120)] } else { [up_to(600), usize::MAX] };
        let world = World::new(Setting { shared: one_in(2), breaks, ..Setting::default() });
        let outcomes = callers(&world, QUICK, None).map(|caller| caller.join().unwrap());
        // It may not have come so far.
        world.client.close();
        judge(world, outcomes, &[Code::Unavailable], false);
    });
}

/// The same with handlers at work, which are dropped, while the other end closes.
#[test]
fn a_transport_that_breaks_beside_a_close_ends_each_call_once() {
    check(200, || {
        let breaks = if one_in(3) { [usize::MAX, up_to(120)] } else { [up_to(600), usize::MAX] };
        let world = World::new(Setting { shared: one_in(2), breaks, ..Setting::default() });
        let callers = callers(&world, 3, None);
        let server = world.server.clone();
        thread::spawn(move || server.close()).join().unwrap();
        let codes = [Code::Unavailable, Code::Cancelled];
        judge(world, callers.map(|caller| caller.join().unwrap()), &codes, true);
    });
}

#[test]
fn an_abort_beside_calls_ends_each_of_them_once() {
    check(200, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let callers = callers(&world, 3, None);
        let end = if one_in(2) { world.client.clone() } else { world.server.clone() };
        let aborting = thread::spawn(move || end.abort("on purpose".to_owned()));
        aborting.join().unwrap();
        judge(world, callers.map(|caller| caller.join().unwrap()), &[Code::Unavailable], false);
    });
}

#[test]
fn a_driver_that_is_dropped_with_its_runtime_ends_each_call_once() {
    check(200, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let callers = callers(&world, 3, None);
        let aborting = world.dropped(up_to(1));
        thread::spawn(move || aborting.abort()).join().unwrap();
        judge(world, callers.map(|caller| caller.join().unwrap()), &[Code::Unavailable], false);
    });
}

#[test]
fn a_deadline_beside_the_answer_ends_a_call_once() {
    check(250, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let callers = callers(&world, 3, Some(Instant::now() + Duration::from_millis(2)));
        let client = world.client.clone();
        let time = thread::spawn(move || {
            while client.outstanding() > 0 || one_in(2) {
                pass(Duration::from_millis(1));
                thread::yield_now();
            }
        });
        time.join().unwrap();
        let client = world.client.clone();
        let closing = thread::spawn(move || client.close());
        closing.join().unwrap();
        judge(world, callers.map(|caller| caller.join().unwrap()), &[Code::DeadlineExceeded, Code::Cancelled], true);
    });
}

#[test]
fn no_call_is_taken_once_a_connection_has_ended() {
    check(100, || {
        let world = World::new(Setting { breaks: [0, usize::MAX], ..Setting::default() });
        let client = world.client.clone();
        let racing = thread::spawn(move || match call(&client, "inline", 0, 10, None) {
            Ok(call) => call.wait(),
            Err(status) => failure(&status),
        });
        let last = call(&world.client, "inline", 1, 10, None).map(|call| call.wait());
        let unavailable = |may_have_run| Outcome::Failure { code: Code::Unavailable, may_have_run };
        // In the middle of a write all that it was given counts as taken.
        let last = last.unwrap_or_else(|status| failure(&status));
        assert!([true, false].map(unavailable).contains(&last), "{last:?}");
        let late = call(&world.client, "inline", 2, 10, None).err().expect("the connection is over");
        assert_eq!(failure(&late), unavailable(false));
        let racing = racing.join().unwrap();
        assert!([true, false].map(unavailable).contains(&racing), "{racing:?}");
        world.ended().book.is_closed();
    });
}

/// Nothing else wakes a driver here: what is asked of it in the middle of its turn is seen in that turn or the next.
#[test]
fn an_idle_connection_that_is_ended_at_any_moment_ends() {
    check(300, || {
        let world = World::new(Setting::default());
        let (end, how) = (if one_in(2) { world.client.clone() } else { world.server.clone() }, up_to(2));
        let ending = thread::spawn(move || match how {
            0 => end.close(),
            1 => end.drain(),
            _ => end.abort("on purpose".to_owned()),
        });
        ending.join().unwrap();
        world.ended().book.is_closed();
    });
}

//! The right to write, in the smallest setting: appenders, the flusher and a transport, without anybody else who might
//! write or wake in their stead.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use shuttle::{future::block_on, thread};
use tokio::{io::AsyncReadExt, sync::watch};

use super::{
    check, one_in,
    pipe::{Source, pipe},
    up_to,
    world::{Outcome, Setting, World, call},
};
use crate::{
    call::Peer,
    codec::CodecKind,
    connection::{
        ConnectionState, Endpoint, flusher,
        shared::{Request, Shared},
        tests::{Seen, body, parse_all, request},
    },
    limits::{Limits, MEMORY},
    router::Router,
    status::Status,
    transport::Writer,
    wire::{self, Grant, Kind},
};

/// A side without a driver. Its flusher ends with it.
fn side(holds: usize) -> (Arc<Shared>, Source, shuttle::future::JoinHandle<()>) {
    let (_, sink, source) = pipe(holds, usize::MAX);
    let writer = sink.writer(one_in(2));
    let inline = match &writer {
        Writer::Shared(writer) => Some(Arc::clone(writer)),
        Writer::Owned(_) => None,
    };
    let watch = watch::Sender::new(ConnectionState::Ready);
    let endpoint = Endpoint::new(Limits::default(), MEMORY, Router::default());
    let grant = Grant { max_message: 1 << 20, request_window: 1 << 20, ..Grant::default() };
    let shared = Shared::new(0, CodecKind::Json, &endpoint, grant, Peer::default(), inline, watch);
    let shared = Arc::new(shared);
    let flusher = shuttle::future::spawn(flusher::run(Arc::clone(&shared), writer));
    (shared, source, flusher)
}

/// So many frames as they come; waits for them without any help.
fn frames(source: &mut Source, count: usize) -> Vec<Seen> {
    let (mut bytes, mut position, mut seen) = (Vec::new(), 0, Vec::new());
    while seen.len() < count {
        let mut block = [0; 4_096];
        let read = block_on(source.read(&mut block)).unwrap();
        assert!(read > 0, "the stream ended");
        bytes.extend_from_slice(&block[..read]);
        seen.extend(parse_all(&bytes, &mut position));
    }
    assert_eq!(position, bytes.len(), "half a frame");
    seen
}

#[test]
fn what_was_appended_is_written_once_and_in_order_although_nobody_appends_again() {
    check(1_500, || {
        let (shared, mut source, flusher) = side(64);
        let appenders = [0, 1].map(|appender| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for n in 0..2 {
                    let inline = one_in(2);
                    let mut state = shared.lock();
                    wire::put_ping(&mut state.output.frames.small, 10 * appender + n);
                    let push = state.push(inline);
                    drop(state);
                    shared.act(push);
                }
            })
        });
        let seen = frames(&mut source, 4);
        appenders.into_iter().for_each(|appender| appender.join().unwrap());
        for appender in [0, 1] {
            let own = seen.iter().map(|frame| frame.id).filter(|id| id / 10 == appender);
            assert_eq!(own.collect::<Vec<_>>(), [10 * appender, 10 * appender + 1]);
        }
        shared.terminate(&Status::unavailable("over"));
        block_on(flusher).unwrap();
    });
}

#[test]
fn requests_small_and_large_leave_whole() {
    check(300, || {
        let (shared, mut source, flusher) = side(1 << 20);
        let sizes = [10, 70_000, 5_000];
        let callers = [0, 1, 2].map(|tag: u32| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let request = request(body(tag, sizes[tag as usize]));
                shared.send(request, None, tokio::time::Instant::now(), None).unwrap();
            })
        });
        let seen = frames(&mut source, 4);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        for first in seen.iter().filter(|frame| frame.kind == Kind::Request && frame.has_header) {
            bodies.push(seen.iter().filter(|part| part.id == first.id).flat_map(|part| part.body.clone()).collect());
        }
        bodies.sort_unstable();
        assert_eq!(bodies, [0, 1, 2].map(|tag| body(tag, sizes[tag as usize])));
        shared.terminate(&Status::unavailable("over"));
        block_on(flusher).unwrap();
    });
}

/// The good-bye of a side that has said all: the end of the stream comes behind the last frame, and it comes.
#[test]
fn the_stream_ends_once_and_behind_everything() {
    check(500, || {
        let (shared, mut source, flusher) = side(40);
        let appender = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut state = shared.lock();
                wire::put_ping(&mut state.output.frames.small, 7);
                let push = state.push(one_in(2));
                state.output.end_of_stream = true;
                let flusher = state.output.wake_flusher();
                drop(state);
                shared.act(push);
                flusher.into_iter().for_each(Waker::wake);
            })
        };
        let mut bytes = Vec::new();
        block_on(source.read_to_end(&mut bytes)).unwrap();
        let mut position = 0;
        assert_eq!(parse_all(&bytes, &mut position).len(), 1);
        appender.join().unwrap();
        shared.terminate(&Status::unavailable("over"));
        block_on(flusher).unwrap();
    });
}

#[test]
fn a_connection_that_is_lost_beside_a_write_lets_its_flusher_go() {
    check(500, || {
        let (shared, source, flusher) = side(40);
        let [sending, failing, ending] = [0, 1, 2].map(|what| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || match what {
                0 => drop(shared.send(request(body(0, 60)), None, tokio::time::Instant::now(), None)),
                1 => shared.write_failed(std::io::ErrorKind::ConnectionReset.into()),
                _ => shared.terminate(&Status::unavailable("lost")),
            })
        });
        [sending, failing, ending].into_iter().for_each(|thread| thread.join().unwrap());
        // Whoever waits for the transport is ended with it.
        drop(source);
        block_on(flusher).unwrap();
        let late = shared.send(request(body(1, 10)), None, tokio::time::Instant::now(), None);
        assert!(!late.unwrap_err().may_have_run());
    });
}

/// A waker that uses the connection when it is woken, and when it is dropped.
struct Meddling {
    shared: Arc<Shared>,
    thread: Waker,
    /// Called on its way down too: the last reference to a task may drop calls.
    call: Mutex<Option<crate::connection::CallId>>,
}

impl Meddling {
    fn meddle(&self) {
        // The first panic is the one to be told of.
        if std::thread::panicking() {
            return;
        }
        let call = self.call.lock().unwrap().take();
        if let Some(call) = call {
            self.shared.abandon(call);
        }
        self.shared.request(Request::Run);
    }
}

impl Wake for Meddling {
    fn wake(self: Arc<Self>) {
        self.meddle();
        self.thread.wake_by_ref();
    }
}

impl Drop for Meddling {
    fn drop(&mut self) {
        self.meddle();
    }
}

/// Under a lock that the waker takes, this would be a deadlock.
#[test]
fn wakers_are_woken_and_dropped_without_the_lock() {
    check(250, || {
        let world = World::new(Setting { shared: one_in(2), ..Setting::default() });
        let shared = Arc::clone(&world.client.shared);
        let meddling = |other: Option<crate::connection::CallId>| {
            let thread = Waker::noop().clone();
            Waker::from(Arc::new(Meddling { shared: Arc::clone(&shared), thread, call: Mutex::new(other) }))
        };
        let now = tokio::time::Instant::now();
        let other = shared.send(request(body(0, 10)), None, now, Some(meddling(None))).unwrap();
        let mut first = call(&world.client, "inline", 1, 10, None).unwrap();
        let mut second = call(&world.client, ["gate_inline", "in_task"][up_to(1)], 2, 10, None).unwrap();
        let looked = first.look(&meddling(Some(other)));
        // Replaces the waker, which is the last of its kind.
        let looked = looked.or_else(|| first.look(&meddling(None)));
        if looked.is_none() {
            assert_eq!(first.wait(), Outcome::Value);
        } else {
            drop(first);
        }
        let _looked = second.look(&meddling(None));
        let closing = world.client.clone();
        thread::spawn(move || closing.close()).join().unwrap();
        drop(second);
        drop(shared);
        world.ended().book.is_closed();
    });
}

/// The driver is told of a write that it waits for, whoever does it.
#[test]
fn a_driver_that_awaits_a_write_is_told_of_it() {
    check(500, || {
        let (shared, mut source, flusher) = side(64);
        let appender = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut state = shared.lock();
                wire::put_ping(&mut state.output.frames.small, 7);
                let push = state.push(one_in(2));
                drop(state);
                shared.act(push);
            })
        };
        let waiting = std::future::poll_fn(|cx: &mut Context<'_>| {
            let mut state = shared.lock();
            if state.output.accepted() > 0 {
                return Poll::Ready(());
            }
            state.driver_awaits_write = true;
            let old = state.driver.replace(cx.waker().clone());
            drop(state);
            drop(old);
            Poll::Pending
        });
        block_on(waiting);
        frames(&mut source, 1);
        appender.join().unwrap();
        shared.terminate(&Status::unavailable("over"));
        block_on(flusher).unwrap();
    });
}

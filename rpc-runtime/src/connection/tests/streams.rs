//! The streams of a connection: every state of either direction against everything that may come for it, as PROTOCOL.md
//! has it, and random interleavings against a model.

use std::task::Waker;

use proptest::prelude::*;
use tokio::time::Instant;

use crate::{
    call::{Answer, Ending},
    connection::streams::{Bytes, Faulty, Key, Measure, Room, Streams, Taken},
    limits::StreamWindow,
    metadata::Metadata,
    status::Status,
};

const WINDOW: u32 = 100;
const ID: u64 = 2;

/// Of this side, as far as it receives items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    /// The method takes no items this way.
    None,
    Coming,
    /// Items may come, but the window is used up.
    Exhausted,
    /// The end has come, behind items that were not taken.
    Ended,
    /// All was taken, the end too.
    Over,
    /// The consumer has gone.
    Unwanted,
    /// The call is over.
    Gone,
}

/// Of this side, as far as it sends items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    None,
    /// The request has not left.
    Waiting,
    Sending,
    Exhausted,
    /// It has sent its end, or nobody takes its items.
    Done,
    Gone,
}

/// What comes for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Items,
    NoItems,
    End,
    Credit,
    HugeCredit,
    Stop,
    Terminal,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// It does what it is for.
    Takes,
    /// Nothing: it may have crossed something.
    Ignored,
    CallFault,
    ConnectionFault,
}

use Comes::{Credit, End, HugeCredit, Items, NoItems, Stop, Terminal};
use Does::{CallFault, ConnectionFault, Ignored, Takes};

const RECEIVERS: [(Receiver, [(Comes, Does); 4]); 7] = [
    (Receiver::None, [(Items, CallFault), (NoItems, CallFault), (End, CallFault), (Terminal, Ignored)]),
    (Receiver::Coming, [(Items, Takes), (NoItems, Ignored), (End, Takes), (Terminal, Takes)]),
    (Receiver::Exhausted, [(Items, ConnectionFault), (NoItems, Ignored), (End, Takes), (Terminal, Takes)]),
    (Receiver::Ended, [(Items, CallFault), (NoItems, CallFault), (End, CallFault), (Terminal, Ignored)]),
    (Receiver::Over, [(Items, CallFault), (NoItems, CallFault), (End, CallFault), (Terminal, Ignored)]),
    (Receiver::Unwanted, [(Items, Ignored), (NoItems, Ignored), (End, Ignored), (Terminal, Ignored)]),
    (Receiver::Gone, [(Items, Ignored), (NoItems, Ignored), (End, Ignored), (Terminal, Ignored)]),
];

const SENDERS: [(Sender, [(Comes, Does); 4]); 6] = [
    (Sender::None, [(Credit, Ignored), (HugeCredit, Ignored), (Stop, Ignored), (Terminal, Ignored)]),
    (Sender::Waiting, [(Credit, Ignored), (HugeCredit, Ignored), (Stop, Takes), (Terminal, Takes)]),
    (Sender::Sending, [(Credit, Takes), (HugeCredit, ConnectionFault), (Stop, Takes), (Terminal, Takes)]),
    (Sender::Exhausted, [(Credit, Takes), (HugeCredit, ConnectionFault), (Stop, Takes), (Terminal, Takes)]),
    (Sender::Done, [(Credit, Ignored), (HugeCredit, Ignored), (Stop, Ignored), (Terminal, Ignored)]),
    (Sender::Gone, [(Credit, Ignored), (HugeCredit, Ignored), (Stop, Ignored), (Terminal, Ignored)]),
];

fn table() -> Streams {
    Streams::new(StreamWindow { start: WINDOW, largest: 4 * WINDOW }, WINDOW)
}

fn finished() -> Answer {
    Answer { ending: Ending::Ok, metadata: Metadata::new(), body: Vec::new() }
}

/// Items of these lengths.
fn packed(lengths: &[usize]) -> Vec<u8> {
    lengths.iter().flat_map(|length| [vec![*length as u8], vec![7; *length]].concat()).collect()
}

fn put(streams: &mut Streams, key: Key, lengths: &[usize]) -> Result<(), Faulty> {
    let bytes = packed(lengths);
    let measure = Measure::of(&bytes).expect("they are whole");
    streams.put(key, Bytes::of(&bytes), measure)
}

/// All items that have come.
fn take_all(streams: &mut Streams, key: Key) -> Option<Taken> {
    loop {
        match streams.take(key, usize::MAX) {
            Some(Taken::Items(_)) => {}
            other => return other,
        }
    }
}

fn receiver(state: Receiver) -> (Streams, Key) {
    let mut streams = table();
    let key = streams.serve(ID, state != Receiver::None, false);
    match state {
        Receiver::None | Receiver::Coming => {}
        Receiver::Exhausted => put(&mut streams, key, &[68]).unwrap(),
        Receiver::Ended => {
            put(&mut streams, key, &[1]).unwrap();
            streams.end(key, finished()).unwrap();
        }
        Receiver::Over => {
            streams.end(key, finished()).unwrap();
            assert!(matches!(take_all(&mut streams, key), Some(Taken::End(_))));
        }
        Receiver::Unwanted => assert_eq!(streams.leave(key).0, Some(ID)),
        Receiver::Gone => drop(streams.release(key)),
    }
    (streams, key)
}

fn sender(state: Sender) -> (Streams, Key) {
    let mut streams = table();
    let key = streams.open(ID, false, state != Sender::None);
    if !matches!(state, Sender::None | Sender::Waiting) {
        streams.begin(key);
    }
    match state {
        Sender::None | Sender::Waiting | Sender::Sending => {}
        Sender::Exhausted => assert_eq!(streams.charge(key, WINDOW as usize), Some(ID)),
        Sender::Done => streams.stop(key),
        Sender::Gone => drop(streams.release(key)),
    }
    (streams, key)
}

fn come(streams: &mut Streams, key: Key, comes: Comes) -> Does {
    let before = format!("{streams:?}");
    let done = match comes {
        Items => put(streams, key, &[3]),
        NoItems => put(streams, key, &[]),
        End => streams.end(key, finished()),
        Credit => streams.credit(key, 1),
        HugeCredit => streams.credit(key, u32::MAX),
        Stop => {
            streams.stop(key);
            Ok(())
        }
        Terminal => {
            streams.finish(key, Answer::of_status(Status::unavailable("over")));
            Ok(())
        }
    };
    match done {
        Ok(()) if format!("{streams:?}") == before => Ignored,
        Ok(()) => Takes,
        Err(Faulty::Call(_)) => CallFault,
        Err(Faulty::Connection(_)) => ConnectionFault,
    }
}

#[test]
fn every_state_of_a_receiver_knows_what_to_do_with_everything_that_comes() {
    for (state, row) in RECEIVERS {
        for (comes, does) in row {
            let (mut streams, key) = receiver(state);
            // What is thrown away still uses the window up: that much changes.
            let (Receiver::Unwanted, Items) = (state, comes) else {
                assert_eq!(come(&mut streams, key, comes), does, "{comes:?} at {state:?}");
                continue;
            };
            assert_eq!(come(&mut streams, key, comes), Takes);
            assert!(matches!(streams.take(key, usize::MAX), Some(Taken::Nothing)) && streams.held() == 0);
            put(&mut streams, key, &[68]).unwrap();
            assert_eq!(come(&mut streams, key, Items), ConnectionFault, "also what nobody takes needs credit");
        }
    }
}

#[test]
fn every_state_of_a_sender_knows_what_to_do_with_everything_that_comes() {
    for (state, row) in SENDERS {
        for (comes, does) in row {
            let (mut streams, key) = sender(state);
            assert_eq!(come(&mut streams, key, comes), does, "{comes:?} at {state:?}");
        }
    }
}

#[test]
fn what_a_sender_may_do_in_each_state() {
    let room = |state| {
        let (mut streams, key) = sender(state);
        streams.room(key, Waker::noop().clone(), false).0
    };
    assert_eq!(room(Sender::Waiting), Room::None);
    assert_eq!(room(Sender::Sending), Room::Open(WINDOW as usize));
    assert_eq!(room(Sender::Exhausted), Room::None);
    for state in [Sender::None, Sender::Done, Sender::Gone] {
        assert_eq!(room(state), Room::Gone, "{state:?}");
        let (mut streams, key) = sender(state);
        assert_eq!(streams.charge(key, 1), None, "nothing leaves: {state:?}");
    }
}

#[test]
fn an_item_may_be_larger_than_its_window_and_the_next_one_waits_for_all_of_it() {
    let (mut streams, key) = receiver(Receiver::Coming);
    put(&mut streams, key, &[120]).unwrap();
    assert!(matches!(put(&mut streams, key, &[0]), Err(Faulty::Connection(_))));
    let (mut streams, key) = receiver(Receiver::Coming);
    put(&mut streams, key, &[30, 120]).unwrap();
    let (mut streams, key) = receiver(Receiver::Coming);
    assert!(matches!(put(&mut streams, key, &[68, 0]), Err(Faulty::Connection(_))), "nothing is left for the second");
}

#[test]
fn items_of_no_bytes_use_the_window_up_too() {
    let (mut streams, key) = receiver(Receiver::Coming);
    put(&mut streams, key, &[0, 0, 0, 0]).unwrap();
    assert!(matches!(put(&mut streams, key, &[0]), Err(Faulty::Connection(_))));
}

#[test]
fn credit_is_given_back_once_half_of_the_window_was_taken_and_the_window_grows_with_quick_use_alone() {
    let (mut streams, key) = receiver(Receiver::Coming);
    let start = Instant::now();
    assert_eq!(streams.give_back(key, 49, start, true), None);
    assert_eq!(streams.give_back(key, 1, start, true), Some((ID, 50)));
    // A whole window within a second: it doubles.
    assert_eq!(streams.give_back(key, 50, start, true), Some((ID, 150)));
    assert_eq!(streams.give_back(key, 99, start, true), None);
    assert_eq!(streams.give_back(key, 1, start, true), Some((ID, 100)));
    let late = start + std::time::Duration::from_secs(2);
    assert_eq!(streams.give_back(key, 100, late, true), Some((ID, 100)), "that was not quick");
    assert_eq!(streams.give_back(key, 200, late, false), Some((ID, 200)), "there is no memory for more");
    assert_eq!(streams.give_back(key, 200, late, true), Some((ID, 400)), "the largest is reached");
    assert_eq!(streams.give_back(key, 400, late, true), Some((ID, 400)));
    streams.end(key, finished()).unwrap();
    assert_eq!(streams.give_back(key, 400, late, true), None, "nothing comes any more");
}

#[test]
fn what_was_not_taken_comes_before_the_reason_of_the_end() {
    let mut streams = table();
    let key = streams.open(ID, true, false);
    put(&mut streams, key, &[1, 2]).unwrap();
    streams.finish(key, Answer::of_status(Status::unavailable("lost")));
    assert!(matches!(streams.take(key, usize::MAX), Some(Taken::Items(_))));
    let end = streams.take(key, usize::MAX);
    assert!(matches!(end, Some(Taken::End(Answer { ending: Ending::Status(_), .. }))), "{end:?}");
    drop(streams.release(key));
    assert_eq!(streams.held(), 0);
}

#[test]
fn a_consumer_with_little_room_gets_items_one_by_one() {
    let (mut streams, key) = receiver(Receiver::Coming);
    put(&mut streams, key, &[1, 2]).unwrap();
    for length in [1, 2] {
        match streams.take(key, 1) {
            Some(Taken::Items(chunk)) => assert_eq!((chunk.bytes, chunk.cost), (packed(&[length]), 32 + length)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(streams.held(), 0);
}

#[test]
fn who_takes_the_id_of_a_call_again_does_not_get_what_was_for_the_earlier_one() {
    let mut streams = table();
    let first = streams.serve(ID, true, true);
    let second = streams.serve(ID, true, true);
    put(&mut streams, second, &[5]).unwrap();
    assert!(matches!(streams.take(first, usize::MAX), Some(Taken::Nothing)));
    drop(streams.release(first));
    assert_eq!(streams.of_served(ID), Some(second));
    assert!(streams.take(first, usize::MAX).is_none());
    let third = streams.serve(4, true, true);
    assert_ne!(first, third);
    assert!(streams.take(first, usize::MAX).is_none(), "in a place that was used again");
}

#[derive(Debug, Clone)]
enum Step {
    Send(Vec<usize>),
    Deliver,
    Take(usize),
    Credit,
    End,
    Leave,
    Finish,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(0..60_usize, 1..4).prop_map(Step::Send),
        6 => Just(Step::Deliver),
        6 => (0..200_usize).prop_map(Step::Take),
        4 => Just(Step::Credit),
        1 => Just(Step::End),
        1 => Just(Step::Leave),
        1 => Just(Step::Finish),
    ]
}

proptest! {
    /// Two tables, a sender's and a receiver's, with frames on their way between them that come late but in order.
    #[test]
    fn items_come_in_order_and_once_and_an_honest_sender_is_never_at_fault(
        steps in proptest::collection::vec(step(), 1..200)
    ) {
        let (mut sending, mut receiving) = (table(), table());
        let out = sending.open(ID, false, true);
        sending.begin(out);
        let into = receiving.serve(ID, true, false);
        let (mut on_the_way, mut back) = (std::collections::VecDeque::new(), std::collections::VecDeque::new());
        let (mut sent, mut taken, mut number) = (Vec::new(), Vec::new(), 0_u8);
        let (mut left, mut ended) = (false, false);
        let now = Instant::now();
        for step in steps {
            match step {
                Step::Send(lengths) => {
                    for length in lengths {
                        let (Room::Open(_), _) = sending.room(out, Waker::noop().clone(), false) else { break };
                        number = number.wrapping_add(1);
                        let item = vec![number; length];
                        let bytes = [vec![length as u8], item.clone()].concat();
                        prop_assert_eq!(sending.charge(out, length + 32), Some(ID));
                        on_the_way.push_back(Some(bytes));
                        sent.push(item);
                    }
                }
                Step::Deliver => match on_the_way.pop_front() {
                    Some(Some(bytes)) => {
                        let measure = Measure::of(&bytes).expect("whole");
                        prop_assert_eq!(receiving.put(into, Bytes::of(&bytes), measure), Ok(()));
                    }
                    Some(None) => prop_assert_eq!(receiving.end(into, finished()), Ok(())),
                    None => {}
                },
                Step::Take(room) => if !left {
                    match receiving.take(into, room) {
                        Some(Taken::Items(chunk)) => {
                            let mut rest = &chunk.bytes[..];
                            while let Some(item) = crate::wire::take_item(&mut rest) {
                                taken.push(item.to_vec());
                            }
                            prop_assert!(rest.is_empty());
                            if let Some((_, increment)) = receiving.give_back(into, chunk.cost, now, true) {
                                back.push_back(increment);
                            }
                        }
                        Some(Taken::End(_)) => ended = true,
                        _ => {}
                    }
                },
                Step::Credit => if let Some(increment) = back.pop_front() {
                    prop_assert_eq!(sending.credit(out, increment), Ok(()));
                },
                Step::End => if sending.charge(out, 0).is_some() {
                    sending.stop(out);
                    on_the_way.push_back(None);
                },
                Step::Leave => {
                    let _ = receiving.leave(into);
                    left = true;
                }
                Step::Finish => {
                    sending.finish(out, finished());
                }
            }
            prop_assert!(sent.starts_with(&taken), "in order, once, nothing between");
            if ended {
                prop_assert_eq!(&sent, &taken);
            }
            // The window, and what one item went beyond it.
            prop_assert!(receiving.held() <= 2 * (4 * WINDOW as usize + 100), "{}", receiving.held());
        }
        drop(receiving.release(into));
        prop_assert_eq!(receiving.held(), 0);
    }
}

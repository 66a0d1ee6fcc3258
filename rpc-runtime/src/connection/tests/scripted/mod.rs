//! A recorded session over a transport that does one thing at one byte of it, for every byte: it fails, ends a
//! transfer, blocks for ever, or is not ready once; where one end writes and where one reads, at either end, and for
//! both kinds of writer (A12 to A15).

mod link;
mod session;
mod streams;

use std::collections::BTreeMap;

use link::{Act, Fault, Place};
use session::{End, Kind, Report, play};

/// All that may be done at a byte.
const PLACES: [Place; 4] = [Place::ClientWrites, Place::ClientReads, Place::ServerWrites, Place::ServerReads];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Plays the session with `act` at each of `positions`, and judges what came of it.
fn each_byte(kind: Kind, act: Act, positions: impl Fn(&[u8]) -> Vec<usize>) {
    let runtime = runtime();
    for shared in [true, false] {
        let undisturbed = runtime.block_on(play(kind, shared, None));
        undisturbed.is_right(kind);
        for place in PLACES {
            for at in positions(undisturbed.bytes(place)) {
                let report = runtime.block_on(play(kind, shared, Some(Fault { place, at, act })));
                let what =
                    format!("{act:?} at {at} where {place:?}, {} writer", if shared { "shared" } else { "owned" });
                judge(&report, &undisturbed, (place, act), &what);
            }
        }
    }
}

fn judge(report: &Report, undisturbed: &Report, (place, act): (Place, Act), what: &str) {
    assert_eq!(report.written_after_failure, 0, "{what}: written behind half a frame");
    let deaf = act == Act::Block && place == Place::ServerReads;
    assert!(report.closed.is_some() || deaf, "{what}: the server's end is still there");
    let up = session::frames(&report.up.taken, what);
    let arrived = session::frames(&report.up.read, what);
    let answers = session::frames(&report.down.read, what);
    for (tag, handler) in &report.handlers {
        assert!(arrived.requests.contains_key(tag), "{what}: the handler of {tag} ran without a whole request");
        assert_eq!((handler.started, handler.ended), (1, 1), "{what}: the handler of {tag}");
    }
    for (tag, end) in &report.ends {
        let id = up.requests.get(tag);
        let answered = id.is_some_and(|id| answers.responses.contains(id));
        match end {
            End::Value(_) | End::Error(_) => assert!(answered, "{what}: an answer to {tag} that did not come"),
            End::Failure { may_have_run: true, .. } => {}
            End::Failure { may_have_run: false, text, .. } => {
                assert!(!report.handlers.contains_key(tag), "{what}: {tag} ran: {text}");
                let begun = id.is_some() || undisturbed.half_frame(&report.up.taken) == Some(*tag);
                assert!(!begun || answered, "{what}: {tag} had begun to leave: {text}");
            }
        }
    }
    if matches!(act, Act::Split | Act::NotReady) {
        assert_eq!(report.ends, undisturbed.ends, "{what}");
        assert_eq!(report.handlers, undisturbed.handlers, "{what}");
        assert_eq!(report.closed, undisturbed.closed, "{what}");
    }
}

fn all(bytes: &[u8]) -> Vec<usize> {
    (0..=bytes.len()).collect()
}

/// At each frame's beginning, within its prefix and behind it, and here and there.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let begins = session::starts(bytes).into_iter();
    let mut positions: Vec<usize> =
        begins.flat_map(|start| [start.saturating_sub(1), start, start + 3, start + 16]).collect();
    positions.extend((0..bytes.len()).step_by(19_973));
    positions.retain(|position| *position <= bytes.len());
    positions.dedup();
    positions
}

/// A12.
#[test]
fn a_transport_that_fails_at_any_byte_costs_what_was_in_flight_and_nothing_else() {
    each_byte(Kind::Small, Act::Fail, all);
}

/// A13, A14.
#[test]
fn a_transport_that_blocks_at_any_byte_holds_up_nobody_for_ever() {
    each_byte(Kind::Small, Act::Block, all);
}

/// G4.
#[test]
fn a_transfer_that_ends_at_any_byte_changes_nothing() {
    each_byte(Kind::Small, Act::Split, all);
}

/// G4.
#[test]
fn a_transport_that_is_once_not_ready_at_any_byte_changes_nothing() {
    each_byte(Kind::Small, Act::NotReady, all);
}

/// A12, for messages in parts.
#[test]
fn a_transport_that_fails_around_a_part_costs_what_was_in_flight_and_nothing_else() {
    each_byte(Kind::Large, Act::Fail, borders);
}

/// A13, A14, for messages in parts.
#[test]
fn a_transport_that_blocks_around_a_part_holds_up_nobody_for_ever() {
    each_byte(Kind::Large, Act::Block, borders);
}

/// G4, for messages in parts.
#[test]
fn a_part_that_comes_in_pieces_is_the_same_part() {
    each_byte(Kind::Large, Act::Split, borders);
}

/// G4, for messages in parts.
#[test]
fn a_transport_that_is_once_not_ready_around_a_part_changes_nothing() {
    each_byte(Kind::Large, Act::NotReady, borders);
}

/// What was recorded is what the tests above speak of.
#[test]
fn the_session_has_everything_in_it() {
    let report = runtime().block_on(play(Kind::Large, true, None));
    let mut kinds = BTreeMap::new();
    for bytes in [&report.up.taken, &report.down.taken] {
        for kind in session::frames(bytes, "recorded").kinds {
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(names, ["cancel", "goaway", "ping", "pong", "request", "response"], "{kinds:?}");
    let small = runtime().block_on(play(Kind::Small, true, None));
    let sizes = [small.up.taken.len(), small.down.taken.len()];
    assert!(sizes.iter().all(|size| (400..2_000).contains(size)), "{sizes:?}");
}

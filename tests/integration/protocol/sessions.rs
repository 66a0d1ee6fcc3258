//! Every golden session of PROTOCOL.md, played against a real server and a real channel, and proof that the playing
//! finds a wrong byte and skips nothing.

use tokio::runtime::Runtime;

use super::{
    document::{Chunk, DOCUMENT, Piece, Session, Shape, Side, Step, sessions},
    player::play,
};

/// A server plays in real time over a socket; a channel over a pipe, in paused time, so that its time-outs are exact.
fn runtime(side: Side) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(side == Side::Dialling).build().unwrap()
}

fn outcome(session: &Session, side: Side) -> Result<usize, String> {
    runtime(side).block_on(play(session, side))
}

fn all() -> Vec<Session> {
    sessions(DOCUMENT).unwrap()
}

fn play_all(side: Side) {
    let mut failures = Vec::new();
    let mut played = 0;
    for session in all().iter().filter(|session| session.tests.contains(&side)) {
        played += 1;
        match outcome(session, side) {
            Ok(0) => failures.push(format!("{}: nothing was compared", session.title)),
            Ok(_) => {}
            Err(what) => failures.push(format!("{}: {what}", session.title)),
        }
    }
    assert!(failures.is_empty(), "{} of {played} sessions:\n{}", failures.len(), failures.join("\n"));
    assert!(played >= 44, "{played} sessions were played");
}

#[test]
fn a_server_plays_every_golden_session_byte_by_byte() {
    play_all(Side::Accepting);
}

#[test]
fn a_channel_plays_every_golden_session_byte_by_byte() {
    play_all(Side::Dialling);
}

#[test]
fn every_session_is_played_by_somebody_and_numbered_in_order() {
    for (number, session) in (1..).zip(all()) {
        assert!(session.title.starts_with(&format!("{number}. ")), "{}", session.title);
        assert!(!session.tests.is_empty(), "{}", session.title);
    }
}

/// What a reader of the sessions should find in them.
#[test]
fn every_kind_of_frame_and_every_flag_stands_in_the_sessions() {
    let sessions = all();
    let chunks = sessions.iter().flat_map(|session| &session.steps).filter_map(|step| match step {
        Step::Bytes(chunk) if chunk.shape == Shape::Frame => Some(chunk.bytes()),
        _ => None,
    });
    let kinds: std::collections::BTreeSet<_> = chunks.map(|bytes| (bytes[4], bytes[5])).collect();
    let expected = [
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (4, 0),
        (5, 0),
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (77, 0),
        (200, 255),
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

/// A length that does not count its frame would let the reader take the frame for something else.
#[test]
fn all_bytes_behind_a_handshake_are_whole_frames_but_for_the_second_handshake() {
    for session in all().iter().filter(|session| session.behind.is_some()) {
        for step in &session.steps {
            let Step::Bytes(chunk) = step else { continue };
            let expected = if chunk.what == "Hello" { Shape::Handshake } else { Shape::Frame };
            assert_eq!(chunk.shape, expected, "{}: {}", session.title, chunk.what);
        }
    }
}

/// A copy with one wrong bit in what the tested side sends must fail, wherever the bit is.
#[test]
fn a_wrong_bit_in_any_compared_piece_fails_the_session() {
    let mut planted = 0;
    for side in [Side::Accepting, Side::Dialling] {
        for session in all().iter().filter(|session| session.tests.contains(&side)) {
            for (step, piece, byte) in places(session, side) {
                let mut copy = session.clone();
                let Step::Bytes(chunk) = &mut copy.steps[step] else { unreachable!("places are of bytes") };
                if let Piece::Exact(bytes) | Piece::Count(bytes) = &mut chunk.pieces[piece] {
                    bytes[byte] ^= 1;
                }
                planted += 1;
                let outcome = outcome(&copy, side);
                assert!(outcome.is_err(), "{}: the wrong byte {byte} of piece {piece} is not found", session.title);
            }
        }
    }
    assert!(planted > 200, "{planted} wrong bits were tried");
}

/// Some bytes of each piece that is compared: the first, the last and one between. A count of one byte tells the length
/// of the example behind it, which is as it comes; ids of its own are a side's own choice.
fn places(session: &Session, side: Side) -> Vec<(usize, usize, usize)> {
    let mut places = Vec::new();
    for (step, chunk) in session.steps.iter().enumerate() {
        let Step::Bytes(chunk) = chunk else { continue };
        if chunk.side != side || chunk.optional {
            continue;
        }
        let mut at = 0;
        for (number, piece) in chunk.pieces.iter().enumerate() {
            let (Piece::Exact(bytes) | Piece::Count(bytes)) = piece else { continue };
            let free = matches!(piece, Piece::Count(_)) && (bytes.len() == 1 || chunk.shape == Shape::Handshake);
            for byte in [0, bytes.len() / 2, bytes.len() - 1] {
                if !free && !is_own_id(chunk, at + byte) {
                    places.push((step, number, byte));
                }
            }
            at += bytes.len();
        }
    }
    places
}

fn is_own_id(chunk: &Chunk, at: usize) -> bool {
    chunk.shape == Shape::Frame && (8..16).contains(&at) && [1, 7].contains(&chunk.bytes()[4])
}

/// The JSON of a handshake is compared too, and so are outcomes.
#[test]
fn a_wrong_text_a_wrong_outcome_and_a_missing_frame_fail_the_session() {
    let wrong = |from: &str, to: &str, title: &str, side| {
        let copy = DOCUMENT.replace(from, to);
        assert_ne!(copy, DOCUMENT, "{from}");
        let sessions = sessions(&copy).unwrap();
        let session = sessions.iter().find(|session| session.title.ends_with(title)).unwrap();
        assert!(outcome(session, side).is_err(), "{to}");
    };
    wrong(r#"{"welcome":{"version":1,"#, r#"{"welcome":{"version":2,"#, "The shortest handshake", Side::Accepting);
    wrong(
        r#""metadata":{"tenant":"7"}"#,
        r#""metadata":{"tenant":"8"}"#,
        "A handshake with everything",
        Side::Dialling,
    );
    wrong("! 2 ends: 3\n", "! 2 ends: 4\n", "A unary call with JSON", Side::Dialling);
    wrong("! 2 ends: UNIMPLEMENTED, not executed", "! 2 ends: INTERNAL, unknown", "An unknown method", Side::Dialling);
    wrong(
        "connecting ends: RESOURCE_EXHAUSTED",
        "connecting ends: OK",
        "A refusal at the dialling side",
        Side::Dialling,
    );
    let mut session = all().into_iter().find(|session| session.title.ends_with("A unary call with JSON")).unwrap();
    session.steps.retain(|step| !matches!(step, Step::Bytes(chunk) if chunk.side == Side::Accepting));
    assert!(outcome(&session, Side::Accepting).unwrap_err().contains("behind the session came"));
}

/// The Message of the first session with items, and what stands between two of its items when there are two Messages.
const PACKED: &str = "12 00 00 00              length 18 = 12 + 0 + 6\n03 00                    Message, no flags\n\
00 00                    no header\n02 00 00 00 00 00 00 00  id 2\n01 30                    an item of 1 byte: 0\n";
const UNPACKED: &str = "0E 00 00 00\n03 00\n00 00\n02 00 00 00 00 00 00 00\n01 30\n\
# accepting side: Message\n10 00 00 00\n03 00\n00 00\n02 00 00 00 00 00 00 00\n";

#[test]
fn items_may_be_packed_in_another_way_but_each_must_come_once() {
    let outcome_with = |packed: &str| {
        let copy = DOCUMENT.replacen(PACKED, packed, 1);
        assert_ne!(copy, DOCUMENT, "the document has another session");
        let sessions = sessions(&copy).unwrap();
        let session = sessions.iter().find(|session| session.title.ends_with(". A stream of items")).unwrap();
        outcome(session, Side::Accepting)
    };
    outcome_with(UNPACKED).unwrap();
    outcome_with(&UNPACKED.replace("01 30\n", "01 39\n")).unwrap_err();
    outcome_with(&PACKED.replace("12 00", "10 00").replace("01 30                    an item of 1 byte: 0\n", ""))
        .unwrap_err();
    outcome_with(&PACKED.replace("12 00", "14 00").replace("01 30   ", "01 30 01 30   ")).unwrap_err();
}

#[test]
fn a_line_that_is_not_understood_is_an_error_that_names_it() {
    for (from, to) in [
        ("@ tests: both sides\n", "@ tests: nobody\n"),
        ("@ tests: both sides\n", ""),
        ("@ begins: at the first byte\n", "@ begins: somewhere\n"),
        ("! 2 runs\n", "! 2 walks\n"),
        ("! 2 is sent: 1\n", "! 2 is sent 1\n"),
        ("! 2 gives: 0\n", "! 2 takes: 0\n"),
        ("@ offers: both sides\n", "@ offers: nobody\n"),
        (", streams 1\n", ", streams one\n"),
        (" may send: Cancel\n", " may not send: Cancel\n"),
        ("# dialling side: Request\n", "# the other side: Request\n"),
        ("0C 00                    header of 12 bytes\n", "0C 0                     header of 12 bytes\n"),
        ("```session\n", "```hex\n"),
        ("? refusal.reason", "~ refusal.reason"),
    ] {
        let copy = DOCUMENT.replacen(from, to, 1);
        assert_ne!(copy, DOCUMENT, "{from}");
        assert!(sessions(&copy).is_err(), "{to}");
    }
}

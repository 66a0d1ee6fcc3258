//! The handshake, and how a connection ends.

use super::*;

#[test]
fn a_good_session_passes_at_both_ends() {
    let (mut dialled, mut accepted) = (Endpoint::new(Side::Dialled), Endpoint::new(Side::Accepted));
    for (side, bytes) in good_session() {
        let (sender, receiver) =
            if side == Side::Dialled { (&mut dialled, &mut accepted) } else { (&mut accepted, &mut dialled) };
        sender.sent(&bytes).unwrap();
        receiver.received(&bytes).unwrap();
    }
    let expected = Summary {
        frames: 12,
        requests: 3,
        terminal: 1,
        items: 2,
        credits: 1,
        cancels: 1,
        goaways: 1,
        kept_back: 3,
        between_frames: true,
        ..Summary::default()
    };
    assert_eq!(dialled.summary(), expected);
    let Summary { terminal, items, credits, owed, in_flight, kept_back, .. } = accepted.summary();
    assert_eq!((terminal, items, credits, owed, in_flight, kept_back), (3, 3, 2, 0, 0, 60_005));
}

#[test]
fn a_session_may_be_split_at_every_byte() {
    let (mut dialled, mut accepted) = (Endpoint::new(Side::Dialled), Endpoint::new(Side::Accepted));
    for (side, bytes) in good_session() {
        let (sender, receiver) =
            if side == Side::Dialled { (&mut dialled, &mut accepted) } else { (&mut accepted, &mut dialled) };
        for byte in bytes {
            sender.sent(&[byte]).unwrap();
            receiver.received(&[byte]).unwrap();
        }
    }
    assert_eq!((dialled.summary().requests, accepted.summary().terminal), (3, 3));
}

#[test]
fn a_summary_tells_what_is_owed_and_whether_a_frame_is_begun() {
    let accepted = Session::accepted().gets(&request(2, 10)).sends(&response(2)[..7]);
    let Summary { owed, kept_back, between_frames, .. } = accepted.end.summary();
    assert_eq!((owed, kept_back, between_frames), (1, 10, false));
    assert_eq!(Session::dialled().sends(&request(2, 0)).end.summary().in_flight, 1);
}

#[test]
fn other_bytes_than_the_magic_are_found_at_the_first_of_them() {
    Session::new(Side::Dialled).sends(&[0xF5, b'X']).breaks(Rule::Handshake, 0, u64::from(b'X'), 0x52);
}

#[test]
fn a_handshake_above_4096_bytes_is_found_by_its_length() {
    let begin = [&handshake("")[..8], &[1, 0x10]].concat();
    Session::new(Side::Dialled).sends(&begin).breaks(Rule::Handshake, 0, 4_097, 4_096);
}

#[test]
fn a_text_without_what_is_required_is_malformed() {
    let no_codec = handshake(r#"{"versions":{"min":1,"max":1}}"#);
    Session::new(Side::Dialled).sends(&no_codec).breaks(Rule::Handshake, 0, 1, 1);
    Session::new(Side::Dialled).sends(&handshake("{")).breaks(Rule::Handshake, 0, 0, 1);
    Session::new(Side::Accepted).gets(&hello()).sends(&handshake("{}")).breaks(Rule::Handshake, 0, 1, 1);
}

#[test]
fn grants_that_do_not_fit_together_are_found() {
    let hello =
        |grant: &str| handshake(&format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"json","grant":{{{grant}}}}}"#));
    let narrow = hello(r#""request_window":65535"#);
    Session::new(Side::Dialled).sends(&narrow).breaks(Rule::Agreement, 0, 65_535, 65_536);
    let large = hello(r#""max_message":70000"#);
    Session::new(Side::Dialled).sends(&large).breaks(Rule::Agreement, 0, 65_536, 70_000);
    let header = hello(r#""max_header":65536"#);
    Session::new(Side::Dialled).sends(&header).breaks(Rule::Agreement, 0, 65_536, 65_535);
}

#[test]
fn a_welcome_agrees_to_what_the_hello_offered() {
    let answers = |text: &str| Session::new(Side::Accepted).gets(&hello()).sends(&handshake(text));
    answers(r#"{"welcome":{"version":2,"codec":"json"}}"#).breaks(Rule::Agreement, 0, 2, 1);
    answers(r#"{"welcome":{"version":1,"codec":"cbor"}}"#).breaks(Rule::Agreement, 0, 0, 0);
    answers(r#"{"welcome":{"version":1,"codec":"json","features":["x"]}}"#).breaks(Rule::Agreement, 0, 1, 0);
}

#[test]
fn a_welcome_comes_behind_the_hello_and_nothing_behind_a_refusal() {
    Session::new(Side::Accepted).sends(&welcome()).breaks(Rule::Order, 0, 1, 0);
    let refusal = handshake(r#"{"refusal":{"code":8,"reason":"full","versions":{"min":1,"max":1}}}"#);
    Session::new(Side::Accepted).sends(&refusal).sends(&bare(GO_AWAY, 0)).breaks(Rule::Order, 0, 9, 0);
}

#[test]
fn the_floors_hold_before_the_welcome() {
    let early = Session::new(Side::Dialled).sends(&hello()).sends(&request(2, 16_384));
    early.sends(&request(4, 16_385)).breaks(Rule::MaxMessage, 4, 16_385, 16_384);
    let welcomed = Session::new(Side::Dialled).sends(&hello()).sends(&request(2, 16_384)).gets(&welcome());
    welcomed.sends(&request(4, 16_385)).passes();
}

#[test]
fn a_pong_answers_a_ping_and_those_before_it() {
    let pinged = || Session::dialled().gets(&[bare(PING, 5), bare(PING, 6)].concat());
    pinged().sends(&bare(PONG, 6)).passes();
    pinged().sends(&bare(PONG, 6)).sends(&bare(PONG, 5)).breaks(Rule::Pong, 5, 1, 0);
    Session::dialled().sends(&bare(PONG, 1)).breaks(Rule::Pong, 1, 1, 0);
}

#[test]
fn no_request_follows_a_goaway_but_answers_do() {
    let parted = || Session::accepted().gets(&request(2, 0)).sends(&bare(GO_AWAY, 0));
    parted().sends(&response(2)).passes();
    parted().sends(&request(1, 3)).breaks(Rule::BehindGoAway, 1, 3, 0);
    let begun = Session::dialled().sends(&first_part(2, 100, 50)).sends(&bare(GO_AWAY, 0));
    begun.sends(&part(REQUEST, 0, 2, 50)).breaks(Rule::BehindGoAway, 2, 50, 0);
}

#[test]
fn an_orderly_goaway_is_sent_once_and_one_with_a_reason_is_the_last_frame() {
    let parted = || Session::dialled().sends(&bare(GO_AWAY, 0));
    parted().sends(&bare(GO_AWAY, 0)).breaks(Rule::GoAway, 0, 2, 1);
    let reason = frame(GO_AWAY, 0, 0, &REASON, &[]);
    parted().sends(&reason).passes();
    parted().sends(&reason).sends(&bare(PING, 3)).breaks(Rule::GoAway, 3, 7, 0);
}

#[test]
fn nothing_is_sent_behind_the_end_of_the_direction() {
    Session::dialled().ends().sends(&[]).passes();
    Session::dialled().ends().sends(&bare(PING, 3)).breaks(Rule::BehindShutdown, 0, 16, 0);
}

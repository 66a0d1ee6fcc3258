//! Frames and their headers, whatever call they belong to.

use super::*;

#[test]
fn a_length_out_of_bounds_is_found_by_its_fourth_byte() {
    Session::dialled().sends(&[11, 0, 0, 0]).breaks(Rule::Length, 0, 11, 12);
    Session::dialled().sends(&131_084_u32.to_le_bytes()).breaks(Rule::Length, 0, 131_084, 131_083);
}

#[test]
fn a_header_beyond_its_frame_and_a_body_above_65536_bytes_are_found() {
    let mut lying = bare(PING, 3);
    lying[6] = 1;
    Session::dialled().sends(&lying).breaks(Rule::Length, 0, 1, 0);
    Session::dialled().sends(&request(2, 65_537)).breaks(Rule::Length, 0, 65_537, 65_536);
}

#[test]
fn kinds_that_are_reserved_are_found_and_those_from_128_up_pass() {
    Session::dialled().sends(&bare(0, 2)).breaks(Rule::Kind, 2, 0, 9);
    Session::dialled().sends(&bare(10, 2)).breaks(Rule::Kind, 2, 10, 9);
    Session::dialled().sends(&frame(128, 0xFF, 9, &[1, 1], &[1])).passes();
}

#[test]
fn flags_are_for_request_response_and_message_and_only_more() {
    Session::dialled().sends(&frame(END, MORE, 2, &[], &[])).breaks(Rule::Kind, 2, 1, 0);
    Session::dialled().sends(&frame(REQUEST, 2, 2, &[], &[])).breaks(Rule::Kind, 2, 2, 1);
}

#[test]
fn a_header_or_body_where_there_is_none_is_found() {
    Session::dialled().sends(&frame(CANCEL, 0, 2, &[1], &[])).breaks(Rule::Form, 2, 1, 0);
    Session::dialled().sends(&frame(PING, 0, 2, &[], &[1, 2])).breaks(Rule::Form, 2, 2, 0);
    Session::dialled().sends(&frame(CREDIT, 0, 2, &[], &[1, 2, 3])).breaks(Rule::Form, 2, 3, 4);
    Session::dialled().sends(&bare(GO_AWAY, 2)).breaks(Rule::Form, 2, 2, 0);
}

#[test]
fn a_header_above_what_was_granted_is_found() {
    let name = [&[1, 55][..], &[b's'; 55], &[3, 6], &[b'm'; 6]].concat();
    let header = frame(REQUEST, 0, 2, &name, &[]);
    Session::dialled().sends(&header).breaks(Rule::MaxHeader, 2, 65, 64);
    Session::dialled().sends(&frame(REQUEST, 0, 2, &[&[1, 1, b's', 3, 59][..], &[b'm'; 59]].concat(), &[])).passes();
}

#[test]
fn fields_that_do_not_belong_are_missing_or_stand_twice_are_found() {
    let sends = |header: &[u8]| Session::dialled().sends(&frame(REQUEST, 0, 2, header, &[]));
    sends(&[1, 1, b's']).breaks(Rule::Header, 2, 0, 256);
    sends(&[1, 1, b's', 3, 1, b'm', 9, 0]).breaks(Rule::Header, 2, 9, 0);
    sends(&[1, 1, b's', 3, 1, b'm', 3, 1, b'm']).breaks(Rule::Header, 2, 3, 3);
    sends(&[1, 1, b's', 3, 1, b'm', 2, 1, 0]).breaks(Rule::Header, 2, 0, 1);
    sends(&[1, 1, b's', 3, 1, b'm', 2, 2, 0x80, 0]).breaks(Rule::Header, 2, 2, 0);
    sends(&[1, 1, b's', 3, 2, b'm']).breaks(Rule::Header, 2, 3, 6);
    sends(&[1, 1, 0xFF, 3, 1, b'm']).breaks(Rule::Header, 2, 1, 0);
    sends(&[1, 1, b's', 3, 1, b'm', 4, 2, 2, b'k']).breaks(Rule::Header, 2, 4, 0);
    sends(&[1, 1, b's', 3, 1, b'm', 6, 0, 4, 3, 1, b'k', b'v']).passes();
}

#[test]
fn fields_of_an_answer_go_with_its_status() {
    let sends = |header: &[u8]| Session::accepted().gets(&request(2, 0)).sends(&frame(RESPONSE, 0, 2, header, &[]));
    sends(&[1, 1, 4]).breaks(Rule::Header, 2, 4, 3);
    sends(&[1, 1, 2]).breaks(Rule::Header, 2, 0, 3);
    sends(&[3, 1, 14]).breaks(Rule::Header, 2, 3, 0);
    sends(&[1, 1, 1, 7, 0]).breaks(Rule::Header, 2, 7, 1);
    sends(&[&STATUS[..], &[7, 1, 0]].concat()).breaks(Rule::Header, 2, 1, 0);
    sends(&[&STATUS[..], &[7, 0, 2, 2, b'n', b'o']].concat()).passes();
}

#[test]
fn a_status_of_eight_bytes_is_sent_whatever_a_header_may_have() {
    let hello = handshake(r#"{"versions":{"min":1,"max":1},"codec":"json","grant":{"max_header":2}}"#);
    let asked = || Session::new(Side::Accepted).gets(&hello).sends(&welcome()).gets(&request(2, 0));
    asked().sends(&frame(RESPONSE, 0, 2, &[&STATUS[..], &[7, 0]].concat(), &[])).passes();
    let named = frame(RESPONSE, 0, 2, &[&STATUS[..], &[2, 1, b'n']].concat(), &[]);
    asked().sends(&named).breaks(Rule::MaxHeader, 2, 9, 8);
}

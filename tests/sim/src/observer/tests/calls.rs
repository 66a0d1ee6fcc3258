//! Calls, their grants, their parts and their one terminal frame.

use super::*;

#[test]
fn an_id_has_the_bit_of_its_opener_and_is_not_zero() {
    Session::dialled().sends(&request(3, 0)).breaks(Rule::Parity, 3, 1, 0);
    Session::accepted().sends(&request(2, 0)).breaks(Rule::Parity, 2, 0, 1);
    Session::dialled().sends(&request(0, 0)).breaks(Rule::Parity, 0, 0, 0);
    Session::dialled().sends(&response(2)).breaks(Rule::Parity, 2, 0, 1);
}

#[test]
fn an_id_is_free_when_its_terminal_frame_was_delivered_and_not_before() {
    let called = || Session::dialled().sends(&request(2, 0));
    called().sends(&request(2, 0)).breaks(Rule::InFlightAgain, 2, 2, 1);
    called().sends(&bare(CANCEL, 2)).sends(&request(2, 0)).breaks(Rule::InFlightAgain, 2, 2, 1);
    called().gets(&frame(RESPONSE, MORE, 2, &total(70_000), &[0; 65_536])).sends(&request(2, 0)).breaks(
        Rule::InFlightAgain,
        2,
        2,
        1,
    );
    called().gets(&response(2)).sends(&request(2, 0)).passes();
    called().gets(&frame(END, 0, 2, &STATUS, &[])).sends(&request(2, 0)).passes();
}

#[test]
fn calls_in_flight_keep_to_their_grant() {
    let four = || (1..=4).fold(Session::dialled(), |session, call| session.sends(&request(2 * call, 0)));
    four().sends(&request(10, 0)).breaks(Rule::InFlight, 10, 5, 4);
    four().gets(&response(6)).sends(&request(10, 0)).passes();
}

#[test]
fn bytes_of_requests_keep_to_their_window() {
    let used = || Session::dialled().sends(&request(2, 60_000)).sends(&request(4, 30_000));
    used().sends(&request(6, 10_001)).breaks(Rule::RequestWindow, 6, 10_001, 10_000);
    used().gets(&credit(0, 1)).sends(&request(6, 10_001)).passes();
}

#[test]
fn a_request_in_parts_is_begun_when_there_is_room_for_all_of_it() {
    let begun = || Session::dialled().sends(&first_part(2, 70_000, 10));
    begun().sends(&first_part(4, 30_001, 10)).breaks(Rule::RequestWindow, 4, 30_001, 30_000);
    begun().sends(&request(4, 30_000)).passes();
    begun().sends(&bare(CANCEL, 2)).sends(&first_part(4, 70_000, 10)).passes();
}

#[test]
fn a_body_above_the_largest_message_is_found_at_its_first_part() {
    Session::dialled().sends(&first_part(2, 70_001, 10)).breaks(Rule::MaxMessage, 2, 70_001, 70_000);
    let response = frame(RESPONSE, MORE, 2, &total(70_001), &[]);
    Session::accepted().gets(&request(2, 0)).sends(&response).breaks(Rule::MaxMessage, 2, 70_001, 70_000);
}

#[test]
fn parts_add_up_to_what_was_announced() {
    let begun = || Session::dialled().sends(&first_part(2, 100, 60));
    begun().sends(&part(REQUEST, MORE, 2, 30)).sends(&part(REQUEST, 0, 2, 10)).passes();
    begun().sends(&part(REQUEST, 0, 2, 39)).breaks(Rule::Parts, 2, 39, 40);
    begun().sends(&part(REQUEST, MORE, 2, 41)).breaks(Rule::Parts, 2, 41, 40);
    begun().sends(&part(REQUEST, MORE, 2, 0)).breaks(Rule::Parts, 2, 0, 40);
    Session::dialled().sends(&request(2, 0)).sends(&part(REQUEST, 0, 2, 5)).breaks(Rule::Parts, 2, 5, 0);
    Session::dialled().sends(&part(REQUEST, 0, 2, 5)).breaks(Rule::NeverSent, 2, 1, 0);
}

#[test]
fn a_total_goes_with_more() {
    let without = frame(REQUEST, MORE, 2, &[1, 1, b's', 3, 1, b'm'], &[0; 5]);
    Session::dialled().sends(&without).breaks(Rule::Parts, 2, 0, 1);
    let alone = frame(RESPONSE, 0, 2, &total(5), &[0; 5]);
    Session::accepted().gets(&request(2, 0)).sends(&alone).breaks(Rule::Parts, 2, 5, 0);
}

#[test]
fn parts_of_a_request_may_cross_its_terminal_frame() {
    let refused = || Session::dialled().sends(&first_part(2, 100, 60)).gets(&frame(RESPONSE, 0, 2, &STATUS, &[]));
    refused().sends(&part(REQUEST, 0, 2, 40)).passes();
    refused().sends(&part(REQUEST, 0, 2, 41)).breaks(Rule::Parts, 2, 41, 40);
}

#[test]
fn nothing_of_a_call_follows_its_cancel() {
    let given_up = || Session::dialled().sends(&first_part(2, 100, 60)).sends(&bare(CANCEL, 2));
    given_up().sends(&part(REQUEST, 0, 2, 40)).breaks(Rule::BehindCancel, 2, 1, 0);
    given_up().sends(&bare(CANCEL, 2)).breaks(Rule::BehindCancel, 2, 1, 0);
    Session::dialled().sends(&bare(CANCEL, 2)).breaks(Rule::NeverSent, 2, 1, 0);
}

#[test]
fn a_cancel_may_cross_the_terminal_frame() {
    Session::dialled().sends(&request(2, 0)).gets(&response(2)).sends(&bare(CANCEL, 2)).passes();
}

#[test]
fn a_request_has_one_terminal_frame() {
    let answered = || Session::accepted().gets(&request(2, 0)).sends(&response(2));
    answered().sends(&response(2)).breaks(Rule::BehindTerminal, 2, 1, 0);
    answered().sends(&frame(END, 0, 2, &STATUS, &[])).breaks(Rule::BehindTerminal, 2, 1, 0);
    answered().sends(&item(2, 1)).breaks(Rule::BehindTerminal, 2, 1, 0);
    answered().gets(&request(2, 0)).sends(&response(2)).passes();
    Session::accepted().sends(&response(2)).breaks(Rule::NeverReceived, 2, 1, 0);
}

#[test]
fn a_response_in_parts_is_whole_or_cut_by_an_end() {
    let begun = || {
        let first = frame(RESPONSE, MORE, 2, &total(70_000), &[0; 65_536]);
        Session::accepted().gets(&request(2, 0)).sends(&first)
    };
    assert_eq!(begun().end.summary().terminal, 0);
    assert_eq!(begun().sends(&part(RESPONSE, 0, 2, 4_464)).end.summary().terminal, 1);
    begun().sends(&frame(END, 0, 2, &STATUS, &[])).passes();
    begun().sends(&part(RESPONSE, 0, 2, 4_463)).breaks(Rule::Parts, 2, 4_463, 4_464);
    begun().sends(&frame(RESPONSE, 0, 2, &STATUS, &[])).breaks(Rule::Interrupted, 2, 6, 0);
    begun().sends(&item(2, 1)).breaks(Rule::Interrupted, 2, 3, 4_464);
}

#[test]
fn a_method_has_not_run_before_its_request_is_whole() {
    let arriving = || Session::accepted().gets(&first_part(2, 100, 60));
    arriving().sends(&response(2)).breaks(Rule::Early, 2, 0, 2);
    arriving().sends(&frame(RESPONSE, 0, 2, &STATUS, &[])).passes();
    arriving().gets(&part(REQUEST, 0, 2, 40)).sends(&response(2)).passes();
}

#[test]
fn no_more_bytes_of_requests_are_given_back_than_came() {
    let asked = || Session::accepted().gets(&request(2, 10)).gets(&first_part(4, 100, 60)).sends(&credit(0, 30));
    asked().sends(&credit(0, 40)).passes();
    asked().sends(&credit(0, 41)).breaks(Rule::GivenBack, 0, 41, 40);
}

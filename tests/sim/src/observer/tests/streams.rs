//! Streams: what opens and ends them, and what their items may cost.

use super::*;

/// The callee of a call that was opened.
fn opened() -> Session {
    Session::accepted().gets(&request(2, 0)).sends(&frame(RESPONSE, 0, 2, &OPENED, &[]))
}

/// The caller of a call with streams.
fn called() -> Session {
    Session::dialled().sends(&request(2, 0))
}

/// The first part of an item of which both together take `whole` bytes.
fn first_of_item(id: u64, whole: usize, size: usize) -> Vec<u8> {
    frame(MESSAGE, MORE, id, &total(whole), &vec![0; size])
}

#[test]
fn an_item_is_begun_while_the_window_is_above_zero() {
    called().sends(&item(2, 67)).sends(&item(2, 100)).passes();
    called().sends(&item(2, 68)).sends(&item(2, 0)).breaks(Rule::ItemWindow, 2, 32, 0);
    opened().sends(&item(2, 100)).sends(&item(2, 9)).breaks(Rule::ItemWindow, 2, 41, 0);
}

#[test]
fn items_without_bytes_cost_something_too() {
    let four = frame(MESSAGE, 0, 2, &[], &[0; 4]);
    let five = frame(MESSAGE, 0, 2, &[], &[0; 5]);
    called().sends(&four).passes();
    called().sends(&five).breaks(Rule::ItemWindow, 2, 32, 0);
}

#[test]
fn credit_of_the_consumer_opens_the_window_of_its_stream_alone() {
    let used = || called().sends(&request(4, 0)).sends(&item(2, 100)).sends(&item(4, 100));
    used().gets(&credit(2, 33)).sends(&item(2, 1)).passes();
    used().gets(&credit(2, 32)).sends(&item(2, 1)).breaks(Rule::ItemWindow, 2, 33, 0);
    used().gets(&credit(4, 100)).sends(&item(2, 1)).breaks(Rule::ItemWindow, 2, 33, 0);
}

#[test]
fn credit_makes_no_window_larger_than_can_be_held() {
    let most = (1 << 20) - 100;
    opened().sends(&credit(2, most)).passes();
    opened().sends(&credit(2, most + 1)).breaks(Rule::Grown, 2, (1 << 20) + 1, 1 << 20);
    opened().gets(&item(2, 0)).sends(&credit(2, most + 32)).passes();
    called().gets(&first_of_item(2, 60, 60)).sends(&credit(2, most + 92)).breaks(
        Rule::Grown,
        2,
        (1 << 20) + 1,
        1 << 20,
    );
}

#[test]
fn calls_with_streams_keep_to_their_grant() {
    let two = || called().sends(&item(2, 1)).sends(&request(4, 0)).gets(&item(4, 1)).sends(&request(6, 0));
    two().sends(&item(6, 1)).breaks(Rule::Streams, 6, 3, 2);
    two().gets(&response(2)).sends(&item(6, 1)).passes();
}

#[test]
fn items_fill_their_message() {
    called().sends(&frame(MESSAGE, 0, 2, &[], &[2, 0])).breaks(Rule::Items, 2, 2, 0);
    called().sends(&frame(MESSAGE, 0, 2, &[], &[])).passes();
}

#[test]
fn an_item_in_parts_adds_up_and_is_not_interrupted() {
    let begun = || called().sends(&first_of_item(2, 65_600, 65_000));
    begun().sends(&part(MESSAGE, 0, 2, 600)).passes();
    begun().sends(&bare(END, 2)).passes();
    begun().sends(&part(MESSAGE, 0, 2, 599)).breaks(Rule::Parts, 2, 599, 600);
    begun().sends(&first_of_item(2, 65_600, 5)).breaks(Rule::Interrupted, 2, 5, 0);
}

#[test]
fn an_item_above_the_largest_message_is_found() {
    called().sends(&first_of_item(2, 70_004, 5)).breaks(Rule::MaxMessage, 2, 70_001, 70_000);
}

#[test]
fn nothing_follows_the_end_of_a_direction() {
    let ended = || called().sends(&bare(END, 2));
    ended().sends(&item(2, 1)).breaks(Rule::BehindEnd, 2, 2, 0);
    ended().sends(&bare(END, 2)).breaks(Rule::BehindEnd, 2, 1, 0);
    opened().sends(&bare(END, 2)).sends(&item(2, 1)).breaks(Rule::BehindTerminal, 2, 1, 0);
}

#[test]
fn items_of_calls_that_never_were_are_found() {
    Session::dialled().sends(&item(2, 1)).breaks(Rule::NeverSent, 2, 1, 0);
    Session::accepted().sends(&item(2, 1)).breaks(Rule::NeverReceived, 2, 1, 0);
    Session::accepted().sends(&credit(2, 1)).breaks(Rule::NeverReceived, 2, 1, 0);
}

#[test]
fn items_wait_until_the_request_is_whole() {
    Session::dialled().sends(&first_part(2, 100, 60)).sends(&item(2, 1)).breaks(Rule::Early, 2, 2, 0);
    Session::accepted().gets(&first_part(2, 100, 60)).sends(&item(2, 1)).breaks(Rule::Early, 2, 2, 0);
}

#[test]
fn a_stream_is_opened_once_and_ends_by_an_end() {
    let opening = frame(RESPONSE, 0, 2, &OPENED, &[]);
    opened().sends(&opening).breaks(Rule::Opening, 2, 3, 1);
    opened().sends(&response(2)).breaks(Rule::Opening, 2, 0, 1);
    opened().sends(&item(2, 1)).sends(&bare(END, 2)).passes();
    opened().sends(&frame(RESPONSE, 0, 2, &STATUS, &[])).passes();
    Session::accepted().gets(&request(2, 0)).sends(&item(2, 1)).sends(&opening).breaks(Rule::Opening, 2, 3, 1);
}

#[test]
fn an_end_of_the_caller_has_no_error_of_a_service() {
    called().sends(&frame(END, 0, 2, &STATUS, &[])).passes();
    called().sends(&frame(END, 0, 2, &[1, 1, 1], &[])).breaks(Rule::Header, 2, 1, 0);
    called().sends(&frame(END, 0, 2, &[], &[1])).breaks(Rule::Header, 2, 0, 0);
}

#[test]
fn what_a_caller_sends_of_a_stream_may_cross_the_terminal_frame_but_not_its_cancel() {
    let over = || called().gets(&frame(END, 0, 2, &STATUS, &[]));
    over().sends(&[item(2, 1), credit(2, 9), bare(END, 2)].concat()).passes();
    called().sends(&bare(CANCEL, 2)).sends(&item(2, 1)).breaks(Rule::BehindCancel, 2, 1, 0);
    called().sends(&bare(CANCEL, 2)).sends(&credit(2, 9)).breaks(Rule::BehindCancel, 2, 1, 0);
}

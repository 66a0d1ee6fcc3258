//! A server's streams and a client made of bytes: what it may send in which state, and what it costs when it does not
//! keep to that. The codec is bincode, where a small number is its own byte.

use rpc_runtime::{Code, Limits};
use tokio::io::DuplexStream;

use super::{GRANT, Peer, cancel, credit, end, items, message, raw, raw_client, request, within};

/// Of a Response: the method has accepted the call.
const OPENED: u64 = 3;

#[tokio::test]
async fn items_are_packed_into_few_frames_within_the_window() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "count", &[251, 0x10, 0x27])).await;
    let (mut frames, mut came) = (0, 0_u64);
    // 251 of 33 bytes and 1,636 of 35, of which the last takes the window to -7.
    while came < 1_887 {
        let frame = peer.frame_of(raw::MESSAGE).await;
        frames += 1;
        came += items(&frame).len() as u64;
    }
    assert!(frames <= 10, "{frames} frames for {came} items");
    // Nothing comes without credit, and what comes with it is no more than that.
    peer.send(&raw::frame(raw::PING, 0, 77, &[], &[])).await;
    assert_eq!(peer.frame().await.kind, raw::PONG);
    peer.send(&credit(2, 8)).await;
    assert_eq!(items(&peer.frame_of(raw::MESSAGE).await).len(), 1);
    peer.send(&credit(2, 1 << 20)).await;
    let mut rest = came + 1;
    loop {
        let frame = peer.frame().await;
        if frame.kind == raw::END {
            assert_eq!(frame.number(1).unwrap_or(0), 0, "{frame:?}");
            break;
        }
        rest += items(&frame).len() as u64;
    }
    assert_eq!(rest, 10_000);
    here.live(0).await;
}

#[tokio::test]
async fn a_caller_that_ignores_credit_is_cut_off_and_told_why() {
    let (mut peer, here, serving) = raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "stuck", &[])).await;
    here.live(1).await;
    let block = [&[251, 0x40, 0x1F][..], &[0; 8_000]].concat();
    for _ in 0..10 {
        peer.send(&message(2, &[&block])).await;
    }
    let last = peer.broken_off().await;
    assert!(last.message().contains("without credit"), "{last:?}");
    let ended = within("the end", serving).await.unwrap();
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    here.live(0).await;
}

#[tokio::test]
async fn one_message_may_not_go_beyond_the_window_by_more_than_its_last_item() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "stuck", &[])).await;
    here.live(1).await;
    // Each costs 33: the 1,986th begins with six bytes of credit, the next with less than none.
    let nothing: Vec<&[u8]> = vec![&[0]; 1_986];
    peer.send(&message(2, &nothing)).await;
    peer.send(&raw::frame(raw::PING, 0, 5, &[], &[])).await;
    assert_eq!(peer.frame_of(raw::PONG).await.id, 5);
    peer.send(&message(2, &[&[0]])).await;
    assert!(peer.broken_off().await.message().contains("without credit"));
}

#[tokio::test]
async fn credit_is_told_seldom_and_not_for_each_item() {
    let (mut peer, _here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "total", &[])).await;
    let mut credits = 0;
    let (mut window, mut sent) = (65_536_i64, 0);
    while sent < 20_000 {
        while window > 0 && sent < 20_000 {
            peer.send(&message(2, &[&[1], &[1]])).await;
            (window, sent) = (window - 66, sent + 2);
        }
        if sent < 20_000 {
            let frame = peer.frame_of(raw::CREDIT).await;
            assert_eq!(frame.id, 2);
            window += i64::from(u32::from_le_bytes(frame.body[..].try_into().unwrap()));
            credits += 1;
        }
    }
    peer.send(&end(2)).await;
    let answer = reply(&mut peer, 2).await;
    assert_eq!((answer.is_value(), &answer.body[..]), (true, &[251, 0x20, 0x4E][..]));
    assert!((1..=25).contains(&credits), "{credits} frames of credit for {sent} items");
}

#[tokio::test]
async fn what_follows_an_end_costs_its_call_alone() {
    for (what, late) in [
        ("items", message(2, &[&[1]])),
        ("no items", message(2, &[])),
        ("an end", end(2)),
        ("a part", raw::frame(raw::MESSAGE, raw::MORE, 2, &raw::field(5, &raw::varint(100_000)), &[0; 65_536])),
    ] {
        let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
        peer.send(&[request(2, "stuck", &[]), message(2, &[&[0]]), end(2)].concat()).await;
        here.live(1).await;
        peer.send(&late).await;
        let answer = reply(&mut peer, 2).await;
        assert_eq!((answer.code(), answer.is_not_executed()), (raw::INTERNAL, false), "{what}: {answer:?}");
        here.live(0).await;
        serves_on(&mut peer, 4, what).await;
    }
}

#[tokio::test]
async fn what_comes_for_a_call_that_takes_no_items_costs_it_alone() {
    for (what, wrong) in [
        ("items", message(2, &[&[1]])),
        ("an end", end(2)),
        ("a part", raw::frame(raw::MESSAGE, raw::MORE, 2, &raw::field(5, &raw::varint(100_000)), &[0; 65_536])),
    ] {
        let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
        peer.send(&request(2, "hang", &[0])).await;
        here.live(1).await;
        peer.send(&wrong).await;
        let answer = reply(&mut peer, 2).await;
        assert_eq!((answer.code(), answer.is_not_executed()), (raw::INTERNAL, false), "{what}: {answer:?}");
        here.live(0).await;
        serves_on(&mut peer, 4, what).await;
    }
}

#[tokio::test]
async fn malformed_items_cost_their_call_alone() {
    let header = |total: u64| raw::field(5, &raw::varint(total));
    let frame = |flags, header: &[u8], body: &[u8]| raw::frame(raw::MESSAGE, flags, 2, header, body);
    let table = [
        ("a length that lies", frame(0, &[], &[5, 1, 2])),
        ("half a length", frame(0, &[], &[0x80])),
        ("a length without end", frame(0, &[], &[0xFF; 20])),
        ("a total without parts", frame(0, &header(3), &[2, 1, 1])),
        ("parts without a total", frame(raw::MORE, &[], &[2, 1, 1])),
        ("two items in parts", [frame(raw::MORE, &header(4), &[1, 1]), frame(0, &[], &[1, 1])].concat()),
        ("fewer bytes than announced", [frame(raw::MORE, &header(9), &[8, 1]), frame(0, &[], &[1])].concat()),
        ("more bytes than announced", [frame(raw::MORE, &header(3), &[2, 1]), frame(0, &[], &[1; 9])].concat()),
        ("a header in a later part", [frame(raw::MORE, &header(3), &[2, 1]), frame(0, &header(3), &[1])].concat()),
        ("an item of another type", frame(0, &[], &[1, 7])),
    ];
    for (what, wrong) in table {
        let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
        peer.send(&request(2, "size", &[])).await;
        peer.send(&wrong).await;
        let answer = reply(&mut peer, 2).await;
        assert!([raw::INTERNAL, raw::INVALID_ARGUMENT].contains(&answer.code()), "{what}: {answer:?}");
        here.live(0).await;
        serves_on(&mut peer, 4, what).await;
    }
}

#[tokio::test]
async fn an_item_above_the_limit_costs_its_call_alone_whatever_parts_follow() {
    let limits = Limits::default().max_message(1 << 20);
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, limits).await;
    peer.send(&request(2, "stuck", &[])).await;
    here.live(1).await;
    let item = [raw::varint(16 << 20), vec![0; 16 << 20]].concat();
    let header = raw::field(5, &raw::varint(item.len() as u64));
    // 257 frames, of which only the first is a fault.
    peer.send(&raw::in_parts(raw::MESSAGE, 2, &header, &item)).await;
    let answer = reply(&mut peer, 2).await;
    assert_eq!(answer.code(), raw::RESOURCE_EXHAUSTED, "{answer:?}");
    assert!(answer.message().contains("1048576") && answer.message().contains("max_message"), "{answer:?}");
    serves_on(&mut peer, 4, "the parts").await;
}

#[tokio::test]
async fn what_comes_behind_the_end_of_a_call_is_passed_over() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    for n in 0..200 {
        let id = 2 + 4 * n;
        peer.send(&[request(id, "first", &[]), message(id, &[&[9]])].concat()).await;
        assert_eq!(reply(&mut peer, id).await.body, [9]);
        peer.send(&[message(id, &[&[9]]), end(id), credit(id, 5), cancel(id), end(id), message(id, &[])].concat())
            .await;
    }
    here.live(0).await;
    serves_on(&mut peer, 1 << 20, "200 calls").await;
}

#[tokio::test]
async fn a_callers_cancel_ends_a_stream_in_every_state_and_each_call_gets_one_terminal_frame() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    let states: [(&str, Vec<u8>); 6] = [
        ("before anything", request(2, "late", &[1])),
        ("producing", request(4, "hang", &[3])),
        ("taking", request(6, "stuck", &[])),
        ("with items", [request(8, "stuck", &[]), message(8, &[&[1]])].concat()),
        ("behind the end", [request(10, "stuck", &[]), end(10)].concat()),
        ("both ways", [request(12, "echo", &[]), message(12, &[&[0]])].concat()),
    ];
    for (n, (what, begin)) in (1..).zip(states) {
        let id = 2 * n;
        peer.send(&begin).await;
        here.live(1).await;
        peer.send(&[cancel(id), cancel(id)].concat()).await;
        let terminal = loop {
            let frame = peer.frame().await;
            assert_eq!(frame.id, id, "{what}: {frame:?}");
            if frame.kind == raw::END || (frame.kind == raw::RESPONSE && frame.number(1) != Some(OPENED)) {
                break frame;
            }
        };
        assert_eq!(terminal.code(), 1, "{what}: {terminal:?}");
        here.live(0).await;
    }
    serves_on(&mut peer, 100, "all").await;
}

#[tokio::test]
async fn more_credit_than_can_be_counted_is_a_fault_of_the_connection() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "hang", &[0])).await;
    here.live(1).await;
    peer.send(&credit(2, u32::MAX)).await;
    assert!(peer.broken_off().await.message().contains("credit"));
    here.live(0).await;
}

#[tokio::test]
async fn a_peer_that_goes_above_the_limit_of_streams_is_refused_and_counted() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default().streams(2)).await;
    peer.send(&[request(2, "hang", &[0]), request(4, "hang", &[0]), request(6, "hang", &[0])].concat()).await;
    let answer = reply(&mut peer, 6).await;
    assert_eq!((answer.code(), answer.is_not_executed()), (raw::RESOURCE_EXHAUSTED, true), "{answer:?}");
    assert!(answer.message().contains("streams: 2") && answer.message().contains("the limit is 2"), "{answer:?}");
    here.live(2).await;
    // The room of one that ended is there as soon as its terminal frame.
    for n in 0..300 {
        let id = 100 + 4 * n;
        peer.send(&cancel(if n == 0 { 2 } else { id - 4 })).await;
        reply(&mut peer, if n == 0 { 2 } else { id - 4 }).await;
        peer.send(&request(id, "hang", &[0])).await;
    }
    peer.send(&cancel(100 + 4 * 299)).await;
    let answer = reply(&mut peer, 100 + 4 * 299).await;
    assert_eq!(answer.code(), 1, "{answer:?}");
}

#[tokio::test]
async fn what_is_left_of_an_item_in_parts_is_not_taken_for_the_items_of_a_later_call_of_the_same_id() {
    let (mut peer, here, _serving) = raw_client("bincode", GRANT, Limits::default()).await;
    let item = [&raw::varint(100_000)[..], &[0; 60_000]].concat();
    let first_part = raw::frame(raw::MESSAGE, raw::MORE, 2, &raw::field(5, &raw::varint(100_003)), &item);
    let without_total = raw::frame(raw::MESSAGE, raw::MORE, 2, &[], &[0; 100]);
    for (part, code) in [(first_part, 0), (without_total, raw::INTERNAL)] {
        peer.send(&[request(2, "first", &[]), message(2, &[&[7]]), part].concat()).await;
        assert_eq!(reply(&mut peer, 2).await.code(), code);
        peer.send(&[request(2, "first", &[]), message(2, &[&[9]])].concat()).await;
        let answer = reply(&mut peer, 2).await;
        assert_eq!((answer.is_value(), &answer.body[..]), (true, &[9][..]), "{answer:?}");
    }
    here.live(0).await;
    serves_on(&mut peer, 100, "all").await;
}

/// The terminal frame of a call. What may stand before it is passed over: items, credit, and that nobody takes any
/// more.
async fn reply(peer: &mut Peer<DuplexStream>, id: u64) -> raw::Frame {
    loop {
        let frame = peer.frame().await;
        assert_eq!(frame.id, id, "{frame:?}");
        match frame.kind {
            raw::RESPONSE if frame.number(1) == Some(OPENED) => {}
            raw::RESPONSE | raw::END => return frame,
            kind => assert!([raw::MESSAGE, raw::CREDIT, raw::CANCEL].contains(&kind), "{frame:?}"),
        }
    }
}

async fn serves_on(peer: &mut Peer<DuplexStream>, id: u64, what: &str) {
    peer.send(&request(id, "add", &[20, 22])).await;
    let answer = reply(peer, id).await;
    assert_eq!((answer.is_value(), &answer.body[..]), (true, &[42][..]), "{what}");
}

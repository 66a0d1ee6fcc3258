//! A client's streams and a server made of bytes: what it may send in which state, and what it costs when it does not
//! keep to that.

use std::time::Duration;

use futures_util::stream;
use rpc_runtime::{Channel, Code, Limits};

use super::{
    GRANT, all_is_quiet, cancel, collect, credit, end, items, message, raw, raw_server, service::Here, then_silence,
    within,
};

const OPENED: u8 = 3;

/// What is sent for the call of an id.
type Wrong = fn(u64) -> Vec<u8>;

fn opened(id: u64) -> Vec<u8> {
    raw::frame(raw::RESPONSE, 0, id, &raw::field(1, &[OPENED]), &[])
}

#[tokio::test(start_paused = true)]
async fn a_client_sends_no_item_without_credit() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let here = Here::new();
    let call = tides.size(here.watched(stream::repeat(vec![1; 1_000]))).start();
    let id = raw.frame_of(raw::REQUEST).await.id;
    all_is_quiet().await;
    let produced = here.taken();
    assert!((62..=65).contains(&produced), "{produced}");
    let mut came = 0;
    while came < produced {
        came += items(&raw.frame_of(raw::MESSAGE).await).len() as u64;
    }
    raw.send(&credit(id, 2_000)).await;
    all_is_quiet().await;
    assert!((produced + 1..=produced + 3).contains(&here.taken()), "{} after {produced}", here.taken());
    // Of the receiver's own will.
    raw.send(&cancel(id)).await;
    here.live(0).await;
    assert_eq!(tides.channel().stats().calls_in_flight, 1);
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[7])).await;
    assert_eq!(within("the answer", call).await.unwrap(), 7);
}

#[tokio::test]
async fn a_server_that_ignores_credit_is_cut_off_and_told_why() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let mut blocks = tides.blocks(9, 9).await.unwrap();
    let id = raw.frame_of(raw::REQUEST).await.id;
    let block = [&[251, 0x40, 0x1F][..], &[0; 8_000]].concat();
    for _ in 0..10 {
        raw.send(&message(id, &[&block])).await;
    }
    assert!(raw.broken_off().await.message().contains("without credit"));
    // Those that came in order can be taken.
    for _ in 0..10 {
        match within("an item", blocks.next()).await.unwrap() {
            Ok(block) => assert_eq!(block.len(), 8_000),
            Err(status) => {
                assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
                return;
            }
        }
    }
    panic!("the stream did not end with the connection");
}

#[tokio::test]
async fn what_a_server_must_not_send_for_a_stream_costs_that_call_alone() {
    let table: [(&str, Wrong); 5] = [
        ("one value", |id| raw::frame(raw::RESPONSE, 0, id, &[], &[1])),
        ("a length that lies", |id| raw::frame(raw::MESSAGE, 0, id, &[], &[5, 1])),
        ("a total without parts", |id| raw::frame(raw::MESSAGE, 0, id, &raw::field(5, &[2]), &[1, 1])),
        ("an item of another type", |id| message(id, &[&[1, 2, 3]])),
        ("an end of no kind", |id| raw::frame(raw::END, 0, id, &raw::field(1, &[OPENED]), &[])),
    ];
    for (what, wrong) in table {
        let (tides, channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
        let count = tides.count(9).await.unwrap();
        let id = raw.frame_of(raw::REQUEST).await.id;
        raw.send(&[message(id, &[&[4]]), wrong(id)].concat()).await;
        let (came, status) = within("the end", collect(count)).await;
        let status = status.unwrap();
        assert_eq!((came, status.code(), status.may_have_run()), (vec![4], Code::Internal, true), "{what}: {status}");
        // It is told, unless its frame was the last of the call; and others are served.
        let sum = tides.add(1, 2).start();
        let request = loop {
            let frame = raw.frame().await;
            match frame.kind {
                raw::REQUEST => break frame.id,
                kind => assert_eq!((kind, frame.id), (raw::CANCEL, id), "{what}"),
            }
        };
        raw.send(&[end(id), raw::frame(raw::RESPONSE, 0, request, &[], &[3])].concat()).await;
        assert_eq!(within("the sum", sum).await.unwrap(), 3);
        assert_eq!(channel.stats().calls_in_flight, 0, "{what}");
    }
}

#[tokio::test]
async fn items_for_a_call_that_has_none_cost_it_alone() {
    for wrong in [|id| message(id, &[&[1]]), |id| opened(id), |id| end(id)] {
        let (tides, channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
        let (sum, total) = (tides.add(1, 2).start(), tides.total(then_silence(0..0)).start());
        for call in [sum, total] {
            let id = raw.frame_of(raw::REQUEST).await.id;
            raw.send(&wrong(id)).await;
            let status = within("the end", call).await.unwrap_err();
            assert_eq!((status.code(), status.may_have_run()), (Code::Internal, true), "{status}");
        }
        assert!(channel.stats().protocol_faults >= 2);
    }
}

#[tokio::test]
async fn a_second_end_and_items_behind_it_are_counted_and_harm_nobody() {
    let (tides, channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let count = tides.count(9).await.unwrap();
    let id = raw.frame_of(raw::REQUEST).await.id;
    raw.send(&[message(id, &[&[4], &[5]]), end(id), end(id), message(id, &[&[6]]), opened(id)].concat()).await;
    let (came, status) = within("the end", collect(count)).await;
    assert_eq!(came, [4, 5]);
    assert!(status.is_none());
    let sum = tides.add(1, 2).start();
    let id = raw.frame_of(raw::REQUEST).await.id;
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[3])).await;
    assert_eq!(within("the sum", sum).await.unwrap(), 3);
    assert_eq!(channel.stats().protocol_faults, 3);
}

#[tokio::test]
async fn a_refusal_of_a_stream_that_opened_at_once_is_its_first_item() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let count = tides.count(9).await.unwrap();
    let id = raw.frame_of(raw::REQUEST).await.id;
    let header =
        [raw::field(1, &[2]), raw::field(3, &[12]), raw::field(2, b"no such method"), raw::field(7, &[])].concat();
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &header, &[])).await;
    let (came, status) = within("the end", collect(count)).await;
    let status = status.unwrap();
    assert_eq!((came.len(), status.code(), status.may_have_run()), (0, Code::Unimplemented, false), "{status}");
    assert_eq!(status.method(), Some("Tides.count"));
}

#[tokio::test]
async fn items_that_come_for_a_stream_that_was_dropped_are_passed_over() {
    let (tides, channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    for n in 0..150_u8 {
        drop(tides.count(9).await.unwrap());
        let id = raw.frame_of(raw::REQUEST).await.id;
        assert_eq!(raw.frame_of(raw::CANCEL).await.id, id);
        raw.send(&[opened(id), message(id, &[&[n]]), credit(id, 9), cancel(id), end(id)].concat()).await;
    }
    let sum = tides.add(1, 2).start();
    let id = raw.frame_of(raw::REQUEST).await.id;
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[3])).await;
    assert_eq!(within("the sum", sum).await.unwrap(), 3);
    let stats = channel.stats();
    assert_eq!((stats.calls_in_flight, stats.protocol_faults, stats.closed.protocol), (0, 0, 0), "{stats:?}");
}

#[tokio::test]
async fn an_item_above_the_clients_limit_ends_its_stream_alone_whatever_parts_follow() {
    let limits = Limits::default().max_message(100_000);
    let (tides, channel, mut raw) = raw_server(Channel::builder().limits(limits), GRANT).await;
    let blocks = tides.blocks(1, 1).await.unwrap();
    let id = raw.frame_of(raw::REQUEST).await.id;
    let item = [raw::varint(8 << 20), vec![0; 8 << 20]].concat();
    let header = raw::field(5, &raw::varint(item.len() as u64));
    let parts = raw::in_parts(raw::MESSAGE, id, &header, &item);
    let (status, ()) = tokio::join!(collect(blocks), raw.send(&parts));
    let status = status.1.unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("100000"), "{status}");
    assert_eq!(raw.frame_of(raw::CANCEL).await.id, id);
    assert!(channel.stats().protocol_faults <= 1, "{:?}", channel.stats());
}

#[tokio::test]
async fn a_peer_that_grants_no_streams_is_not_sent_any() {
    let none = r#"{"in_flight":64,"request_window":4194304,"max_message":4194304,"max_header":16384}"#;
    let (tides, channel, _raw) = raw_server(Channel::builder(), none).await;
    let status = tides.count(9).await.map(|_| ()).unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false), "{status}");
    assert!(status.message().contains("streams"), "{status}");
    assert_eq!(channel.stats().refused.streams, 1);
}

/// A grant in which only one of these numbers is small.
fn narrow(in_flight: u32, window: u32, streams: u32) -> String {
    let rest = r#""max_message":4194304,"max_header":16384,"stream_window":65536"#;
    format!(r#"{{"in_flight":{in_flight},"request_window":{window},"streams":{streams},{rest}}}"#)
}

#[tokio::test]
async fn streams_that_waited_for_other_room_keep_their_order() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), &narrow(1, 4_096, 1)).await;
    let first = tides.add(1, 2).start();
    let calls: Vec<_> = (0..5).map(|n| tides.total(stream::iter([n])).start()).collect();
    let id = raw.frame_of(raw::REQUEST).await.id;
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[3])).await;
    for (n, call) in (0..).zip(calls) {
        let id = raw.frame_of(raw::REQUEST).await.id;
        assert_eq!(items(&raw.frame_of(raw::MESSAGE).await), [[n]]);
        assert_eq!(raw.frame_of(raw::END).await.id, id);
        raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[n])).await;
        assert_eq!(within("its turn", call).await.unwrap(), u64::from(n));
    }
    assert_eq!(within("the first", first).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_sender_whose_turn_comes_because_another_was_late_begins_at_once() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), &narrow(64, 100, 64)).await;
    let _first = tides.add(1, 2).start();
    raw.frame_of(raw::REQUEST).await;
    // Too large for what is left of the window, until its time is over.
    let address = "a".repeat(98);
    let late = tides.elsewhere(&address, then_silence(0..1)).timeout(Duration::from_secs(2)).start();
    let total = tides.total(stream::iter([7])).start();
    let status = within("the late one", late).await.unwrap_err();
    assert!(status.message().contains("request_window"), "{status}");
    let began = tokio::time::Instant::now();
    let id = raw.frame_of(raw::REQUEST).await.id;
    assert_eq!(items(&raw.frame_of(raw::MESSAGE).await), [[7]]);
    // Not only when somebody looks at the clock for another reason.
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(raw.frame_of(raw::END).await.id, id);
    raw.send(&raw::frame(raw::RESPONSE, 0, id, &[], &[7])).await;
    assert_eq!(within("the total", total).await.unwrap(), 7);
}

#[tokio::test]
async fn a_client_tells_seldom_what_it_has_taken() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let taking = super::spawn(collect(tides.count(20_000).await.unwrap()));
    let id = raw.frame_of(raw::REQUEST).await.id;
    let (mut window, mut sent, mut credits) = (65_536_i64, 0, 0);
    while sent < 20_000 {
        while window > 0 && sent < 20_000 {
            raw.send(&message(id, &[&[1], &[2]])).await;
            (window, sent) = (window - 66, sent + 2);
        }
        if sent < 20_000 {
            let frame = raw.frame().await;
            assert_eq!((frame.kind, frame.id), (raw::CREDIT, id));
            window += i64::from(u32::from_le_bytes(frame.body[..].try_into().unwrap()));
            credits += 1;
        }
    }
    raw.send(&end(id)).await;
    let (came, status) = within("all items", taking).await.unwrap();
    assert!(came.len() == 20_000 && status.is_none());
    assert!((1..=25).contains(&credits), "{credits} frames of credit for {sent} items");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_ends_its_streams_within_keepalive() {
    let (tides, _channel, mut raw) = raw_server(Channel::builder(), GRANT).await;
    let here = Here::new();
    let (count, total) = (tides.count(9).await.unwrap(), tides.total(here.watched(then_silence(0..1))).start());
    let id = raw.frame_of(raw::REQUEST).await.id;
    raw.send(&message(id, &[&[4], &[5]])).await;
    let began = tokio::time::Instant::now();
    let (came, status) = within("the end", collect(count)).await;
    let status = status.unwrap();
    assert_eq!((came, status.code(), status.may_have_run()), (vec![4, 5], Code::Unavailable, true), "{status}");
    assert!(began.elapsed() < Duration::from_secs(55), "{:?}", began.elapsed());
    assert_eq!(within("the other", total).await.unwrap_err().code(), Code::Unavailable);
    here.live(0).await;
}

//! What is left to say of hostile frames at a server (C4, C5, C8, C10): the cost of tiny pieces, what neighbours feel,
//! frames that only a server may send, order and repetition; and what is left after all of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::io::AsyncReadExt;

use super::{
    probe::{ProbeClient, Served, Serving, slowest_beside, tasks, tasks_are_back},
    raw::{
        self, CANCEL, CREDIT, END, INTERNAL, MORE, PING, PONG, REQUEST, RESPONSE, field, frame, names, request, varint,
        within, within_time,
    },
};

/// C4: what it takes to read a message grows with its bytes, however small the pieces are that it comes in.
#[tokio::test]
async fn a_message_in_pieces_of_one_byte_costs_what_its_bytes_cost() {
    let mut took = [Duration::MAX; 2];
    // The least of several: what else the machine does comes on top.
    for _ in 0..3 {
        for (took, size) in took.iter_mut().zip([16_000, 64_000]) {
            let (near, far) = tokio::io::duplex(1);
            let mut peer = raw::Peer::new(near);
            let _served = Served::over(far, rpc_runtime::Limits::default());
            peer.dial("json").await;
            let numbers = format!("[[{}1]]", "1,".repeat(size / 2));
            let count = request(2, "count", numbers.as_bytes());
            let began = Instant::now();
            peer.send(&count).await;
            let answer = peer.reply(2).await;
            *took = (*took).min(began.elapsed());
            assert_eq!(answer.body, (size / 2 + 1).to_string().into_bytes(), "{answer:?}");
        }
    }
    // Four times the bytes: a cost per byte that grows with what has come would make it sixteen.
    assert!(took[1] < took[0] * 9, "{took:?}");
}

/// C5: with numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_of_others_keep_their_pace_beside_floods_of_tiny_frames() {
    let serving = Serving::start().await;
    let probe = ProbeClient::new(serving.channel().await);
    let tiny = [
        frame(PING, 0, 7, &[], &[]),
        frame(CANCEL, 0, 2, &[], &[]),
        frame(200, 0, 0, &[], &[]),
        frame(REQUEST, 0, 2, &[], &[]),
    ];
    for tiny in tiny {
        let mut flooding = serving.dialled("json").await;
        let flood = [tiny.repeat(10_000), frame(PING, 0, 8, &[], &[])].concat();
        let floods = async {
            for _ in 0..5 {
                flooding.send(&flood).await;
                while flooding.frame_of(PONG).await.id != 8 {}
            }
        };
        let longest = slowest_beside(&probe, floods).await;
        assert!(longest < Duration::from_millis(200), "{longest:?} beside {:02x?}", &tiny[4..6]);
    }
    serving.serves_a_fresh_client().await;
}

/// C8: answers to calls that a server never made are faults, and no more than that.
#[tokio::test]
async fn frames_that_only_a_server_sends_cost_a_client_nothing_at_first() {
    let serving = Serving::start().await;
    let before = tasks();
    let mut peer = serving.dialled("json").await;
    for id in [0, 1, 2, 3, u64::MAX] {
        peer.send(&frame(RESPONSE, 0, id, &[], b"3")).await;
        peer.send(&frame(RESPONSE, MORE, id, &field(5, &varint(4 << 20)), b"3")).await;
        peer.send(&frame(END, 0, id, &[], &[])).await;
        peer.send(&frame(PONG, 0, id, &[], &[])).await;
        peer.send(&request(2, "add", b"[1,2]")).await;
        assert_eq!(peer.reply(2).await.body, b"3");
    }
    peer.send(&frame(RESPONSE, 0, 3, &[], &[]).repeat(100)).await;
    assert!(peer.broken_off().await.message().contains("protocol_errors"));
    serving.serves_a_fresh_client().await;
    tasks_are_back(before).await;
}

/// C8, C10: each on a connection of its own, whose other calls end with it.
#[tokio::test]
async fn frames_that_may_not_come_end_their_connection_and_leave_nothing() {
    let serving = Serving::start().await;
    serving.serves_a_fresh_client().await;
    let before = tasks();
    let total = [names("Probe", "echo"), field(5, &varint(100))].concat();
    let begun = frame(REQUEST, MORE, 4, &total, b"\"x");
    let table = [
        (frame(CREDIT, 0, 0, &[], &u32::MAX.to_le_bytes()), "request_window"),
        (request(3, "add", b"[1,2]"), "can not open"),
        (request(0, "add", b"[1,2]"), "can not open"),
        (request(2, "add", b"[1,2]"), "in flight"),
        ([begun.clone(), begun].concat(), "in flight"),
        ([raw::go_away(), raw::go_away()].concat(), "a second goaway"),
        ([raw::go_away(), request(4, "add", b"[1,2]")].concat(), "behind its sender's goaway"),
        (frame(127, 0, 0, &[], &[]), "kind"),
        (frame(PING, 0x80, 0, &[], &[]), "flag"),
        (raw::prefix(12, REQUEST, 0, 1, 4), "header"),
    ];
    for (bytes, said) in table {
        let mut peer = serving.dialled("json").await;
        peer.send(&[request(2, "wait", b"[]"), bytes].concat()).await;
        let goodbye = peer.broken_off().await;
        assert_eq!(goodbye.code(), INTERNAL);
        assert!(goodbye.message().contains(said), "{said}: {}", goodbye.message());
        serving.serves_a_fresh_client().await;
        drop(peer);
        tasks_are_back(before).await;
    }
}

/// C10: requests in any order, each Cancel and each Ping twice, and a Cancel before its request.
#[tokio::test]
async fn requests_reordered_and_cancels_repeated_give_each_call_one_answer() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let cancel = |id| frame(CANCEL, 0, id, &[], &[]).repeat(2);
    let mut bytes = cancel(2);
    for id in [8, 2, 6, 4] {
        bytes.extend(request(id, if id == 4 { "wait" } else { "add" }, if id == 4 { b"[]" } else { b"[1,2]" }));
        bytes.extend(frame(PING, 0, id, &[], &[]).repeat(2));
    }
    bytes.extend([cancel(4), cancel(4), cancel(8), raw::go_away()].concat());
    peer.send(&bytes).await;
    peer.end().await;
    let mut answers = BTreeMap::new();
    for answer in raw::frames(&within("the answers", peer.rest()).await) {
        if answer.kind == RESPONSE {
            assert!(answers.insert(answer.id, answer.is_value()).is_none(), "two answers to {}", answer.id);
        }
    }
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [2, 4, 6, 8]);
    assert!(answers[&2] && answers[&6] && !answers[&4], "{answers:?}");
    serving.serves_a_fresh_client().await;
}

/// Keepalive asks for no sign of life where none may come.
#[tokio::test(start_paused = true)]
async fn a_caller_that_has_ended_its_stream_gets_the_answer_of_a_call_that_takes_a_minute() {
    let (mut peer, served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    peer.send(&request(2, "sleep", b"[60000]")).await;
    peer.send(&raw::go_away()).await;
    peer.end().await;
    let mut bytes = Vec::new();
    let mut io = peer.into_io();
    within_time(Duration::from_secs(100), "the answer", io.read_to_end(&mut bytes)).await.unwrap();
    let frames = raw::frames(&bytes);
    let kinds: Vec<u8> = frames.iter().map(|frame| frame.kind).filter(|kind| *kind != CREDIT).collect();
    assert_eq!(kinds, [raw::GO_AWAY, RESPONSE], "{frames:?}");
    let reply = frames.iter().find(|frame| frame.kind == RESPONSE).expect("it is among them");
    assert!(reply.is_value(), "{reply:?}");
    served.ended().await.unwrap();
}

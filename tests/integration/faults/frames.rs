//! Frames that lie about their lengths, are cut, split, sent in the wrong direction, twice or in great numbers
//! (C1 to C8, C10).

use std::{collections::BTreeMap, time::Duration};

use rpc_runtime::{Code, CodecKind, Limits};

use super::{
    probe::{CODECS, ProbeClient, Served, Serving, add_arguments, client_and_raw_server, sum},
    raw::{self, CANCEL, END, INTERNAL, MORE, PING, PONG, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, UNIMPLEMENTED},
    raw::{field, frame, names, prefix, request, varint, within, within_time},
};

/// C1, and the other lengths that do not cover the prefix.
#[tokio::test]
async fn a_length_below_twelve_is_refused_by_its_fourth_byte() {
    let serving = Serving::start().await;
    for length in 0..12_u32 {
        let mut peer = serving.dialled("json").await;
        peer.send(&length.to_le_bytes()).await;
        let goodbye = peer.broken_off().await;
        assert!(goodbye.message().contains(&format!("a frame of length {length}, ")), "{}", goodbye.message());
    }
    serving.serves_a_fresh_client().await;
}

/// C2: the largest length is taken, though its header is above `max_header` and costs the call.
#[tokio::test]
async fn a_frame_of_the_largest_length_costs_its_call_alone() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let padding = field(100, &vec![0; 65_535 - names("Probe", "add").len() - 4]);
    let header = [names("Probe", "add"), padding].concat();
    assert_eq!(header.len(), 65_535);
    peer.send(&frame(REQUEST, 0, 2, &header, &[b' '; 65_536])).await;
    let refused = peer.reply(2).await;
    assert_eq!((refused.code(), refused.is_not_executed()), (RESOURCE_EXHAUSTED, true));
    assert!(refused.message().contains("65535") && refused.message().contains("16384"), "{refused:?}");
    peer.send(&request(4, "add", b"[1,2]")).await;
    assert_eq!(peer.reply(4).await.body, b"3");
    serving.serves_a_fresh_client().await;
}

/// C2: refused by the length alone, before a byte of the frame has come and so before any memory for it.
#[tokio::test]
async fn a_length_above_every_frames_is_refused_by_its_fourth_byte() {
    let serving = Serving::start().await;
    for length in [131_084, 1 << 26, u32::MAX] {
        let mut peer = serving.dialled("json").await;
        peer.send(&length.to_le_bytes()).await;
        let goodbye = peer.broken_off().await;
        let said = format!("a frame of length {length}, the limit is 131083");
        assert!(goodbye.message().contains(&said), "{}", goodbye.message());
    }
    serving.serves_a_fresh_client().await;
}

/// C2 for messages: a total above the limit is refused at the first part.
#[tokio::test]
async fn a_message_above_the_limit_is_refused_at_its_first_part() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    for (id, total) in [(2, (4 << 20) + 1), (4, 64 << 20), (6, u64::MAX)] {
        let header = [names("Probe", "echo"), field(5, &varint(total))].concat();
        peer.send(&frame(REQUEST, MORE, id, &header, b"\"x")).await;
        let refused = peer.reply(id).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (RESOURCE_EXHAUSTED, true));
        assert!(refused.message().contains(&total.to_string()) && refused.message().contains("4194304"), "{refused:?}");
        peer.send(&frame(REQUEST, 0, id, &[], b"late part")).await;
    }
    peer.send(&request(8, "add", b"[1,2]")).await;
    assert_eq!(peer.reply(8).await.body, b"3");
    serving.serves_a_fresh_client().await;
}

/// C2: thousands of messages of 4 MiB are announced, begun and never sent on; so are responses to a client.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn announced_messages_reserve_no_memory() {
    let (mut peer, _served) = Served::pipe(1 << 20);
    peer.dial("json").await;
    let before = resident_bytes();
    let header = [names("Probe", "echo"), field(5, &varint(4 << 20))].concat();
    let begun: Vec<u8> = (1..=2_000).flat_map(|n| frame(REQUEST, MORE, 2 * n, &header, b"\"x")).collect();
    peer.send(&[begun, frame(PING, 0, 1, &[], &[])].concat()).await;
    assert_eq!(peer.frame_of(PONG).await.id, 1);

    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let probe = ProbeClient::new(channel);
    let calls: Vec<_> = (0..500).map(|n| probe.add(n, n).start()).collect();
    for _ in &calls {
        let id = raw.frame_of(REQUEST).await.id;
        raw.send(&frame(RESPONSE, MORE, id, &field(5, &varint(4 << 20)), b"1")).await;
    }
    raw.send(&frame(PING, 0, 1, &[], &[])).await;
    assert_eq!(raw.frame_of(PONG).await.id, 1);
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for messages of which two bytes have come");
}

/// C3: the calls whose frames are whole may be answered, the others are not, and the connection ends.
#[tokio::test]
async fn a_session_that_is_cut_ends_wherever_it_is_cut() {
    let frames = [2, 4, 6].map(|id| request(id, "add", &add_arguments("bincode", id as i8, 1)));
    let session = [raw::hello("bincode"), frames.concat()].concat();
    let whole_at = |call: usize| session.len() - frames[call..].concat().len();
    for cut in raw::hello("bincode").len()..session.len() {
        let (mut peer, served) = Served::pipe(4_096);
        peer.send(&session[..cut]).await;
        peer.end().await;
        let (_, answers) = raw::answer_and_frames(&peer.rest().await);
        for answer in answers.iter().filter(|frame| frame.is_value()) {
            let call = answer.id as usize / 2;
            assert!(call < 3 && cut >= whole_at(call) || call == 3 && cut == session.len(), "cut at {cut}: {answer:?}");
            assert_eq!(answer.body, sum("bincode", answer.id as i8 + 1));
        }
        served.ended().await.unwrap();
    }
}

/// C3 at the client: half an answer is no answer.
#[tokio::test]
async fn an_answer_that_is_cut_leaves_the_call_unknown_wherever_it_is_cut() {
    let length = frame(RESPONSE, 0, 0, &field(4, b"\x03keyvalue"), &sum("bincode", 3)).len();
    for cut in 0..=length {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Bincode).await;
        let running = ProbeClient::new(channel).add(1, 2).start();
        let id = raw.frame_of(REQUEST).await.id;
        let answer = frame(RESPONSE, 0, id, &field(4, b"\x03keyvalue"), &sum("bincode", 3));
        raw.send(&answer[..cut]).await;
        raw.end().await;
        match within("the outcome", running).await {
            Ok(value) => assert_eq!((value, cut), (3, length)),
            Err(failure) => {
                assert!(cut < length);
                assert_eq!((failure.code(), failure.may_have_run()), (Code::Unavailable, true), "{failure}");
            }
        }
    }
}

/// C4: a whole session through a pipe that holds one byte gives what it gives in one piece.
#[tokio::test]
async fn a_session_byte_by_byte_gives_the_same_answers() {
    for codec in CODECS {
        let mut outcomes = Vec::new();
        for capacity in [1 << 20, 1] {
            let (peer, served) = Served::pipe(capacity);
            outcomes.push(whole_session(peer, codec).await);
            served.ended().await.unwrap();
        }
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(outcomes[0].len(), 9);
    }
}

/// Terminal frames and Pongs by their id: of calls whole and in parts, refused and failed.
async fn whole_session(
    mut peer: raw::Peer<tokio::io::DuplexStream>,
    codec: &'static str,
) -> BTreeMap<(u8, u64), raw::Frame> {
    peer.dial(codec).await;
    let arguments = add_arguments(codec, 20, 22);
    let first = [names("Probe", "add"), field(5, &varint(arguments.len() as u64))].concat();
    let (front, back) = arguments.split_at(1);
    let frames = [
        request(2, "add", &arguments),
        frame(REQUEST, MORE, 4, &first, front),
        request(6, "add", &add_arguments(codec, 1, 1)),
        frame(REQUEST, 0, 4, &[], back),
        request(8, "nothing", &[]),
        request(10, "add", b"?"),
        frame(REQUEST, 0, 12, &[7, 1], &[]),
        frame(200, 0xFF, 9, &[1, 2, 3], b"of a later version"),
        frame(REQUEST, 0, 14, &[names("Probe", "add"), field(50, b"later")].concat(), &arguments),
        frame(REQUEST, 0, 16, &[names("Probe", "add"), field(51, b"later")].concat(), &arguments),
        frame(PING, 0, 99, &[], &[]),
        request(18, "add", &arguments),
        raw::go_away(),
    ];
    peer.send(&frames.concat()).await;
    peer.end().await;
    let answers = raw::frames(&peer.rest().await);
    let answers = answers.into_iter().filter(|frame| [RESPONSE, PONG].contains(&frame.kind));
    answers.map(|frame| ((frame.kind, frame.id), frame)).filter(|(key, _)| *key != (PONG, 99)).collect()
}

/// C5: what one peer sends in a flood of tiny frames is worked off in turns; its neighbour is served meanwhile.
#[tokio::test]
async fn ten_thousand_tiny_frames_in_one_piece_do_not_hold_up_another_connection() {
    let serving = Serving::start().await;
    for tiny in [frame(PING, 0, 7, &[], &[]), frame(CANCEL, 0, 2, &[], &[]), frame(200, 0, 0, &[], &[])] {
        let mut flooding = serving.dialled("json").await;
        let flood = [tiny.repeat(10_000), frame(PING, 0, 8, &[], &[])].concat();
        tokio::join!(flooding.send(&flood), serving.serves_a_fresh_client());
        // Of several Pings in a row the last is answered.
        let last = async { while flooding.frame_of(PONG).await.id != 8 {} };
        within("the answer to the last ping", last).await;
    }
}

/// C6: the refusal does not wait for the bytes that will be passed over.
#[tokio::test]
async fn a_header_above_its_limit_is_refused_before_it_has_come() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    peer.send(&prefix(12 + 16_385 + 65_536, REQUEST, 0, 16_385, 2)).await;
    let refused = peer.reply(2).await;
    assert_eq!((refused.code(), refused.is_not_executed()), (RESOURCE_EXHAUSTED, true));
    assert!(refused.message().contains("16385") && refused.message().contains("16384"), "{refused:?}");
    peer.send(&[vec![0xFF; 16_385 + 65_536], request(4, "add", b"[1,2]")].concat()).await;
    assert_eq!(peer.reply(4).await.body, b"3");
    serving.serves_a_fresh_client().await;
}

/// C7: a header that lies about its fields costs its call; the next frame is found where it is.
#[tokio::test]
async fn lengths_within_a_header_that_lie_cost_the_call_alone() {
    let long = "m".repeat(257);
    let add = names("Probe", "add");
    let with = |more: &[u8]| [&add[..], more].concat();
    let table = [
        (vec![1], INTERNAL),
        (vec![1, 5, b'P'], INTERNAL),
        (vec![1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], INTERNAL),
        (vec![0xFF; 11], INTERNAL),
        (field(3, b"add"), INTERNAL),
        (names("", "add"), INTERNAL),
        (with(&field(3, b"add")), INTERNAL),
        (with(&field(2, &[])), INTERNAL),
        (with(&field(2, &[1, 0])), INTERNAL),
        (with(&field(4, &[9, b'k'])), INTERNAL),
        (with(&field(4, &[0x80])), INTERNAL),
        (with(&field(4, &[1, 0xFF])), INTERNAL),
        (with(&field(5, &[5])), INTERNAL),
        (with(&field(51, b"required")), UNIMPLEMENTED),
        (names("Probe", &long), RESOURCE_EXHAUSTED),
        (with(&field(4, &[0]).repeat(65)), RESOURCE_EXHAUSTED),
    ];
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    for (header, code) in table {
        peer.send(&frame(REQUEST, 0, 2, &header, b"[1,2]")).await;
        let refused = peer.reply(2).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (code, true), "{header:02x?}: {refused:?}");
        peer.send(&request(2, "add", b"[1,2]")).await;
        assert_eq!(peer.reply(2).await.body, b"3", "{header:02x?}");
    }
    serving.serves_a_fresh_client().await;
}

/// C7 for parts: they must add up to the total, which must be there.
#[tokio::test]
async fn parts_that_do_not_add_up_cost_the_call_alone() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    let first = |total: u64| [names("Probe", "add"), field(5, &varint(total))].concat();
    let table = [
        (first(5), vec![(MORE, &b"[1,"[..]), (0, b"2")]),
        (first(5), vec![(MORE, b"[1,"), (0, b"2]]")]),
        (first(5), vec![(MORE, b"[1,2]"), (MORE, b"]")]),
        (first(5), vec![(MORE, b"[1,"), (MORE, b"")]),
        (names("Probe", "add"), vec![(MORE, b"[1,2]")]),
    ];
    for (header, parts) in table {
        for (index, (flags, body)) in parts.iter().enumerate() {
            peer.send(&frame(REQUEST, *flags, 2, if index == 0 { &header } else { &[] }, body)).await;
        }
        let refused = peer.reply(2).await;
        assert_eq!((refused.code(), refused.is_not_executed()), (INTERNAL, true), "{parts:?}: {refused:?}");
        peer.send(&request(4, "add", b"[1,2]")).await;
        assert_eq!(peer.reply(4).await.body, b"3");
    }
    serving.serves_a_fresh_client().await;
}

/// C8: a client that has no services refuses calls, ignores a Cancel, and its own calls go on.
#[tokio::test]
async fn requests_to_a_client_are_refused_and_its_own_calls_answered() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let running = ProbeClient::new(channel.clone()).add(1, 2).start();
    let id = raw.frame_of(REQUEST).await.id;
    raw.send(&[request(3, "add", b"[1,2]"), frame(CANCEL, 0, 5, &[], &[])].concat()).await;
    let refused = raw.reply(3).await;
    assert_eq!((refused.code(), refused.is_not_executed()), (UNIMPLEMENTED, true));
    raw.send(&[frame(END, 0, id + 2, &[], &[]), frame(RESPONSE, 0, id, &[], b"3")].concat()).await;
    assert_eq!(within("the answer", running).await.unwrap(), 3);
    assert_eq!(channel.late_responses(), 1);
}

/// C10: answers in any order find their calls; a second one for the same call is ignored.
#[tokio::test]
async fn answers_reordered_and_duplicated_complete_each_call_once() {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let probe = ProbeClient::new(channel.clone());
    let calls: Vec<_> = (0..8).map(|n| probe.add(n, 0).start()).collect();
    let mut answers = Vec::new();
    for n in 0..8 {
        let id = raw.frame_of(REQUEST).await.id;
        let answer = frame(RESPONSE, 0, id, &[], n.to_string().as_bytes());
        answers.push([answer, frame(RESPONSE, 0, id, &[], b"1000")].concat());
    }
    answers.reverse();
    raw.send(&answers.concat()).await;
    for (n, call) in (0..).zip(calls) {
        assert_eq!(within_time(Duration::from_secs(1), "the answer", call).await.unwrap(), n);
    }
    raw.send(&frame(PING, 0, 1, &[], &[])).await;
    assert_eq!(raw.frame_of(PONG).await.id, 1);
    assert_eq!((channel.late_responses(), channel.outstanding_calls()), (8, 0));
}

/// C10: the parts of two requests may be mixed; those of one keep their order.
#[tokio::test]
async fn the_parts_of_several_requests_may_be_mixed() {
    let serving = Serving::start_with(Limits::default()).await;
    let mut peer = serving.dialled("json").await;
    let first = [names("Probe", "echo"), field(5, &varint(8))].concat();
    let begin = |id, body| frame(REQUEST, MORE, id, &first, body);
    let more = |id, flags, body| frame(REQUEST, flags, id, &[], body);
    let mixed = [
        begin(2, b"[\"a"),
        begin(4, b"[\"x"),
        more(4, MORE, b"y"),
        request(6, "add", b"[1,2]"),
        more(2, MORE, b"bc"),
        more(4, 0, b"zw\"]"),
        more(2, 0, b"d\"]"),
    ];
    peer.send(&[mixed.concat(), raw::go_away()].concat()).await;
    peer.end().await;
    let values = raw::frames(&peer.rest().await).into_iter().filter(raw::Frame::is_value);
    let values: BTreeMap<_, _> = values.map(|frame| (frame.id, frame.body)).collect();
    assert_eq!(values, BTreeMap::from([(2, b"\"abcd\"".to_vec()), (4, b"\"xyzw\"".to_vec()), (6, b"3".to_vec())]));
    serving.serves_a_fresh_client().await;
}

/// What of this process is in memory.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

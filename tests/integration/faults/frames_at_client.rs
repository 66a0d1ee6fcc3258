//! What a server may send to a client that it should not (C1, C2, C4, C5, C8): an error of that connection that its
//! calls name, or of one call; other channels are served on, and nothing is left.

use std::time::Duration;

use super::{
    probe::{
        ProbeClient, Serving, client_and_raw_server, client_and_raw_server_with, slowest_beside, tasks, tasks_are_back,
    },
    raw::{
        self, CREDIT, END, GO_AWAY, MESSAGE, MORE, PING, PONG, REQUEST, RESPONSE, field, frame, prefix, varint, within,
    },
};
use rpc_runtime::{Channel, Code, CodecKind, ConnectionState, Limits};

/// Bytes that end a connection, and what is said of them.
fn breaking() -> Vec<(Vec<u8>, &'static str)> {
    let mut table: Vec<(Vec<u8>, &str)> =
        (0..12_u32).map(|length| (length.to_le_bytes().to_vec(), "a frame of length")).collect();
    for length in [131_084, 1 << 26, u32::MAX] {
        table.push((length.to_le_bytes().to_vec(), "the limit is 131083"));
    }
    table.extend([
        (frame(CREDIT, 0, 0, &[], &u32::MAX.to_le_bytes()), "request_window"),
        (frame(REQUEST, 0, 2, &raw::names("Probe", "add"), b"[1,2]"), "can not open"),
        (frame(REQUEST, 0, 0, &raw::names("Probe", "add"), b"[1,2]"), "can not open"),
        ([raw::go_away(), raw::go_away()].concat(), "a second goaway"),
        ([raw::go_away(), raw::request(3, "add", b"[1,2]")].concat(), "behind its sender's goaway"),
        (frame(9, 0, 0, &[0xFF; 11], &[]), "goaway frame is refused"),
        (frame(127, 0, 0, &[], &[]), "kind"),
        (frame(PING, 0x80, 0, &[], &[]), "flag"),
        (prefix(12, REQUEST, 0, 1, 3), "header"),
    ]);
    table
}

/// C1, C2, C8.
#[tokio::test]
async fn a_server_that_breaks_the_protocol_loses_its_connection_and_its_calls_name_how() {
    let serving = Serving::start().await;
    serving.serves_a_fresh_client().await;
    let before = tasks();
    for (bytes, said) in breaking() {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let call = ProbeClient::new(channel.clone()).add(1, 2).start();
        raw.frame_of(REQUEST).await;
        raw.send(&bytes).await;
        let failure = within("the failure", call).await.unwrap_err();
        let what = format!("{:02x?}: {failure}", &bytes[..bytes.len().min(24)]);
        assert_eq!((failure.code(), failure.may_have_run()), (Code::Unavailable, true), "{what}");
        assert!(failure.message().contains(said), "{what}");
        raw.broken_off().await;
        let later = ProbeClient::new(channel.clone()).add(1, 2).await.unwrap_err();
        assert!(!later.may_have_run(), "{later}");
        assert!(matches!(channel.state(), ConnectionState::Closed(_)));
        assert_eq!(channel.outstanding_calls(), 0);
    }
    serving.serves_a_fresh_client().await;
    tasks_are_back(before).await;
}

/// C8, C10: what costs nothing at all.
#[tokio::test]
async fn what_a_client_did_not_ask_for_is_passed_over_and_its_calls_are_answered() {
    let harmless = [
        frame(PONG, 0, 77, &[], &[]),
        frame(raw::CANCEL, 0, 3, &[], &[]),
        frame(200, 0xFF, 9, &[1, 2, 3], b"of a later version"),
        frame(RESPONSE, 0, 4_000, &[], b"3"),
        frame(END, 0, 4_000, &[], &[]),
        frame(MESSAGE, 0, 4_000, &[], b"\x01x"),
        frame(CREDIT, 0, 4_000, &[], &1_u32.to_le_bytes()),
        frame(REQUEST, 0, 5, &[], b"a part of nothing"),
    ];
    let before = tasks();
    for bytes in harmless {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let call = ProbeClient::new(channel.clone()).add(1, 2).start();
        let id = raw.frame_of(REQUEST).await.id;
        raw.send(&[bytes.clone(), bytes.clone(), frame(RESPONSE, 0, id, &[], b"3")].concat()).await;
        assert_eq!(within("the answer", call).await.unwrap(), 3, "{bytes:02x?}");
        assert_eq!(channel.outstanding_calls(), 0);
    }
    tasks_are_back(before).await;
}

/// C4: every kind of answer, one byte at a time, gives what it gives in one piece.
#[tokio::test]
async fn answers_byte_by_byte_are_the_same_answers() {
    let mut outcomes = Vec::new();
    for piece in [usize::MAX, 1] {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let probe = ProbeClient::new(channel.clone());
        let sums = [1, 2, 3, 4].map(|n| probe.add(n, 0).start());
        let mut ids = [0; 4];
        for id in &mut ids {
            *id = raw.frame_of(REQUEST).await.id;
        }
        let status = [field(1, &[2]), field(2, b"no"), field(3, &[5])].concat();
        let bytes = [
            frame(RESPONSE, MORE, ids[0], &field(5, &varint(2)), b"1"),
            frame(PING, 0, 8, &[], &[]),
            frame(RESPONSE, 0, ids[1], &field(4, b"\x03keyvalue"), b"2"),
            frame(RESPONSE, 0, ids[0], &[], b"0"),
            frame(200, 0, 9, &[1, 2, 3], b"of a later version"),
            frame(RESPONSE, 0, ids[2], &status, &[]),
            frame(RESPONSE, 0, 4_000, &[], b"3"),
            frame(RESPONSE, 0, ids[3], &[], b"\"seven\""),
        ];
        for piece in bytes.concat().chunks(piece) {
            raw.send(piece).await;
            tokio::task::yield_now().await;
        }
        let mut outcome = Vec::new();
        for sum in sums {
            outcome.push(within("an outcome", sum).await.map_err(|status| status.to_string()));
        }
        assert_eq!(channel.late_responses(), 1);
        outcomes.push(outcome);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!((&outcomes[0][0], &outcomes[0][1]), (&Ok(10), &Ok(2)));
    assert!(outcomes[0][2].is_err() && outcomes[0][3].is_err());
}

/// C5: a server that floods one channel of a process delays no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_floods_a_client_with_tiny_frames_holds_up_no_other_channel() {
    let serving = Serving::start().await;
    let other = ProbeClient::new(serving.channel().await);
    for tiny in [frame(PING, 0, 7, &[], &[]), frame(PONG, 0, 7, &[], &[]), frame(200, 0, 0, &[], &[])] {
        let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
        let flood = [tiny.repeat(10_000), frame(PING, 0, 8, &[], &[])].concat();
        let flooding = async {
            for _ in 0..5 {
                raw.send(&flood).await;
                while raw.frame_of(PONG).await.id != 8 {}
            }
        };
        let longest = slowest_beside(&other, flooding).await;
        assert!(longest < Duration::from_millis(200), "{longest:?} beside {:02x?}", &tiny[4..6]);
        drop(channel);
    }
    serving.serves_a_fresh_client().await;
}

/// A limit that is not named by anything else here: what a client allows holds for its server too.
#[tokio::test]
async fn too_many_faults_of_a_server_end_its_connection_and_name_the_limit() {
    let builder = Channel::builder().limits(Limits::default().protocol_errors(3));
    let (channel, mut raw) = client_and_raw_server_with(builder, CodecKind::Json).await;
    let call = ProbeClient::new(channel).add(1, 2).start();
    raw.frame_of(REQUEST).await;
    raw.send(&frame(END, 0, 4_000, &[], &[]).repeat(4)).await;
    let failure = within("the failure", call).await.unwrap_err();
    assert!(failure.message().contains("protocol_errors"), "{failure}");
    assert_eq!(raw.frame_of(GO_AWAY).await.code(), raw::INTERNAL);
}

#[tokio::test]
async fn a_peer_that_allows_no_calls_is_told_of_at_once_and_not_waited_for() {
    let (near, far) = tokio::io::duplex(4_096);
    let mut raw = raw::Peer::new(far);
    let welcome = r#"{"welcome":{"version":1,"codec":"json","grant":{"in_flight":0},"features":[]}}"#;
    let answer = async {
        raw.handshake().await;
        raw.send(&raw::handshake(welcome)).await;
    };
    let (channel, ()) = tokio::join!(Channel::builder().codec(CodecKind::Json).handshake(near, "raw"), answer);
    let call = ProbeClient::new(channel.unwrap()).add(1, 2).no_timeout();
    let status = within("the refusal", call).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false));
    assert!(status.message().contains("in_flight: the peer allows 0"), "{status}");
}

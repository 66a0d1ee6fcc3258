//! The accepting side against peers that are silent, slow, endless or of another version (B1 to B9, B11); those of
//! another protocol (B10) are in `protocol`.

use std::{io, time::Duration};

use rpc_runtime::{Code, Limits};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{
    probe::{CODECS, Served, Serving, add_arguments, sum},
    raw::{self, INVALID_ARGUMENT, Peer, UNIMPLEMENTED},
};

/// B1.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_closed_after_five_seconds() {
    let (mut peer, served) = Served::pipe(4_096);
    let began = Instant::now();
    peer.is_closed_without_a_word().await;
    assert_eq!(began.elapsed().as_secs(), 5);
    let ended = served.ended().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert!(ended.message().contains("handshake_timeout, 5s"), "{ended}");
}

/// B1 at a port.
#[tokio::test]
async fn silent_peers_of_a_server_are_closed_and_others_served_meanwhile() {
    let serving = Serving::start_with(Limits::default().handshake_timeout(Duration::from_millis(200))).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(serving.peer().await);
    }
    serving.serves_a_fresh_client().await;
    for peer in &mut silent {
        peer.is_closed_without_a_word().await;
    }
    serving.serves_a_fresh_client().await;
}

/// B2.
#[tokio::test(start_paused = true)]
async fn one_byte_a_second_does_not_prolong_the_time_of_the_handshake() {
    let (mut peer, served) = Served::pipe(4_096);
    let began = Instant::now();
    for byte in raw::hello("json") {
        if peer.try_send(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    peer.is_closed_without_a_word().await;
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(served.ended().await.unwrap_err().message().contains("handshake_timeout"));
}

/// B3, the silence.
#[tokio::test(start_paused = true)]
async fn silence_within_a_handshake_is_closed_after_five_seconds_wherever_it_begins() {
    let hello = raw::hello("json");
    for cut in 0..hello.len() {
        let (mut peer, served) = Served::pipe(4_096);
        let began = Instant::now();
        peer.send(&hello[..cut]).await;
        peer.is_closed_without_a_word().await;
        assert_eq!(began.elapsed().as_secs(), 5, "cut at {cut}");
        assert!(served.ended().await.is_err());
    }
}

/// B3, the FIN.
#[tokio::test]
async fn an_end_within_the_handshake_closes_at_once_and_is_told_with_the_count_of_bytes() {
    let hello = raw::hello("json");
    for cut in 0..hello.len() {
        let (mut peer, served) = Served::pipe(4_096);
        peer.send(&hello[..cut]).await;
        peer.end().await;
        peer.is_closed_without_a_word().await;
        let ended = served.ended().await.unwrap_err();
        assert!(ended.message().contains(&format!("after {cut} bytes of the handshake")), "{ended}");
    }
}

/// B3, the RST, and the FIN at a port.
#[tokio::test]
async fn resets_and_ends_within_the_handshake_cost_a_server_nothing() {
    let serving = Serving::start().await;
    let hello = raw::hello("json");
    for cut in [0, 1, 7, 8, 9, 10, 11, hello.len() - 1, hello.len()] {
        let mut ending = serving.peer().await;
        ending.send(&hello[..cut]).await;
        ending.end().await;
        ending.rest().await;
        reset_after(&serving, &hello[..cut]).await;
    }
    serving.serves_a_fresh_client().await;
}

/// B4: the text is refused by its announced length, and what the peer goes on sending is not taken without end.
#[tokio::test(start_paused = true)]
async fn a_text_above_4_kib_is_refused_before_it_comes_and_cut_off_if_it_does() {
    for announced in [4_097, u16::MAX] {
        let (mut peer, served) = Served::pipe(1_024);
        peer.send(&[&raw::MAGIC[..], &announced.to_le_bytes()].concat()).await;
        let refusal = peer.handshake().await;
        assert_eq!(refusal["refusal"]["code"], INVALID_ARGUMENT);
        let reason = refusal["refusal"]["reason"].as_str().unwrap();
        assert!(reason.contains(&announced.to_string()) && reason.contains("4096"), "{reason}");
        let mut taken = 0;
        while peer.try_send(&[b' '; 1_024]).await.is_ok() {
            taken += 1;
            assert!(taken <= 66, "{taken} KiB were taken behind a refusal");
        }
        assert_eq!(served.ended().await.unwrap_err().code(), Code::InvalidArgument);
    }
}

/// B4: what is allowed is allowed to the last byte.
#[tokio::test]
async fn a_text_of_4_kib_is_taken() {
    let (mut peer, _served) = Served::pipe(8_192);
    let text = r#"{"versions":{"min":1,"max":1},"codec":"json"}"#;
    peer.send(&raw::handshake(&format!("{text:<4096}"))).await;
    assert_eq!(peer.handshake().await["welcome"]["codec"], "json");
}

/// B4, the other kinds of text that are no Hello.
#[tokio::test]
async fn a_text_that_is_no_hello_is_refused_with_a_reason() {
    let deep = "[".repeat(4_096);
    let table = [
        "",
        "null",
        "{",
        "{}",
        "\u{7f}\u{1b}[2J",
        &deep,
        r#"{"versions":{"min":1,"max":1}}"#,
        r#"{"codec":"json"}"#,
        r#"{"versions":{"min":1,"max":1},"codec":"json"} {}"#,
        r#"{"versions":{"min":1,"max":1},"codec":7}"#,
        r#"{"versions":{"min":-1,"max":1},"codec":"json"}"#,
        r#"{"versions":{"min":2,"max":1},"codec":"json"}"#,
        r#"{"versions":{"min":1,"max":1},"codec":"json","grant":{"in_flight":4294967296}}"#,
        r#"{"versions":{"min":1,"max":1},"codec":"json","metadata":{"a":1}}"#,
    ];
    for text in table {
        let (mut peer, served) = Served::pipe(8_192);
        peer.send(&raw::handshake(text)).await;
        let refusal = peer.handshake().await;
        assert_eq!(refusal["refusal"]["code"], INVALID_ARGUMENT, "{text}: {refusal}");
        assert!(!refusal["refusal"]["reason"].as_str().unwrap().is_empty());
        peer.end().await;
        peer.is_closed_without_a_word().await;
        assert!(served.ended().await.is_err());
    }
}

/// B5.
#[tokio::test]
async fn the_first_wrong_byte_of_the_magic_ends_the_connection_without_an_answer() {
    for wrong in 0..raw::MAGIC.len() {
        let (mut peer, served) = Served::pipe(4_096);
        let mut magic = raw::MAGIC;
        magic[wrong] ^= 0x20;
        peer.send(&magic[..=wrong]).await;
        peer.is_closed_without_a_word().await;
        let ended = served.ended().await.unwrap_err();
        assert!(ended.message().contains("expected a handshake"), "{ended}");
    }
}

/// B6.
#[tokio::test]
async fn a_peer_without_a_common_version_is_refused_and_told_which_there_is() {
    for versions in [r#"{"min":2,"max":9}"#, r#"{"min":0,"max":0}"#] {
        let (mut peer, served) = Served::pipe(4_096);
        peer.send(&raw::handshake(&format!(r#"{{"versions":{versions},"codec":"json","later":[1]}}"#))).await;
        let refusal = &peer.handshake().await["refusal"];
        assert_eq!(refusal["code"], UNIMPLEMENTED);
        assert_eq!((&refusal["versions"]["min"], &refusal["versions"]["max"]), (&1.into(), &1.into()));
        peer.end().await;
        assert_eq!(served.ended().await.unwrap_err().code(), Code::Unimplemented);
    }
}

/// B6.
#[tokio::test]
async fn a_peer_that_speaks_older_and_newer_versions_too_is_welcomed_with_ours() {
    let (mut peer, _served) = Served::pipe(4_096);
    let newer = r#"{"versions":{"min":0,"max":7,"best":7},"codec":"json","features":["x"],"grant":{"y":1},"z":{}}"#;
    peer.send(&raw::handshake(newer)).await;
    let welcome = &peer.handshake().await["welcome"];
    assert_eq!((&welcome["version"], welcome["features"].as_array().unwrap().len()), (&1.into(), 0));
    peer.send(&raw::request(2, "add", b"[1,2]")).await;
    assert_eq!(peer.reply(2).await.body, b"3");
}

/// B7.
#[tokio::test]
async fn an_unknown_codec_is_refused_and_those_that_there_are_named() {
    let (mut peer, served) = Served::pipe(4_096);
    peer.send(&raw::hello("cbor")).await;
    let refusal = &peer.handshake().await["refusal"];
    assert_eq!(refusal["code"], UNIMPLEMENTED);
    assert!(refusal["reason"].as_str().unwrap().contains("cbor"), "{refusal}");
    assert_eq!(refusal["codecs"], serde_json::json!(CODECS));
    peer.end().await;
    peer.is_closed_without_a_word().await;
    assert!(served.ended().await.unwrap_err().message().contains("cbor"));
}

/// B8. A pipe of two pieces gives the first half of the session in its own read.
#[tokio::test]
async fn a_handshake_and_calls_in_one_segment_are_answered_wherever_it_is_split() {
    for codec in CODECS {
        let calls = (1..=3).map(|n| raw::request(2 * n, "add", &add_arguments(codec, n as i8, 1)));
        let session = [vec![raw::hello(codec)], calls.collect(), vec![raw::go_away()]].concat().concat();
        for split in 0..=session.len() {
            let (near, far) = tokio::io::duplex(4_096);
            let (reader, writer) = tokio::io::split(far);
            let (first, second) =
                (io::Cursor::new(session[..split].to_vec()), io::Cursor::new(session[split..].to_vec()));
            let served = Served::over(tokio::io::join(first.chain(second).chain(reader), writer), Limits::default());
            let mut peer = Peer::new(near);
            peer.end().await;
            let (answer, frames) = raw::answer_and_frames(&peer.rest().await);
            assert_eq!(answer["welcome"]["codec"], codec);
            let mut values: Vec<_> = frames.into_iter().filter(raw::Frame::is_value).collect();
            values.sort_by_key(|frame| frame.id);
            let values: Vec<_> = values.into_iter().map(|frame| (frame.id, frame.body)).collect();
            assert_eq!(values, [2, 3, 4].map(|n| (2 * (n as u64 - 1), sum(codec, n))), "split at {split}");
            served.ended().await.unwrap();
        }
    }
}

/// B8 at a port: nothing of the calls is lost that ride behind the Hello.
#[tokio::test]
async fn sixty_four_calls_ride_behind_the_hello() {
    let serving = Serving::start().await;
    let mut peer = serving.peer().await;
    let calls = (1..=64).flat_map(|n| raw::request(2 * n, "add", &add_arguments("json", n as i8, 0)));
    peer.send(&[raw::hello("json"), calls.collect(), raw::go_away()].concat()).await;
    peer.end().await;
    let (_, frames) = raw::answer_and_frames(&peer.rest().await);
    let mut values: Vec<_> =
        frames.into_iter().filter(raw::Frame::is_value).map(|frame| (frame.id, frame.body)).collect();
    values.sort();
    assert_eq!(values, (1..=64).map(|n| (2 * n, n.to_string().into_bytes())).collect::<Vec<_>>());
    serving.serves_a_fresh_client().await;
}

/// B8: a refusal executes none of the calls behind the Hello and is readable all the same.
#[tokio::test]
async fn a_refusal_can_be_read_by_a_peer_that_sent_calls_behind_its_hello() {
    let serving = Serving::start().await;
    let mut peer = serving.peer().await;
    let calls = (1..=64).flat_map(|n| raw::request(2 * n, "echo", &[b'x'; 900]));
    peer.send(&[raw::hello("cbor"), calls.collect()].concat()).await;
    assert_eq!(peer.handshake().await["refusal"]["code"], UNIMPLEMENTED);
    peer.end().await;
    peer.is_closed_without_a_word().await;
    serving.serves_a_fresh_client().await;
}

/// B9.
#[tokio::test]
async fn garbage_behind_a_good_handshake_is_answered_by_a_good_bye_with_the_reason() {
    let serving = Serving::start().await;
    let noise: Vec<u8> = (0..4_096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 64], &[0xFF; 64], &noise, b"\r\n\r\n"] {
        let mut peer = serving.dialled("json").await;
        peer.send(garbage).await;
        let goodbye = peer.broken_off().await;
        assert!(goodbye.message().contains("a frame of length"), "{}", goodbye.message());
        serving.serves_a_fresh_client().await;
    }
}

/// B11.
#[tokio::test]
async fn a_second_handshake_is_a_fault_of_the_connection() {
    let serving = Serving::start().await;
    let mut peer = serving.dialled("json").await;
    peer.send(&raw::hello("json")).await;
    let goodbye = peer.broken_off().await;
    assert!(goodbye.message().contains("a frame of length 1129337589"), "{}", goodbye.message());
    serving.serves_a_fresh_client().await;
}

/// Sends `bytes` and resets the connection.
async fn reset_after(serving: &Serving, bytes: &[u8]) {
    let mut stream = TcpStream::connect(serving.socket_address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

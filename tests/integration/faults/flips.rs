//! Every bit of a short session, flipped once (C9): a call whose own frame is whole ends with its own result or an
//! error, never with another call's reply; nothing panics, nothing hangs. The clock is paused: no stall takes time.

use std::ops::Range;

use rpc_runtime::CodecKind;

use super::{
    probe::{ProbeClient, Served, client_and_raw_server},
    raw::{self, PING, REQUEST, RESPONSE, frame, request},
};

/// No two of them, nor 0, differ in one bit only, so that a flip never makes one of another.
const IDS: [u64; 3] = [0b00_0110, 0b01_1000, 0b10_1010];
const VALUES: [&str; 3] = ["11", "22", "33"];

/// A session with three calls; and where the frame of each stands in it.
fn session() -> (Vec<u8>, [Range<usize>; 3]) {
    let mut bytes = raw::hello("json");
    let frames = [0, 1, 2].map(|n| {
        let start = bytes.len();
        bytes.extend(request(IDS[n], "add", format!("[{},0]", VALUES[n]).as_bytes()));
        start..bytes.len()
    });
    bytes.extend(raw::go_away());
    (bytes, frames)
}

/// C9 at the server.
#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_a_session_never_gives_a_call_the_reply_of_another() {
    let (session, places) = session();
    let mut untouched = 0;
    for bit in 0..8 * session.len() {
        let mut bytes = session.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (mut peer, served) = Served::pipe(1 << 16);
        peer.send(&bytes).await;
        peer.end().await;
        let answer = peer.rest().await;
        // The handshake may have failed; then nothing is answered, or a refusal.
        if let Ok(_reason) = served.ended().await {
            let (_, answers) = raw::answer_and_frames(&answer);
            untouched += judge(&answers, bit, &places);
        }
    }
    // A flip behind a frame's lengths costs one call at most: these were not empty sessions.
    assert!(untouched > 1_000, "{untouched}");
}

/// How many calls got their own result; panics where one that was sent as it is got another one.
fn judge(answers: &[raw::Frame], bit: usize, places: &[Range<usize>; 3]) -> usize {
    let mut right = 0;
    for ((id, value), place) in IDS.iter().zip(VALUES).zip(places) {
        let own: Vec<_> = answers.iter().filter(|frame| frame.id == *id && frame.kind == RESPONSE).collect();
        assert!(own.len() <= 1, "bit {bit}: several answers to the call {id}: {own:?}");
        if let [answer] = own[..] {
            let is_own = answer.is_value() && answer.body == value.as_bytes();
            assert!(is_own || !answer.is_value() || place.contains(&(bit / 8)), "bit {bit}: {answer:?}");
            right += usize::from(is_own);
        }
    }
    right
}

/// C9 at the client: the same flips in what the server sends.
#[tokio::test(start_paused = true)]
async fn a_flipped_bit_in_the_answers_never_gives_a_call_the_reply_of_another() {
    let length = answers(IDS).concat().len();
    let mut right = 0;
    for bit in 0..8 * length {
        right += calls_with_flip(bit).await;
    }
    assert!(right > 8 * length, "{right}");
}

/// The responses to calls with these ids.
fn answers(ids: [u64; 3]) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|n| frame(RESPONSE, 0, ids[n], &[], VALUES[n].as_bytes()))
}

/// Answers three calls with one bit flipped; gives how many got their own result.
async fn calls_with_flip(bit: usize) -> usize {
    let (channel, mut raw) = client_and_raw_server(CodecKind::Json).await;
    let probe = ProbeClient::new(channel.clone());
    let running = VALUES.map(|value| probe.add(value.parse().unwrap(), 0).start());
    let mut ids = [0; 3];
    for id in &mut ids {
        *id = raw.frame_of(REQUEST).await.id;
    }
    let frames = answers(ids);
    let flipped_call = bit / 8 / frames[0].len();
    let mut bytes = frames.concat();
    bytes[bit / 8] ^= 1 << (bit % 8);
    raw.send(&[bytes, raw::go_away()].concat()).await;
    raw.end().await;
    let mut right = 0;
    for (n, call) in running.into_iter().enumerate() {
        let outcome = raw::within_time(std::time::Duration::from_secs(60), "the outcome", call).await;
        let is_own = matches!(&outcome, Ok(value) if value.to_string() == VALUES[n]);
        assert!(is_own || outcome.is_err() || n == flipped_call, "bit {bit}: {n}: {outcome:?}");
        right += usize::from(is_own);
    }
    right
}

/// The sessions above are right before a bit is flipped.
#[tokio::test(start_paused = true)]
async fn the_sessions_without_a_flip_are_answered() {
    let (session, _) = session();
    let (mut peer, served) = Served::pipe(1 << 16);
    peer.send(&[session, frame(PING, 0, 1, &[], &[])].concat()).await;
    peer.end().await;
    let (_, answers) = raw::answer_and_frames(&peer.rest().await);
    let mut values: Vec<_> = answers.into_iter().filter(raw::Frame::is_value).collect();
    values.sort_by_key(|frame| frame.id);
    assert_eq!(
        values.iter().map(|frame| (frame.id, &frame.body[..])).collect::<Vec<_>>(),
        [(IDS[0], b"11".as_slice()), (IDS[1], b"22"), (IDS[2], b"33"),]
    );
    served.ended().await.unwrap();
}

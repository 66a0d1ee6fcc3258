//! Streams over connections that break at any byte, and with peers that send anything: everything comes to its end.

use futures_util::{StreamExt, stream};
use rpc_runtime::{Channel, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{
    GRANT, collect, raw, raw_client, server,
    service::{Here, TidesClient},
    spawn, then_silence, within,
};

/// Hands on so many bytes in either direction, and then breaks both.
async fn relay(client: DuplexStream, server: DuplexStream, bytes: usize) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (tokio::io::split(client), tokio::io::split(server));
    let (mut up, mut down) = ([0; 512], [0; 512]);
    let (mut left_up, mut left_down) = (bytes, bytes);
    while left_up > 0 && left_down > 0 {
        let (most_up, most_down) = (left_up.min(512), left_down.min(512));
        tokio::select! {
            read = from_client.read(&mut up[..most_up]) => match read {
                Ok(count) if count > 0 && to_server.write_all(&up[..count]).await.is_ok() => left_up -= count,
                _ => return,
            },
            read = from_server.read(&mut down[..most_down]) => match read {
                Ok(count) if count > 0 && to_client.write_all(&down[..count]).await.is_ok() => left_down -= count,
                _ => return,
            },
        }
    }
}

#[tokio::test]
async fn streams_of_a_connection_that_breaks_at_any_byte_all_end_and_leave_nothing() {
    // Behind the handshakes, of less than 300 bytes; then through items, ends and credits of all lengths.
    for bytes in (300..1_000).step_by(7).chain((1_000..60_000).step_by(1_777)) {
        let here = Here::new();
        let ((near, middle), (beyond, far)) = (tokio::io::duplex(4_096), tokio::io::duplex(4_096));
        let serving = spawn(server(&here, Limits::default()).serve_connection(far, "torn"));
        let relaying = spawn(relay(middle, beyond, bytes));
        let channel = Channel::builder().handshake(near, "torn").await.unwrap();
        let tides = TidesClient::new(channel.clone());
        let (count, blocks) = (tides.count(5_000).start(), tides.blocks(20, 3_000).start());
        let (echo, total) = (
            tides.echo(here.watched(stream::iter(0..9).map(|n| vec![n; 1_000]))).start(),
            tides.total(here.watched(then_silence(0..10))).start(),
        );
        let numbers = match within("numbers", count).await {
            Ok(count) => within("numbers", collect(count)).await.0,
            Err(status) => {
                assert_eq!(status.code(), rpc_runtime::Code::Unavailable, "{status}");
                Vec::new()
            }
        };
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "items in their order");
        if let Ok(blocks) = within("blocks", blocks).await {
            let (blocks, _) = within("blocks", collect(blocks)).await;
            assert!(blocks.iter().zip(0..).all(|(block, n)| *block == vec![n; 3_000]));
        }
        if let Ok(echo) = within("an echo", echo).await {
            let (echo, _) = within("an echo", collect(echo)).await;
            assert!(echo.iter().zip(0..).all(|(block, n)| *block == vec![n; 1_000]));
        }
        if bytes < 50_000 {
            let status = within("a total", total).await.unwrap_err();
            assert_eq!(status.code(), rpc_runtime::Code::Unavailable, "{status}");
        }
        channel.close();
        let _ = within("the relay", relaying).await;
        let _ = within("the server", serving).await.unwrap();
        within("the drop of all", here.live(0)).await;
    }
}

#[tokio::test]
async fn whatever_frames_of_streams_a_peer_sends_its_connection_ends_or_serves_on() {
    for seed in 0..300_u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = move |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let (mut peer, here, serving) = raw_client("bincode", GRANT, Limits::default().streams(4)).await;
        let methods = ["hang", "stuck", "echo", "first", "leave", "count", "total", "late"];
        let mut bytes = Vec::new();
        for _ in 0..60 {
            let id = 2 + 2 * below(6);
            let kind =
                [raw::REQUEST, raw::MESSAGE, raw::MESSAGE, raw::END, raw::CANCEL, raw::CREDIT][below(6) as usize];
            let method = methods[below(8) as usize];
            let total = raw::field(5, &raw::varint(below(200_000)));
            let (header, body) = match kind {
                raw::REQUEST => (raw::names("Tides", method), vec![below(9) as u8; below(2) as usize]),
                raw::MESSAGE if below(4) == 0 => (total, vec![below(256) as u8; below(3_000) as usize]),
                raw::MESSAGE => (Vec::new(), [1, below(9) as u8].repeat(below(40) as usize)),
                raw::END if below(4) == 0 => (raw::field(1, &[below(5) as u8]), Vec::new()),
                raw::CREDIT => (Vec::new(), (below(100_000) as u32).to_le_bytes().to_vec()),
                _ => (Vec::new(), Vec::new()),
            };
            let flags = if below(6) == 0 { raw::MORE } else { 0 };
            bytes.extend(raw::frame(kind, if kind >= raw::END { 0 } else { flags }, id, &header, &body));
        }
        // It may be cut off in the middle.
        let _ = peer.try_send(&bytes).await;
        let _ = peer.try_send(&raw::frame(raw::REQUEST, 0, 1_000, &raw::names("Tides", "add"), &[20, 22])).await;
        loop {
            let frame = peer.frame().await;
            if frame.kind == raw::GO_AWAY {
                break;
            }
            if frame.id == 1_000 {
                assert_eq!(frame.body, [42], "seed {seed}: {frame:?}");
                break;
            }
        }
        drop(peer);
        within("the end", serving).await.unwrap();
        within("the drop of all", here.live(0)).await;
    }
}

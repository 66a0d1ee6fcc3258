//! Floods of streams: opened and cancelled as fast as a peer can, and frames of streams without calls.

use futures_util::{StreamExt, stream};
use rpc_runtime::{Channel, Limits, ServerHandle};
use tokio::net::TcpStream;

use super::{
    GRANT, IDLE, cancel, credit, end, message, raw,
    raw::Peer,
    request, server,
    service::{Here, TidesClient},
    spawn, until, within,
};

/// A server, what a test sees of it, and a raw peer behind its handshake.
async fn attacked(limits: Limits) -> (Here, ServerHandle, String, Peer<TcpStream>) {
    let here = Here::new();
    let served = server(&here, limits).bind("tcp://127.0.0.1:0").await.unwrap();
    let (handle, address) = (served.handle(), served.local_address().to_owned());
    spawn(served.serve());
    let stream = TcpStream::connect(address.trim_start_matches("tcp://")).await.unwrap();
    let mut peer = Peer::new(stream);
    peer.send(&raw::hello_granting("bincode", GRANT)).await;
    peer.handshake().await;
    (here, handle, address, peer)
}

async fn is_as_before(handle: &ServerHandle, address: &str) {
    let tides = TidesClient::new(Channel::connect(address).await.unwrap());
    assert_eq!(within("a fresh client", tides.total(stream::iter(0..4))).await.unwrap(), 6);
    until(
        "the server is as before",
        || handle.stats(),
        |stats| {
            (stats.served_in_flight, stats.running, stats.handlers_abandoned) == (0, 0, 0)
                && stats.memory_held <= 2 * IDLE
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_opened_and_cancelled_at_once_stay_within_all_limits() {
    const PAIRS: u64 = 20_000;
    let (here, handle, address, peer) = attacked(Limits::default().streams(32)).await;
    let (mut reading, mut writing) = peer.into_io().into_split();
    let draining = spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
    let flooding = spawn(async move {
        for n in 0..PAIRS {
            let id = 2 + 2 * n;
            let pair = match n % 3 {
                0 => [request(id, "hang", &[1]), cancel(id)].concat(),
                1 => [request(id, "stuck", &[]), message(id, &[&[0]]), cancel(id)].concat(),
                _ => [request(id, "echo", &[]), message(id, &[&[0]]), end(id), cancel(id)].concat(),
            };
            if tokio::io::AsyncWriteExt::write_all(&mut writing, &pair).await.is_err() {
                // More than so many faults: it was cut off, which is an end of the flood as well.
                return;
            }
        }
        drop(writing);
    });
    let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
    let (mut most_running, mut most_held) = (0, 0);
    while !flooding.is_finished() {
        assert_eq!(within("an honest call", tides.add(1, 2)).await.unwrap(), 3);
        let stats = handle.stats();
        (most_running, most_held) = (most_running.max(stats.running), most_held.max(stats.memory_held));
    }
    flooding.await.unwrap();
    assert!(most_running <= 256 + 1, "{most_running} handlers ran");
    assert!(most_held <= 8 << 20, "{most_held} bytes were held");
    let _ = within("the rest", draining).await;
    within("the end of all", here.live(0)).await;
    is_as_before(&handle, &address).await;
}

#[tokio::test]
async fn a_client_that_opens_and_drops_streams_quickly_meets_no_refusal() {
    let (here, handle, address, _peer) = attacked(Limits::default().streams(4)).await;
    let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
    for n in 0..3_000 {
        match n % 3 {
            0 => drop(within("a stream", tides.hang(1)).await.unwrap()),
            1 => drop(tides.total(stream::repeat(1)).start()),
            _ => {
                let mut count = within("a stream", tides.count(10)).await.unwrap();
                assert_eq!(within("an item", count.next()).await.unwrap().unwrap(), 0);
            }
        }
    }
    within("the end of all", here.live(0)).await;
    let stats = handle.stats();
    assert_eq!((stats.protocol_faults, stats.refused.streams), (0, 0), "{stats:?}");
    is_as_before(&handle, &address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_for_a_stream_is_free_as_soon_as_its_end_was_told() {
    let (here, handle, address, _peer) = attacked(Limits::default().streams(1)).await;
    let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
    for n in 0..2_000 {
        assert_eq!(within("an answer", tides.first(stream::iter(n..))).await.unwrap(), n);
    }
    let stats = handle.stats();
    assert_eq!((stats.protocol_faults, stats.refused.streams), (0, 0), "{stats:?}");
    within("the end of all", here.live(0)).await;
}

#[tokio::test]
async fn frames_of_streams_without_calls_cost_nothing() {
    let (_here, handle, address, mut peer) = attacked(Limits::default()).await;
    for n in 0..2_000 {
        let id = 2 + 2 * n;
        let part = raw::frame(raw::MESSAGE, raw::MORE, id, &raw::field(5, &raw::varint(100_000)), &[0; 1_000]);
        peer.send(&[cancel(id), credit(id, 9), message(id, &[&[1]]), end(id), part].concat()).await;
    }
    peer.send(&request(2, "add", &[20, 22])).await;
    assert_eq!(peer.reply(2).await.body, [42]);
    assert!(handle.stats().memory_held <= 4 * IDLE, "{:?}", handle.stats());
    drop(peer);
    is_as_before(&handle, &address).await;
}

#[tokio::test]
async fn ten_thousand_streams_above_the_limit_wait_their_turns() {
    const CALLS: u64 = 10_000;
    let (here, handle, address, _peer) = attacked(Limits::default().streams(8)).await;
    let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
    let calls: Vec<_> = (0..CALLS).map(|n| tides.total(stream::iter([n])).start()).collect();
    assert!(tides.channel().stats().calls_waiting >= 9_000);
    assert_eq!(within("a call beside them", tides.add(1, 2)).await.unwrap(), 3);
    for (n, call) in (0..).zip(calls) {
        assert_eq!(within("its turn", call).await.unwrap(), n);
    }
    here.live(0).await;
    assert_eq!(handle.stats().refused.streams, 0);
    is_as_before(&handle, &address).await;
}

#[tokio::test(start_paused = true)]
async fn half_an_item_and_silence_ends_the_connection() {
    let (mut peer, here, serving) = super::raw_client("bincode", GRANT, Limits::default()).await;
    peer.send(&request(2, "stuck", &[])).await;
    here.live(1).await;
    let header = raw::field(5, &raw::varint(1 << 20));
    peer.send(&raw::frame(raw::MESSAGE, raw::MORE, 2, &header, &[0xFC; 60_000])).await;
    // Pings are no excuse.
    let began = tokio::time::Instant::now();
    while !serving.is_finished() {
        let _ = peer.try_send(&raw::frame(raw::PING, 0, 1, &[], &[])).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "it goes on");
    }
    let ended = serving.await.unwrap();
    assert!(ended.message().contains("stall_timeout"), "{ended}");
    here.live(0).await;
}

#[tokio::test]
async fn unfinished_and_unread_items_of_many_peers_stay_within_the_memory() {
    const MEMORY: usize = 8 << 20;
    let here = Here::new();
    let served = server(&here, Limits::default()).memory(MEMORY).bind("tcp://127.0.0.1:0").await.unwrap();
    let (handle, address) = (served.handle(), served.local_address().to_owned());
    spawn(served.serve());
    let mut peers = Vec::new();
    for _ in 0..10 {
        let stream = TcpStream::connect(address.trim_start_matches("tcp://")).await.unwrap();
        let mut peer = Peer::new(stream);
        if peer.try_send(&raw::hello_granting("bincode", GRANT)).await.is_err() {
            continue;
        }
        for n in 0..64 {
            let id = 2 + 2 * n;
            let header = raw::field(5, &raw::varint(4 << 20));
            let half = raw::frame(raw::MESSAGE, raw::MORE, id, &header, &[0xFC; 60_000]);
            let unread = message(id + 256, &[&[0; 60_000]]);
            let both = [request(id, "stuck", &[]), half, request(id + 256, "stuck", &[]), unread].concat();
            if peer.try_send(&both).await.is_err() {
                break;
            }
            let held = handle.stats().memory_held;
            assert!(held <= MEMORY + (1 << 20), "{held} bytes are held");
        }
        peers.push(peer);
    }
    assert!(handle.stats().closed.memory > 0 || handle.stats().refused.memory > 0, "{:?}", handle.stats());
    drop(peers);
    within("the end of all", here.live(0)).await;
    is_as_before(&handle, &address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_of_all_kinds_at_once_come_to_their_ends_on_several_threads() {
    let (here, handle, address, _peer) = attacked(Limits::default().streams(16)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16_u64 {
        let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
        for lane in 0..4 {
            let (tides, here) = (tides.clone(), here.clone());
            tasks.spawn(async move {
                for n in 0..30 {
                    match (n + lane + task) % 6 {
                        0 => assert_eq!(tides.total(here.watched(stream::iter(0..n * 10))).await.unwrap(), sum(n * 10)),
                        1 => {
                            let numbers = super::complete(tides.count(n * 100).await.unwrap()).await;
                            assert_eq!(numbers.len() as u64, n * 100);
                        }
                        2 => assert_eq!(tides.first(here.watched(stream::iter(n..))).await.unwrap(), n),
                        3 => drop(tides.hang(n).await.unwrap()),
                        4 => {
                            let sent = here.watched(stream::iter(0..n).map(|n| vec![n as u8; 5_000]));
                            assert_eq!(super::complete(tides.echo(sent).await.unwrap()).await.len() as u64, n);
                        }
                        _ => {
                            let mut blocks = tides.blocks(u64::MAX, 10_000).await.unwrap();
                            for _ in 0..n {
                                blocks.next().await.unwrap().unwrap();
                            }
                        }
                    }
                }
            });
        }
    }
    while let Some(done) = within("all of them", tasks.join_next()).await {
        done.unwrap();
    }
    within("the end of all", here.live(0)).await;
    assert_eq!(handle.stats().protocol_faults, 0);
    is_as_before(&handle, &address).await;
}

fn sum(below: u64) -> u64 {
    (0..below).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_that_begin_while_their_connection_is_lost_come_to_an_end() {
    for n in 0..200_u32 {
        let linked = super::Linked::new().await;
        let link = linked.link;
        let cutting = spawn(async move {
            for _ in 0..n % 20 {
                tokio::task::yield_now().await;
            }
            drop(link);
        });
        let (count, total) =
            (linked.tides.count(5_000).start(), linked.tides.total(linked.here.watched(stream::repeat(1))).start());
        if let Ok(count) = within("the stream", count).await {
            let (_, _) = within("its end", super::collect(count)).await;
        }
        assert!(within("the total", total).await.is_err());
        cutting.await.unwrap();
        within("the drop of all", linked.here.live(0)).await;
    }
}

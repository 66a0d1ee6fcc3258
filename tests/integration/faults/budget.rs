//! E13 and the `memory` budget: what is refused above three quarters, who is closed at the limit, on both sides; and
//! that what is counted is what the process really holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, ConnectionState, Limits};
use tokio::net::TcpStream;

use super::{
    floods::{Flooded, request},
    peer_b,
    probe::{ProbeClient, client_and_raw_server_with},
    raw::{self, GO_AWAY, MORE, PING, PONG, Peer, REQUEST, RESOURCE_EXHAUSTED, RESPONSE, field, frame, hello, names},
    raw::{varint, within, within_time},
};

const MIB: usize = 1 << 20;

/// The first part of a request of 4 MiB, and a later one.
fn first_part(id: u64, bytes: usize) -> Vec<u8> {
    let header = [names("Flood", "measure"), field(5, &varint(4 << 20))].concat();
    frame(REQUEST, MORE, id, &header, &vec![0; bytes])
}

fn later_part(id: u64, bytes: usize) -> Vec<u8> {
    frame(REQUEST, MORE, id, &[], &vec![0; bytes])
}

/// A peer that has begun so many messages, with 64 KiB of each, and stays.
async fn holder(flooded: &Flooded, messages: u64) -> Peer<TcpStream> {
    let mut peer = flooded.peer().await;
    for message in 1..=messages {
        peer.send(&first_part(2 * message, 65_536)).await;
    }
    peer
}

#[tokio::test]
async fn above_three_quarters_the_calls_of_who_holds_much_are_refused_unexecuted_and_everybody_else_is_served() {
    let flooded = Flooded::start(Limits::default(), 4 * MIB).await;
    let client = flooded.client().await;
    assert_eq!(client.add(1, 2).await.unwrap(), 3);
    let mut holder = holder(&flooded, 50).await;
    flooded.until("three quarters", |stats| stats.memory_held > 3 * MIB).await;
    holder.send(&request(1_000, "add", &[1, 2])).await;
    // The last that it had begun may have been refused, too.
    let refused = loop {
        let frame = holder.frame().await;
        if frame.id == 1_000 {
            break frame;
        }
    };
    assert_eq!((refused.code(), refused.is_not_executed()), (RESOURCE_EXHAUSTED, true), "{refused:?}");
    assert!(refused.message().contains("memory: ") && refused.message().contains("limit of 4194304"), "{refused:?}");
    assert_eq!(within("the call", client.add(1, 2)).await.unwrap(), 3, "of one that holds nothing");
    flooded.serves_a_fresh_client().await;
    let stats = flooded.handle.stats();
    assert!(stats.memory_held > 3 * MIB && stats.memory_held < 4 * MIB, "{stats:?}");
    assert!(stats.refused.memory >= 1, "{stats:?}");
    assert_eq!((stats.refused.memory_connections, stats.memory_limit), (0, 4 * MIB));
    assert_eq!(stats.closed.memory, 0, "nobody is closed below the limit");
    drop(holder);
    flooded.until("room", |stats| stats.memory_held == 0).await;
    drop(client);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

#[tokio::test]
async fn at_the_limit_the_largest_holder_alone_is_closed_and_told_why() {
    let flooded = Flooded::start(Limits::default(), 4 * MIB).await;
    let client = flooded.client().await;
    let running = client.wait().start();
    flooded.until("the call", |stats| stats.running == 1).await;
    let mut small = holder(&flooded, 4).await;
    let mut large = holder(&flooded, 36).await;
    flooded.until("both", |stats| stats.memory_held >= 40 * 65_536).await;
    // Messages that were begun go on, also above three quarters; their memory doubles as they grow.
    for part in 0..4 {
        for message in 1..=4 {
            small.send(&later_part(2 * message, 65_536)).await;
        }
        if part == 0 {
            flooded.until("they have gone on", |stats| stats.memory_held >= 52 * 65_536).await;
            assert_eq!(flooded.handle.stats().closed.memory, 0);
        }
    }
    let last = raw::frames(&large.rest().await).pop().expect("a good-bye");
    assert_eq!((last.kind, last.code()), (GO_AWAY, RESOURCE_EXHAUSTED), "{last:?}");
    assert!(last.message().contains("memory: ") && last.message().contains("4194304"), "{last:?}");
    assert!(last.message().contains("holds most"), "{last:?}");
    flooded.until("its share is given back", |stats| stats.memory_held <= 5 * MIB / 2).await;
    let stats = flooded.handle.stats();
    assert_eq!((stats.closed.memory, stats.closed.protocol, stats.running), (1, 0, 1), "{stats:?}");
    small.send(&frame(PING, 0, 7, &[], &[])).await;
    assert_eq!(small.frame_of(PONG).await.id, 7, "the others go on");
    drop((small, large, running, client));
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// Each of its messages gets a byte before it counts as silent, and all together stay below the limit.
#[tokio::test]
async fn a_peer_that_drips_bytes_above_three_quarters_does_not_keep_the_others_out_for_ever() {
    let stall = Duration::from_millis(400);
    let flooded = Flooded::start(Limits::default().stall_timeout(stall), 4 * MIB).await;
    // Their memory doubles with the first byte, to 3.5 MiB, and then lasts for long.
    let mut dripping = holder(&flooded, 28).await;
    let dripped = async {
        // For as long as anybody reads it.
        while flooded.handle.stats().closed.memory == 0 {
            let drips: Vec<u8> = (1..=28).flat_map(|message| later_part(2 * message, 1)).collect();
            dripping.send(&drips).await;
            tokio::time::sleep(stall / 4).await;
        }
    };
    within_time(30 * stall, "the end of the one that drips", dripped).await;
    let last = raw::frames(&dripping.rest().await).pop().expect("a good-bye");
    assert_eq!((last.kind, last.code()), (GO_AWAY, RESOURCE_EXHAUSTED), "{last:?}");
    flooded.until("room", |stats| stats.memory_held == 0).await;
    assert_eq!(flooded.handle.stats().closed.silent, 0);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// E3 with many: each within its own limit of unsent responses, all together above what there is.
#[tokio::test]
async fn peers_that_never_read_hold_no_more_than_the_budget_together() {
    let flooded = Flooded::start(Limits::default().running(8), 8 * MIB).await;
    let mut peers = Vec::new();
    for _ in 0..24 {
        let socket = TcpStream::connect(flooded.address.trim_start_matches("tcp://")).await.unwrap();
        socket2::SockRef::from(&socket).set_recv_buffer_size(4_096).unwrap();
        let shaking = within_time(Duration::from_secs(5), "a handshake", peer_b::Peer::dial_or_refused(socket)).await;
        let Some(mut peer) = shaking else { continue };
        // Replies of 3 MiB: `FC` and four bytes.
        let requests = (1..=8).flat_map(|n| request(2 * n, "fill", &[0xFC, 0, 0, 0x30, 0])).collect::<Vec<u8>>();
        peer.send(&requests).await;
        peers.push(peer);
    }
    flooded.until("the limit is reached", |stats| stats.closed.memory > 0).await;
    flooded.until("it is kept to", |stats| stats.memory_held < 8 * MIB).await;
    drop(peers);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// Bytes of memory that the system counts for this process: `VmRSS` now, `VmHWM` at most. The peak is left to the
/// system to keep, as a busy machine may not let this program look while it lasts.
#[cfg(target_os = "linux")]
fn resident(what: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() << 10
}

/// Sends all of its messages but their last bytes, part by part in turn, until it is refused, closed or told to stop.
async fn hostile(address: &str, stop: &AtomicBool) -> Option<Peer<TcpStream>> {
    const MESSAGES: u64 = 256;
    let mut peer = Peer::new(TcpStream::connect(address).await.unwrap());
    peer.send(&hello("bincode")).await;
    if peer.handshake().await["welcome"].is_null() {
        return None;
    }
    let mut later = later_part(2, 65_536);
    for part in 0..64 {
        for message in 0..MESSAGES {
            let id = 2 + 2 * message;
            let sent = if part == 0 {
                peer.try_send(&first_part(id, 65_536)).await
            } else {
                later[8..16].copy_from_slice(&id.to_le_bytes());
                // All but the last byte of the last part.
                let short = if part == 63 { later_part(id, 65_535) } else { Vec::new() };
                peer.try_send(if part == 63 { &short } else { &later }).await
            };
            if sent.is_err() || stop.load(SeqCst) {
                return sent.is_ok().then_some(peer);
            }
        }
    }
    Some(peer)
}

/// The same again and again: the first few may take all memory before the others are let in.
async fn always_hostile(address: String, stop: Arc<AtomicBool>) -> Option<Peer<TcpStream>> {
    loop {
        let peer = hostile(&address, &stop).await;
        if stop.load(SeqCst) {
            return peer;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// E13: 10 GiB of messages without their last byte, against 32 MiB. A window that lets them come is set on purpose.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_peers_with_256_unfinished_messages_each_hold_no_more_than_the_budget() {
    const BUDGET: usize = 32 * MIB;
    let limits = Limits::default().request_window(1 << 31).protocol_errors(u32::MAX);
    let flooded = Flooded::start(limits, BUDGET).await;
    flooded.serves_a_fresh_client().await;
    let honest = flooded.client().await;
    assert_eq!(honest.add(1, 2).await.unwrap(), 3);
    // Where this is forbidden, it is the most since the process began.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = resident("VmRSS");
    let stop = Arc::new(AtomicBool::new(false));
    let address = flooded.address.trim_start_matches("tcp://");
    let mut peers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        peers.spawn(always_hostile(address.to_owned(), Arc::clone(&stop)));
    }
    let (mut held, began) = (0, Instant::now());
    let mut closed = 0;
    // Once at least, however late this task is let run.
    while closed < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", flooded.handle.stats());
        held = held.max(flooded.handle.stats().memory_held);
        match within_time(Duration::from_secs(5), "the honest call", honest.add(1, 2)).await {
            Ok(sum) => assert_eq!(sum, 3),
            Err(status) => {
                assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false), "{status}");
            }
        }
        closed = flooded.handle.stats().closed.memory;
    }
    stop.store(true, SeqCst);
    let left: Vec<_> = peers.join_all().await.into_iter().flatten().collect();
    let grown = resident("VmHWM").saturating_sub(before);
    // What each thread takes before it tells, and one message of 4 MiB.
    assert!(held <= BUDGET + 2 * (MIB + 4 * MIB), "{held} bytes were counted");
    // What peers and sockets of this process take is in it, and what the allocator keeps.
    assert!(grown <= 3 * BUDGET, "the process has grown by {grown} bytes");
    assert!(grown >= BUDGET / 2, "what is counted is really held: {grown} bytes");
    drop(left);
    flooded.until("the memory is given back", |stats| stats.memory_held == 0 && stats.connections == 1).await;
    assert_eq!(honest.add(1, 2).await.unwrap(), 3, "the honest connection was not closed");
    drop(honest);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// E13 with the default window, which closes such peers long before.
#[tokio::test]
async fn with_the_default_window_unfinished_messages_cost_their_peer_the_connection() {
    let flooded = Flooded::start(Limits::default(), 256 * MIB).await;
    let address = flooded.address.trim_start_matches("tcp://").to_owned();
    let stop = AtomicBool::new(false);
    let peers = (0..10).map(|_| hostile(&address, &stop));
    assert!(within_time(Duration::from_secs(60), "they are closed", join_all(peers)).await.iter().all(Option::is_none));
    assert_eq!(flooded.handle.stats().closed.protocol, 10);
    flooded.is_back_at_its_baseline().await;
    flooded.serves_a_fresh_client().await;
}

/// A channel whose server begins 4 MiB of each reply and never ends it.
#[tokio::test]
async fn a_channel_refuses_its_own_calls_above_three_quarters_and_is_closed_at_the_limit() {
    let builder = Channel::builder().memory(8 * MIB);
    let (channel, mut raw) = client_and_raw_server_with(builder, CodecKind::Bincode).await;
    let probe = ProbeClient::new(channel.clone());
    let calls: Vec<_> = (0..4).map(|_| probe.add(1, 2).start()).collect();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(raw.frame_of(REQUEST).await.id);
    }
    let total = field(5, &varint(4 << 20));
    let part = |n: usize| {
        let first = n < 4;
        let header = if first { &total[..] } else { &[] };
        frame(RESPONSE, MORE, ids[n % 4], header, &vec![0; 65_536])
    };
    let mut sent = 0;
    while channel.stats().memory_held <= 6 * MIB {
        raw.send(&part(sent)).await;
        sent += 1;
        tokio::task::yield_now().await;
        assert!(sent <= 128, "{:?}", channel.stats());
    }
    let refused = probe.add(1, 2).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::ResourceExhausted, false), "{refused}");
    assert!(refused.message().contains("memory: ") && refused.message().contains("8388608"), "{refused}");
    assert_eq!((channel.stats().refused.memory, channel.state()), (1, ConnectionState::Ready));
    while channel.stats().closed.memory == 0 {
        if raw.try_send(&part(sent)).await.is_err() {
            break;
        }
        sent += 1;
        assert!(sent <= 160, "{:?}", channel.stats());
    }
    for call in calls {
        let status = within("the call", call).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, true), "{status}");
        assert!(status.message().contains("memory: "), "{status}");
    }
    let last = raw::frames(&raw.rest().await).pop().expect("a good-bye");
    assert_eq!((last.kind, last.code()), (GO_AWAY, RESOURCE_EXHAUSTED), "{last:?}");
    raw.end().await;
    let mut state = channel.watch_state();
    within("its end", state.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await.unwrap();
    let stats = channel.stats();
    assert_eq!((stats.memory_held, stats.closed.memory, channel.outstanding_calls()), (0, 1, 0));
    let later = probe.add(1, 2).await.unwrap_err();
    assert_eq!((later.code(), later.may_have_run()), (Code::ResourceExhausted, false), "{later}");
}

#[tokio::test]
async fn calls_that_wait_for_room_count_for_their_channel() {
    let builder = Channel::builder().memory(8 * MIB).timeout(None);
    let (channel, raw) = client_and_raw_server_with(builder, CodecKind::Bincode).await;
    let probe = ProbeClient::new(channel.clone());
    let text = "x".repeat(MIB);
    // The peer takes 4 MiB of requests and gives nothing back.
    let calls: Vec<_> = (0..12).map(|_| probe.echo(text.clone()).start()).collect();
    let stats = channel.stats();
    assert!((6 * MIB..8 * MIB).contains(&stats.memory_held), "{stats:?}");
    assert!(stats.refused.memory >= 4 && stats.calls_waiting >= 1, "{stats:?}");
    drop(calls);
    assert_eq!(channel.stats().calls_waiting, 0);
    drop(raw);
    let mut state = channel.watch_state();
    within("its end", state.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await.unwrap();
    assert_eq!(channel.stats().memory_held, 0);
}

//! Flow control: who does not read stops its producer and nothing else, memory stays within the windows, and neither
//! full pipes nor large messages hold anybody up.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use rpc_runtime::{Channel, Limits};
use tokio::time::Instant;

use super::{
    Linked, all_is_quiet, complete, over_pipe, server,
    service::{Here, TidesClient},
    spawn, within,
};

/// The window at the start, in bytes, and what an item costs beside its own.
const WINDOW: u64 = 64 * 1_024;
const COST: u64 = 32;

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_read_stops_its_producer_within_the_window_while_others_flow() {
    let linked = Linked::new().await;
    let mut unread = linked.tides.blocks(u64::MAX, 1_000).await.unwrap();
    all_is_quiet().await;
    let produced = linked.here.taken();
    let (least, most) = (WINDOW / (1_003 + COST), WINDOW / (1_000 + COST) + 2);
    assert!((least..=most).contains(&produced), "{produced} items, {least} to {most} fit the window");
    let held = linked.channel.stats().memory_held as u64;
    assert!(held <= 2 * WINDOW, "{held} bytes are held");

    assert_eq!(within("another", complete(linked.tides.count(50_000).await.unwrap())).await.len(), 50_000);
    let before = linked.here.taken();
    let reply = within("a call", linked.tides.reply(1 << 20)).await.unwrap();
    assert_eq!((reply.len(), linked.here.taken()), (1 << 20, before));
    // It goes on where it stood.
    for n in 0..1_000 {
        assert_eq!(within("an item", unread.next()).await.unwrap().unwrap()[0], n as u8);
    }
    drop(unread);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_stops_its_caller_within_the_window_while_others_flow() {
    let linked = Linked::new().await;
    let endless = stream::iter(0..500).map(|_| vec![1; 1_000]);
    let stuck = linked.tides.stuck(linked.here.watched(endless)).start();
    linked.here.live(2).await;
    all_is_quiet().await;
    let (least, most) = (WINDOW / (1_003 + COST), WINDOW / (1_000 + COST) + 2);
    let produced = linked.here.taken();
    assert!((least..=most).contains(&produced), "{produced} items, {least} to {most} fit the window");
    assert_eq!(within("another", linked.tides.total(stream::iter(0..50_000))).await.unwrap(), 49_999 * 25_000);
    linked.here.open_gate();
    assert_eq!(within("the rest", stuck).await.unwrap(), 500_000);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn items_of_no_bytes_are_bounded_too() {
    let linked = Linked::new().await;
    let unread = linked.tides.nothings(u64::MAX).await.unwrap();
    all_is_quiet().await;
    assert_eq!(linked.here.taken(), WINDOW / COST);
    drop(unread);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn the_window_grows_with_use_up_to_its_largest() {
    let linked = Linked::new().await;
    let mut blocks = linked.tides.blocks(u64::MAX, 1_000).await.unwrap();
    for _ in 0..20_000 {
        within("an item", blocks.next()).await.unwrap().unwrap();
    }
    all_is_quiet().await;
    let ahead = (linked.here.taken() - 20_000) * (1_000 + COST);
    assert!(ahead > 500_000 && ahead < 1_200_000, "{ahead} bytes are ahead");
    drop(blocks);
    linked.is_as_before().await;
}

#[tokio::test(start_paused = true)]
async fn sixty_four_unread_streams_hold_nobody_up() {
    let linked = Linked::new().await;
    let unread = join_all((0..64).map(|_| linked.tides.blocks(u64::MAX, 1_000))).await;
    all_is_quiet().await;
    let pace = |name, work: std::pin::Pin<Box<dyn Future<Output = ()>>>| async move {
        let began = Instant::now();
        within(name, work).await;
        began.elapsed()
    };
    let tides = &linked.tides;
    let another = linked.tides.clone();
    let streaming = pace(
        "the 65th stream",
        Box::pin(async move {
            assert_eq!(complete(another.count(100_000).await.unwrap()).await.len(), 100_000);
        }),
    );
    // On a clock that stands still nothing takes any time that nobody waits for.
    assert!(streaming.await < Duration::from_millis(50));
    let began = Instant::now();
    for n in 0..1_000 {
        assert_eq!(within("a call", tides.add(n, 1)).await.unwrap(), n + 1);
    }
    assert!(began.elapsed() < Duration::from_millis(50));
    drop(unread);
    linked.is_as_before().await;
}

#[tokio::test]
async fn sixty_four_echoes_of_64_kib_over_small_pipes_in_both_directions_do_not_stall() {
    let (tides, here, _serving) = over_pipe(4_096, Limits::default()).await;
    let echoes = (0..64_u8).map(|n| {
        let tides = tides.clone();
        async move {
            let sent = stream::iter(0..8).map(move |_| vec![n; 64 * 1_024]);
            let blocks = complete(tides.echo(sent).await.unwrap()).await;
            assert!(blocks.len() == 8 && blocks.iter().all(|block| block.len() == 65_536 && block[0] == n));
        }
    });
    within("all echoes", join_all(echoes)).await;
    here.live(0).await;
}

#[tokio::test]
async fn echoes_go_on_beside_unread_streams_of_both_directions_over_small_pipes() {
    let (tides, here, _serving) = over_pipe(4_096, Limits::default()).await;
    let unread = join_all((0..16).map(|_| tides.blocks(u64::MAX, 64 * 1_024))).await;
    let stuck: Vec<_> = (0..16).map(|_| tides.stuck(stream::repeat(vec![1; 64 * 1_024])).start()).collect();
    for n in 0..50_u64 {
        assert_eq!(within("a call", tides.add(n, 1)).await.unwrap(), n + 1);
        let echo = tides.echo(stream::iter([vec![n as u8; 10_000]])).await.unwrap();
        assert_eq!(within("an echo", complete(echo)).await.len(), 1);
    }
    drop((unread, stuck));
    within("the end of all", here.live(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn small_calls_beside_a_reply_of_64_mib_and_a_stream_of_large_items_are_not_held_up() {
    let limits = Limits::default().max_message(65 << 20);
    let linked = Linked::with(limits.clone(), Channel::builder().limits(limits)).await;
    let (reply, stream) = (linked.tides.reply(64 << 20).start(), linked.tides.blocks(32, 2 << 20).start());
    let reply = spawn(reply);
    let stream = spawn(async { complete(stream.await.unwrap()).await.len() });
    let mut times = Vec::new();
    while !(reply.is_finished() && stream.is_finished()) || times.len() < 100 {
        let began = std::time::Instant::now();
        assert_eq!(within("a small call", linked.tides.add(1, 2)).await.unwrap(), 3);
        times.push(began.elapsed());
    }
    assert_eq!((reply.await.unwrap().unwrap().len(), stream.await.unwrap()), (64 << 20, 32));
    times.sort_unstable();
    // Behind what one write takes, not behind the reply, however slow this machine is.
    let slow = times[times.len() * 99 / 100];
    assert!(slow < Duration::from_millis(500), "{slow:?} of {}", times.len());
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_stream_of_millions_of_items_takes_no_more_memory_than_its_window() {
    // As many as a debug build takes in a few seconds, at about a microsecond for each; ten million hold no more.
    const ITEMS: u64 = 2_000_000;
    let linked = Linked::new().await;
    let mut most = 0;
    let mut count = linked.tides.count(ITEMS).await.unwrap();
    let mut expected = 0;
    while let Some(item) = count.next().await {
        assert_eq!(item.unwrap(), expected);
        expected += 1;
        if expected % 10_000 == 0 {
            most = most.max(linked.channel.stats().memory_held);
        }
    }
    assert_eq!(expected, ITEMS);
    assert!(most <= 2 << 20, "{most} bytes were held");
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_slow_reader_of_one_connection_does_not_slow_others_down() {
    let here = Here::new();
    let served = server(&here, Limits::default()).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = served.local_address().to_owned();
    spawn(served.serve());
    let (slow, quick) = (Channel::connect(&address).await.unwrap(), Channel::connect(&address).await.unwrap());
    let (slow, quick) = (TidesClient::new(slow), TidesClient::new(quick));
    let unread = join_all((0..100).map(|_| slow.blocks(u64::MAX, 60_000))).await;
    assert_eq!(within("the quick one", complete(quick.count(100_000).await.unwrap())).await.len(), 100_000);
    drop(unread);
    within("the end of all", here.live(0)).await;
}

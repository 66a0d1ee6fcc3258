//! How streams end together with their connection, their server or their runtime, and by their own errors.

use std::time::Duration;

use futures_util::stream;
use rpc_runtime::{CallError, Channel, Code, ConnectionState, Limits, Streaming};

use super::{
    BOUND, Linked, all_is_quiet, collect, server,
    service::{Fragile, Here, TidesClient, Torn},
    silence, spawn, then_silence, until, within,
};

#[tokio::test]
async fn a_producer_that_fails_gives_its_items_and_then_its_own_error() {
    let linked = Linked::new().await;
    for below in [0, 3, 10_000] {
        let (items, error) = collect(linked.tides.torn(below).await.unwrap()).await;
        assert_eq!(items, (0..below).collect::<Vec<_>>());
        assert!(matches!(error.unwrap(), CallError::Service(Torn(text)) if text == "half way"));
    }
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_caller_that_fails_gives_its_items_and_then_its_status() {
    let linked = Linked::new().await;
    let torn = stream::iter([Ok(1), Ok(2), Err(rpc_runtime::Status::not_found("no more")), Ok(3)]);
    let (count, why) = linked.tides.fate(linked.here.watched(torn)).await.unwrap();
    assert_eq!(count, 2);
    assert!(why.contains("no more"), "{why}");
    linked.is_as_before().await;
}

#[tokio::test]
async fn a_lost_connection_gives_the_items_that_came_and_then_unavailable_and_unknown() {
    let linked = Linked::new().await;
    let mut hang = linked.tides.hang(3).await.unwrap();
    let (total, late) =
        (linked.tides.total(linked.here.watched(then_silence(0..1))).start(), linked.tides.late(1).start());
    // All three items have come, of which none is taken, when the connection is cut.
    assert_eq!(within("an item", hang.next()).await.unwrap().unwrap(), 0);
    linked.here.live(3).await;
    drop(linked.link);
    let (items, status) = within("the end", collect(hang)).await;
    let status = status.unwrap();
    assert_eq!((items, status.code(), status.may_have_run()), (vec![1, 2], Code::Unavailable, true), "{status}");
    let status = within("the other end", total).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
    assert!(matches!(within("the opening", late).await, Err(CallError::Status(status)) if status.may_have_run()));
    within("the drop of all", linked.here.live(0)).await;
    // Later ones are certainly not executed.
    let status = linked.tides.total(linked.here.watched(stream::iter(0..1))).await.unwrap_err();
    assert!(!status.may_have_run(), "{status}");
    assert_eq!(linked.here.alive(), 0);
}

#[tokio::test]
async fn a_client_that_is_gone_drops_the_streams_of_its_handlers_at_once() {
    let (here, (near, far)) = (Here::new(), tokio::io::duplex(64 * 1_024));
    let serving = spawn(server(&here, Limits::default()).serve_connection(far, "pipe"));
    // A runtime of its own, so that everything of the client's ends together.
    let gone = {
        let here = here.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let tides = TidesClient::new(Channel::builder().handshake(near, "pipe").await.unwrap());
                let hang = tides.hang(3).start();
                let total = tides.total(here.watched(then_silence(0..1))).start();
                let echo = tides.echo(silence_of_blocks()).await.unwrap();
                here.live(3).await;
                // Without a panic: the runtime ends before what lives in it.
                (hang, total, echo, tides)
            })
        })
    };
    drop(within("the client", tokio::task::spawn_blocking(|| gone.join())).await.unwrap().expect("nothing panics"));
    within("the drop of all", here.live(0)).await;
    within("the end of the connection", serving).await.unwrap().unwrap();
}

fn silence_of_blocks() -> impl futures_util::Stream<Item = Vec<u8>> + Send {
    silence()
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_dropped_lives_on_in_its_streams() {
    let linked = Linked::new().await;
    let mut count = linked.tides.count(100_000).await.unwrap();
    drop((linked.tides, linked.channel));
    all_is_quiet().await;
    let mut items = 0;
    while let Some(item) = within("an item", count.next()).await {
        item.unwrap();
        items += 1;
    }
    assert_eq!(items, 100_000);
    let ended = within("the end of the connection", linked.link.ended()).await;
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
}

#[tokio::test]
async fn a_server_that_drains_lets_streams_of_both_directions_finish_and_takes_no_new_ones() {
    let here = Here::new();
    let served = server(&here, Limits::default()).bind("mem://streams-drain").await.unwrap();
    let (handle, serving) = (served.handle(), spawn(served.serve()));
    let channel = Channel::connect("mem://streams-drain").await.unwrap();
    let (tides, mut state) = (TidesClient::new(channel.clone()), channel.watch_state());
    let (sender, receiver) = rpc_runtime::stream::channel(1);
    let (mut echo, (pushing, values)) = (tides.echo(receiver).await.unwrap(), rpc_runtime::stream::channel(1));
    let total = tides.total(values).start();
    pushing.send(1).await.unwrap();
    sender.send(vec![1]).await.unwrap();
    assert_eq!(within("the echo", echo.next()).await.unwrap().unwrap(), [1]);
    handle.shut_down();
    within("the news", state.wait_for(|state| *state == ConnectionState::Draining)).await.unwrap();
    let status = tides.count(1).await.map(|_| ()).unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, false), "{status}");
    // What is open goes on, in both directions.
    for n in 2..20 {
        sender.send(vec![n]).await.unwrap();
        assert_eq!(within("the echo", echo.next()).await.unwrap().unwrap(), [n]);
        pushing.send(u64::from(n)).await.unwrap();
    }
    drop((sender, pushing));
    assert!(within("the end", echo.next()).await.is_none());
    assert_eq!(within("the total", total).await.unwrap(), (1..20).sum::<u64>());
    within("the server's end", serving).await.unwrap().unwrap();
    here.live(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_says_so_beside_streams_that_never_pause() {
    let here = Here::new();
    let served = server(&here, Limits::default()).bind("mem://streams-never-pause").await.unwrap();
    let (handle, serving) = (served.handle(), spawn(served.serve()));
    let channel = Channel::connect("mem://streams-never-pause").await.unwrap();
    let (tides, mut state) = (TidesClient::new(channel.clone()), channel.watch_state());
    let read = |mut blocks: Streaming<Vec<u8>>| async move {
        let mut count = 0_u64;
        while let Some(Ok(_)) = blocks.next().await {
            count += 1;
        }
        count
    };
    let mut reading = Vec::new();
    for _ in 0..32 {
        reading.push(spawn(read(tides.blocks(u64::MAX, 60_000).await.unwrap())));
    }
    here.live(32).await;
    while here.taken() < 1_000 {
        tokio::task::yield_now().await;
    }
    handle.shut_down();
    let before = here.taken();
    within("the news", state.wait_for(|state| *state == ConnectionState::Draining)).await.unwrap();
    // Nobody paused for it, and nobody has to end for it.
    assert!(here.taken() < before + 10_000, "{} items later", here.taken() - before);
    handle.stop();
    for reading in reading {
        assert!(within("a reader", reading).await.unwrap() > 0);
    }
    within("the server's end", serving).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_streams_that_do_not_end_by_themselves() {
    let here = Here::new();
    let builder = server(&here, Limits::default()).drain_timeout(Duration::from_secs(30));
    let served = builder.bind("mem://streams-hard-stop").await.unwrap();
    let (handle, serving) = (served.handle(), spawn(served.serve()));
    let tides = TidesClient::new(Channel::connect("mem://streams-hard-stop").await.unwrap());
    let hang = tides.hang(2).await.unwrap();
    let total = tides.total(here.watched(then_silence(0..1))).start();
    here.live(2).await;
    handle.shut_down();
    let (items, status) = within("the end", collect(hang)).await;
    let status = status.unwrap();
    assert_eq!((items, status.code(), status.may_have_run()), (vec![0, 1], Code::Unavailable, true), "{status}");
    assert!(within("the other end", total).await.is_err());
    within("the server's end", serving).await.unwrap().unwrap();
    here.live(0).await;
}

#[tokio::test]
async fn the_servers_counters_are_at_their_baseline_after_everything() {
    let here = Here::new();
    let served = server(&here, Limits::default()).bind("tcp://127.0.0.1:0").await.unwrap();
    let (handle, address) = (served.handle(), served.local_address().to_owned());
    spawn(served.serve());
    let tides = TidesClient::new(Channel::connect(&address).await.unwrap());
    for n in 0..50 {
        drop(tides.hang(n).await.unwrap());
        drop(tides.total(then_silence(0..n)).start());
        drop(tides.blocks(u64::MAX, 1_000).await.unwrap());
        assert_eq!(within("a total", tides.total(stream::iter(0..n))).await.unwrap(), (0..n).sum::<u64>());
        assert_eq!(within("an early answer", tides.first(stream::iter(n..))).await.unwrap(), n);
    }
    until(
        "the server is as before",
        || handle.stats(),
        |stats| {
            (stats.served_in_flight, stats.running, stats.handlers_abandoned) == (0, 0, 0)
                && stats.memory_held <= super::IDLE
        },
    )
    .await;
    let stats = handle.stats();
    assert_eq!((stats.protocol_faults, stats.connections), (0, 1), "{stats:?}");
    tokio::time::timeout(BOUND, here.live(0)).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_runtime_is_shut_down_ends_the_streams_of_its_clients() {
    let (near, far) = tokio::io::duplex(64 * 1_024);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (here, there) = (Here::new(), Here::new());
    let served = there.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            spawn(server(&served, Limits::default()).serve_connection(far, "pipe"));
            let _ = stopped.await;
        });
    });
    let tides = TidesClient::new(Channel::builder().handshake(near, "pipe").await.unwrap());
    let mut hang = tides.hang(1).await.unwrap();
    assert_eq!(within("an item", hang.next()).await.unwrap().unwrap(), 0);
    let waiting = tides.fragiles(here.watched(silence::<Fragile>())).start();
    let stuck = tides.stuck(here.watched(stream::repeat(vec![1; 1_000]))).start();
    // Whose request has not left when the connection is lost has not run.
    there.live(3).await;
    stop.send(()).unwrap();
    for status in [
        within("a stream", hang.next()).await.unwrap().unwrap_err(),
        within("a call", waiting).await.unwrap_err(),
        within("a call", stuck).await.unwrap_err(),
    ] {
        assert!(status.may_have_run(), "{status}");
    }
    here.live(0).await;
    within("the server", tokio::task::spawn_blocking(|| thread.join())).await.unwrap().expect("nothing panics");
}

//! What can be done with a call: start it, give it a time, metadata, a large body.

use std::time::Duration;

use futures_util::{FutureExt, future::join_all};
use rpc_runtime::{Channel, Code, Limits, Server};

use super::{Here, ProbeClient, ProbeServer, client, serve, spawn, within};

#[tokio::test]
async fn a_call_that_is_started_runs_without_ever_being_polled() {
    let here = Here::new();
    let (address, _server) = serve(&here, "tcp://127.0.0.1:0").await;
    for channel in [Channel::connect(&address).await.unwrap(), Channel::lazy(&address).unwrap()] {
        let running = ProbeClient::new(channel).hang().start();
        here.live(1).await;
        drop(running);
        here.live(0).await;
    }
}

#[tokio::test]
async fn a_call_that_is_neither_polled_nor_started_sends_nothing() {
    let here = Here::new();
    let (address, _server) = serve(&here, "mem://not-started").await;
    let probe = client(&address).await;
    let call = probe.hang();
    assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    assert_eq!(*here.live.borrow(), 0);
    assert_eq!(probe.channel().outstanding_calls(), 0);
    drop(call);
}

#[tokio::test]
async fn a_call_that_is_started_at_the_limit_in_flight_is_sent_unpolled_once_there_is_room() {
    let here = Here::new();
    let server = Server::builder().service(ProbeServer::new(here.clone())).limits(Limits::default().in_flight(2));
    spawn(server.bind("mem://started-at-the-limit").await.unwrap().serve());
    let probe = client("mem://started-at-the-limit").await;
    let first = [probe.hang().start(), probe.hang().start()];
    here.live(2).await;
    let third = probe.wait().start();
    assert_eq!(*here.live.borrow(), 2);
    drop(first);
    here.live(1).await;
    here.open_gate();
    assert_eq!(within("the third", third).await.unwrap(), 1);
}

#[tokio::test]
async fn the_outcome_of_a_started_call_can_be_looked_at_later_and_elsewhere() {
    let (address, _server) = serve(&Here::new(), "mem://later").await;
    let probe = client(&address).await;
    let running: Vec<_> = (0..100).map(|n| probe.add(n, 1).start()).collect();
    drop(probe);
    for (n, running) in (0..).zip(running).collect::<Vec<_>>().into_iter().rev() {
        assert_eq!(spawn(running).await.unwrap().unwrap(), n + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_no_longer_than_its_own_time_or_the_channels() {
    let here = Here::new();
    let (address, _server) = serve(&here, "mem://times").await;
    let channel = Channel::builder().timeout(Duration::from_secs(7)).connect(&address).await.unwrap();
    let probe = ProbeClient::new(channel);
    let default = client(&address).await;
    let cases = [(probe.hang(), 7), (probe.hang().timeout(Duration::from_secs(3)), 3), (default.hang(), 30)];
    for (call, seconds) in cases {
        let began = tokio::time::Instant::now();
        let status = call.await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, true), "{status}");
        assert_eq!(status.method(), Some("Probe.hang"));
        let took = began.elapsed();
        assert_eq!(took.as_secs(), seconds, "{took:?}");
    }
    here.live(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_time_waits_for_days() {
    let here = Here::new();
    let (address, _server) = serve(&here, "mem://days").await;
    let by_call = client(&address).await.wait().no_timeout().start();
    let channel = Channel::builder().timeout(None).connect(&address).await.unwrap();
    let by_channel = ProbeClient::new(channel).wait().start();
    here.live(2).await;
    tokio::time::advance(Duration::from_secs(5 * 24 * 3600)).await;
    here.open_gate();
    assert_eq!((by_call.await.unwrap(), by_channel.await.unwrap()), (1, 1));
}

#[tokio::test]
async fn the_metadata_of_a_call_is_seen_by_its_handler_in_order_and_by_no_other() {
    let (address, _server) = serve(&Here::new(), "mem://metadata").await;
    let probe = client(&address).await;
    let scene = probe.scene().metadata("Tenant", "7").metadata("a", "ä\n").metadata("tenant", "").await.unwrap();
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect::<Vec<_>>();
    assert_eq!(scene.metadata, pairs(&[("tenant", "7"), ("a", "ä\n"), ("tenant", "")]));
    assert_eq!(probe.scene().await.unwrap().metadata, []);
}

#[tokio::test]
async fn too_much_metadata_is_refused_at_the_sender_with_both_numbers() {
    let (address, _server) = serve(&Here::new(), "mem://much-metadata").await;
    let probe = client(&address).await;
    let many = (0..65).fold(probe.scene(), |call, n| call.metadata(n.to_string(), "x")).await.unwrap_err();
    let long = probe.scene().metadata("k", "x".repeat(20_000)).await.unwrap_err();
    for (status, numbers) in [(many, ["65", "64"]), (long, ["200", "16384"])] {
        assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false), "{status}");
        assert!(numbers.iter().all(|number| status.message().contains(number)), "{status}");
    }
    assert_eq!(probe.add(1, 2).await.unwrap(), 3);
}

#[tokio::test]
async fn the_metadata_of_a_response_comes_with_a_value_and_with_a_status() {
    let (address, _server) = serve(&Here::new(), "mem://response-metadata").await;
    let probe = client(&address).await;
    let answer = |fail| probe.answer_with("Took".into(), "3 ms".into(), fail);
    let (value, metadata) = answer(false).with_response_metadata().await;
    assert_eq!((value.unwrap(), metadata.get("took")), (1, Some("3 ms")));
    let (status, metadata) = answer(true).start().with_response_metadata().await;
    assert_eq!((status.unwrap_err().code(), metadata.get("took")), (Code::NotFound, Some("3 ms")));
    assert_eq!(answer(true).await.unwrap_err().metadata().get("took"), Some("3 ms"));
    let (_, metadata) = probe.add(1, 2).with_response_metadata().await;
    assert!(metadata.is_empty());
}

/// Megabytes take long in a build for tests.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn small_calls_pass_large_messages_in_both_directions() {
    // So small that a large message takes thousands of turns.
    let (ours, theirs) = tokio::io::duplex(4_096);
    spawn(Server::builder().service(ProbeServer::new(Here::new())).serve_connection(theirs, "client"));
    let probe = ProbeClient::new(Channel::builder().handshake(ours, "server").await.unwrap());
    let bytes: Vec<u8> = (0..3 << 20).map(|n: u32| n as u8).collect();
    let large = join_all((0..4).map(|_| probe.echo(bytes.clone()).start()).collect::<Vec<_>>());
    let mut large = std::pin::pin!(large);
    let small = join_all((0..100).map(|n| probe.add(n, 1)));
    for (n, sum) in (0..).zip(tokio::time::timeout(PATIENCE, small).await.unwrap()) {
        assert_eq!(sum.unwrap(), n + 1);
    }
    assert!(large.as_mut().now_or_never().is_none(), "the large ones are still on their way");
    for echoed in tokio::time::timeout(PATIENCE, large).await.unwrap() {
        assert!(echoed.unwrap() == bytes);
    }
    assert_eq!(probe.channel().outstanding_calls(), 0);
}

//! The end of a server, orderly and not, and what it says of it; its limit of connections.

use std::{future::pending, time::Duration};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, ConnectionState, Drained, Server, ServerBuilder, Status};
use tokio::sync::oneshot;

use super::{Here, ProbeClient, ProbeServer, client, serve, spawn, within};

fn builder(here: &Here) -> ServerBuilder {
    Server::builder().service(ProbeServer::new(here.clone()))
}

#[tokio::test]
async fn an_orderly_end_lets_calls_in_flight_finish_and_cuts_nothing() {
    let here = Here::new();
    let server = builder(&here).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address().to_owned();
    let (end, ended) = oneshot::channel::<()>();
    let serving = spawn(server.serve_until(async { ended.await.expect("the test ends it") }));
    let probe = client(&address).await;
    let idle = client(&address).await;
    let running: Vec<_> = (0..10).map(|_| probe.wait().start()).collect();
    here.live(10).await;
    let mut state = probe.channel().watch_state();
    end.send(()).unwrap();
    within("draining", state.wait_for(|state| *state == ConnectionState::Draining)).await.unwrap();
    let refused = probe.add(1, 2).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false), "{refused}");
    here.open_gate();
    for outcome in within("the calls", join_all(running)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    assert_eq!(within("the end", serving).await.unwrap().unwrap(), Drained::default());
    for channel in [probe.channel(), idle.channel()] {
        let mut state = channel.watch_state();
        let closed = state.wait_for(|state| matches!(state, ConnectionState::Closed(_)));
        within("the channel's end", closed).await.unwrap();
    }
}

fn assert_cut(outcome: Result<(), Status>) {
    let status = outcome.expect_err("it was cut off");
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_finished_when_the_time_for_draining_is_over_is_cut_off_and_counted() {
    let here = Here::new();
    let server = builder(&here).drain_timeout(Duration::from_secs(5)).bind("mem://cut").await.unwrap();
    let handle = server.handle();
    let serving = spawn(server.serve());
    let (first, second, idle) = (client("mem://cut").await, client("mem://cut").await, client("mem://cut").await);
    let running = [first.hang().no_timeout().start(), first.hang().start(), second.hang().start()];
    here.live(3).await;
    let began = tokio::time::Instant::now();
    handle.shut_down();
    let drained = within("the end", serving).await.unwrap().unwrap();
    assert_eq!(drained, Drained { cut_connections: 2, cut_calls: 3 });
    assert_eq!(began.elapsed().as_secs(), 5);
    here.live(0).await;
    join_all(running).await.into_iter().for_each(assert_cut);
    assert!(matches!(idle.channel().state(), ConnectionState::Closed(_)));
}

#[tokio::test]
async fn a_hard_stop_cuts_everything_off_at_once_also_while_draining() {
    for draining in [false, true] {
        let here = Here::new();
        let server = builder(&here).bind("mem://stop").await.unwrap();
        let handle = server.handle();
        let serving = spawn(server.serve_until(pending()));
        let probe = client("mem://stop").await;
        let running = [probe.hang().start(), probe.hang().start()];
        here.live(2).await;
        if draining {
            let mut state = probe.channel().watch_state();
            handle.shut_down();
            within("draining", state.wait_for(|state| *state == ConnectionState::Draining)).await.unwrap();
        }
        handle.stop();
        let drained = within("the end", serving).await.unwrap().unwrap();
        assert_eq!(drained, Drained { cut_connections: 1, cut_calls: 2 });
        here.live(0).await;
        within("the calls", join_all(running)).await.into_iter().for_each(assert_cut);
    }
}

#[tokio::test]
async fn a_dropped_serve_future_cuts_off_its_connections() {
    let here = Here::new();
    let server = builder(&here).bind("mem://dropped").await.unwrap();
    let serving = spawn(server.serve());
    let probe = client("mem://dropped").await;
    let running = probe.hang().start();
    here.live(1).await;
    serving.abort();
    assert_cut(within("the call", running).await);
    here.live(0).await;
    assert!(within("the name is free", Server::builder().bind("mem://dropped")).await.is_ok());
}

#[tokio::test]
async fn a_connection_above_the_limit_is_refused_with_the_reason_and_let_in_when_there_is_room() {
    let here = Here::new();
    let server = builder(&here).max_connections(2).bind("tcp://127.0.0.1:0").await.unwrap();
    let address = server.local_address().to_owned();
    spawn(server.serve());
    let first = client(&address).await;
    let second = client(&address).await;
    let status = within("the third", Channel::connect(&address)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::ResourceExhausted, false), "{status}");
    assert!(status.message().contains("max_connections") && status.message().contains('2'), "{status}");
    let mut state = second.channel().watch_state();
    second.channel().close();
    within("its end", state.wait_for(|state| matches!(state, ConnectionState::Closed(_)))).await.unwrap();
    let again = async {
        loop {
            match Channel::connect(&address).await {
                Ok(channel) => return channel,
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
            }
        }
    };
    let third = ProbeClient::new(within("the third", again).await);
    assert_eq!((third.add(1, 2).await.unwrap(), first.add(3, 4).await.unwrap()), (3, 7));
}

#[tokio::test]
async fn a_server_that_is_ended_twice_or_before_it_serves_ends_once() {
    let server = builder(&Here::new()).bind("mem://twice").await.unwrap();
    let handle = server.handle();
    handle.shut_down();
    handle.shut_down();
    assert_eq!(within("the end", server.serve()).await.unwrap(), Drained::default());
    handle.shut_down();
    handle.stop();
    let (address, _server) = serve(&Here::new(), "mem://twice").await;
    assert_eq!(client(&address).await.add(1, 2).await.unwrap(), 3);
}

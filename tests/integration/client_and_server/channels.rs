//! How a channel comes to its server: addresses, settings, transports, and what a failure says.

use std::{sync::Arc, time::Duration};

use rpc_runtime::{Call, CallError, Channel, Code, CodecKind, ConnectionState, Limits, Running, Server, Status};
use tokio::net::TcpListener;

use super::{Here, ProbeClient, ProbeServer, client, serve, spawn, within};

fn is_shared<T: Clone + Send + Sync + 'static>() {}

fn is_call<T: Future + Send + Unpin + 'static>() {}

#[test]
fn clients_can_be_shared_and_calls_can_be_sent_to_other_tasks() {
    is_shared::<ProbeClient>();
    is_shared::<Channel>();
    is_call::<Call<u64>>();
    is_call::<Call<Vec<String>, CallError<String>>>();
    is_call::<Running<u64>>();
    is_call::<Running<u64, CallError<String>>>();
    // One pointer, whatever it tells.
    assert_eq!(size_of::<Status>(), size_of::<usize>());
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the address is free");
    format!("tcp://{}", listener.local_addr().expect("it is bound"))
}

#[tokio::test]
async fn connect_fails_at_once_where_nobody_listens_and_names_the_address_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}/nobody.sock", folder.path().display());
    let causes = [(nobody().await, "refused"), (unix, "No such file"), ("mem://nobody".to_owned(), "nobody listens")];
    for (address, cause) in causes {
        let status = within("connect", Channel::connect(&address)).await.unwrap_err();
        assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, false), "{status}");
        assert_eq!(status.address(), Some(&*address));
        let text = status.to_string();
        assert!(text.contains(&address) && text.contains(cause), "{text}");
        assert_eq!(text.matches(&address).count(), 1, "it is named once: {text}");
    }
}

#[tokio::test]
async fn an_address_that_can_not_be_understood_is_an_error_of_both_ends_that_names_it() {
    for (address, cause) in [("localhost:7000", "no scheme"), ("smtp://x", "unknown scheme"), ("tcp://x", "no port")] {
        let statuses = [
            Channel::connect(address).await.unwrap_err(),
            Channel::lazy(address).unwrap_err(),
            Server::builder().bind(address).await.unwrap_err(),
        ];
        for status in statuses {
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.to_string().contains(address) && status.to_string().contains(cause), "{status}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it_and_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}/taken.sock", folder.path().display());
    for address in ["tcp://127.0.0.1:0", &unix, "mem://taken"] {
        let (bound, _server) = serve(&Here::new(), address).await;
        let status = Server::builder().bind(&bound).await.unwrap_err();
        assert_eq!(status.code(), Code::AlreadyExists, "{status}");
        assert!(status.to_string().contains(&bound), "{status}");
        assert_eq!(client(&bound).await.add(1, 2).await.unwrap(), 3, "the first server is unharmed");
    }
}

#[tokio::test]
async fn a_lazy_channel_dials_with_its_first_call_and_again_until_the_server_is_there() {
    let address = nobody().await;
    let channel = Channel::lazy(&address).unwrap();
    assert_eq!((channel.state(), channel.address()), (ConnectionState::Idle, &*address));
    let probe = ProbeClient::new(channel);
    let status = within("the call", probe.add(1, 2)).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, false));
    assert_eq!((status.method(), status.address()), (Some("Probe.add"), Some(&*address)));
    assert_eq!(probe.channel().state(), ConnectionState::Idle);
    serve(&Here::new(), &address).await;
    assert_eq!(within("the call", probe.add(1, 2)).await.unwrap(), 3);
    assert_eq!(probe.channel().state(), ConnectionState::Ready);
}

#[tokio::test]
async fn calls_that_are_made_while_a_lazy_channel_dials_share_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = ProbeClient::new(Channel::lazy(&format!("tcp://{}", listener.local_addr().unwrap())).unwrap());
    let calls: Vec<_> = (0..50).map(|n| probe.add(n, 1).start()).collect();
    let (socket, _) = within("the dial", listener.accept()).await.unwrap();
    spawn(Server::builder().service(ProbeServer::new(Here::new())).serve_connection(socket, "client"));
    for (n, call) in (0..).zip(calls) {
        assert_eq!(within("the call", call).await.unwrap(), n + 1);
    }
    let second = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(second.is_err(), "there is no second connection");
}

#[tokio::test]
async fn dialling_counts_for_the_time_of_a_call() {
    // Accepts in the system's backlog and never shakes hands.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = ProbeClient::new(Channel::lazy(&format!("tcp://{}", silent.local_addr().unwrap())).unwrap());
    let status = within("the call", probe.add(1, 2).timeout(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::DeadlineExceeded, false), "{status}");
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", silent.local_addr().unwrap());
    let limits = Limits::default().handshake_timeout(Duration::from_millis(50));
    let status = within("connect", Channel::builder().limits(limits).connect(&address)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let text = status.to_string();
    assert!(text.contains("handshake_timeout") && text.contains("50ms") && text.contains(&address), "{text}");
}

#[tokio::test]
async fn every_transport_serves_many_clients() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}/all.sock", folder.path().display());
    for address in ["tcp://127.0.0.1:0", "tcp://localhost:0", &unix, "mem://all"] {
        let (address, _server) = serve(&Here::new(), address).await;
        let clients = [client(&address).await, client(&address).await];
        let calls = clients.iter().flat_map(|client| (0..100).map(|n| client.add(n, n))).collect::<Vec<_>>();
        for (n, sum) in (0..100).cycle().zip(futures_util::future::join_all(calls).await) {
            assert_eq!(sum.unwrap(), 2 * n, "{address}");
        }
    }
}

#[tokio::test]
async fn json_carries_calls_errors_and_contexts_as_the_default_codec_does() {
    let (address, _server) = serve(&Here::new(), "tcp://127.0.0.1:0").await;
    let json = ProbeClient::new(Channel::builder().codec(CodecKind::Json).connect(&address).await.unwrap());
    let bincode = client(&address).await;
    for probe in [json, bincode] {
        assert_eq!(probe.add(u64::MAX - 1, 1).await.unwrap(), u64::MAX);
        assert_eq!(probe.echo(vec![0, 255]).await.unwrap(), [0, 255]);
        let scene = probe.scene().metadata("k", "v").await.unwrap();
        assert_eq!(scene.metadata, [("k".to_owned(), "v".to_owned())]);
        let status = probe.answer_with("k".into(), "v".into(), true).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "on purpose"));
    }
}

#[tokio::test]
async fn two_instances_of_a_service_are_told_apart_by_their_names() {
    let (users, groups) = (Here::new(), Here::new());
    let server = Server::builder()
        .service(ProbeServer::new(users.clone()).named("users"))
        .service(ProbeServer::new(groups.clone()).named("groups"))
        .bind("mem://instances")
        .await
        .unwrap();
    spawn(server.serve());
    let channel = Channel::connect("mem://instances").await.unwrap();
    let running = ProbeClient::named(channel.clone(), "users").wait().start();
    users.live(1).await;
    groups.live(0).await;
    users.open_gate();
    assert_eq!(within("the call", running).await.unwrap(), 1);
    let status = ProbeClient::new(channel).add(1, 2).await.unwrap_err();
    assert_eq!((status.code(), status.may_have_run()), (Code::Unimplemented, false), "{status}");
    assert!(status.to_string().contains("Probe"), "{status}");
}

#[tokio::test]
async fn any_pipe_can_be_handed_over_and_its_name_is_the_peers() {
    let (ours, theirs) = tokio::io::duplex(64);
    let served = spawn(Server::builder().service(ProbeServer::new(Here::new())).serve_connection(theirs, "the pipe"));
    let probe = ProbeClient::new(Channel::builder().handshake(ours, "the other end").await.unwrap());
    assert_eq!(probe.scene().await.unwrap().peer.as_deref(), Some("the pipe"));
    assert_eq!(probe.channel().address(), "the other end");
    drop(probe);
    let reason = within("the end", served).await.unwrap().unwrap();
    assert_eq!(reason.code(), Code::Unavailable, "{reason}");
}

#[tokio::test]
async fn clones_of_a_client_and_typed_clients_of_many_tasks_share_a_channel() {
    let (address, _server) = serve(&Here::new(), "mem://shared").await;
    let probe = Arc::new(client(&address).await);
    let tasks: Vec<_> = (0..50).map(|n| (ProbeClient::clone(&probe), n)).collect();
    let tasks = tasks.into_iter().map(|(probe, n)| spawn(async move { probe.add(n, 1).await.map(|sum| sum - n) }));
    for one in futures_util::future::join_all(tasks).await {
        assert_eq!(one.unwrap().unwrap(), 1);
    }
    assert_eq!(probe.channel().outstanding_calls(), 0);
}

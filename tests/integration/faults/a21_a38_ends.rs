//! Responses that can not be written, and clients and runtimes that go while calls are pending (A30, A33).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    runtime::{Builder, Runtime},
};

use super::{
    a21_a38_service::{FaultsClient, Seen, serve, serve_pipe, serves, settled, within},
    peer_b::{Peer, request},
};

/// A pipe of which the write side can be broken.
struct Breakable {
    pipe: DuplexStream,
    broken: Arc<AtomicBool>,
}

impl AsyncRead for Breakable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken.load(SeqCst) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the cable is cut")));
        }
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// A30.
#[tokio::test]
async fn a_response_that_can_not_be_written_closes_the_connection_and_drops_its_handlers() {
    let seen = Seen::new();
    let broken = Arc::new(AtomicBool::new(false));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let served = serve_pipe(&seen, Breakable { pipe: theirs, broken: Arc::clone(&broken) });
    let mut peer = Peer::dial(ours).await;
    for id in 1..=20 {
        peer.send(&request(2 * id, "Faults.hang", None, &[])).await;
    }
    seen.live(20).await;
    broken.store(true, SeqCst);
    peer.send(&request(100, "Faults.add", None, &[1, 2])).await;
    let reason = within("the connection ends", served).await.unwrap().unwrap();
    assert_eq!(reason.code(), Code::Unavailable);
    assert!(reason.message().contains("writing failed: the cable is cut"), "{reason}");
    seen.live(0).await;
    assert_eq!(within("the pipe ends", peer.next()).await, None);
}

/// A33.
#[tokio::test]
async fn a_dropped_client_does_not_take_its_pending_calls_along() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let pending: Vec<_> = (0..50).map(|_| client.wait().start()).collect();
    drop(client);
    seen.live(50).await;
    seen.open_gate();
    for outcome in within("all are answered", join_all(pending)).await {
        assert_eq!(outcome.unwrap(), 1);
    }
    serves(&address).await;
}

/// A33.
#[tokio::test]
async fn a_client_dropped_with_its_calls_leaves_no_handler() {
    let seen = Seen::new();
    let (address, _server) = serve(&seen).await;
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    let channel = client.channel().clone();
    let pending: Vec<_> = (0..50).map(|_| client.hang().start()).collect();
    seen.live(50).await;
    drop((pending, client));
    seen.live(0).await;
    settled(&channel).await;
    drop(channel);
    serves(&address).await;
}

/// A runtime of which the threads are known by their name.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).thread_name("a33").enable_all().build().expect("a runtime")
}

/// Counts the panics in such runtimes.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, before) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some("a33") {
            counted.fetch_add(1, SeqCst);
        }
        before(panic);
    }));
    count
}

/// A33.
#[test]
fn a_runtime_that_ends_with_calls_pending_ends_them_and_panics_nowhere() {
    let panics = count_panics();
    let (server_runtime, client_runtime, observer) = (runtime(), runtime(), runtime());
    let seen = Seen::new();
    let (address, _server) = server_runtime.block_on(serve(&seen));
    let (client, pending) = client_runtime.block_on(async {
        let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
        let pending: Vec<_> = (0..100).map(|_| client.wait().start()).collect();
        seen.live(100).await;
        (client, pending)
    });
    drop(client_runtime);
    observer.block_on(async {
        for outcome in within("all calls end", join_all(pending)).await {
            let status = outcome.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(status.may_have_run(), "{status}");
        }
        let later = within("a later call", client.add(1, 2)).await.unwrap_err();
        assert!(!later.may_have_run(), "{later}");
        seen.live(0).await;
        settled(client.channel()).await;
        serves(&address).await;
    });
    assert_eq!(panics.load(SeqCst), 0);
}

/// A33.
#[test]
fn calls_that_were_dialling_when_their_runtime_ended_end_too() {
    let panics = count_panics();
    let (client_runtime, observer) = (runtime(), runtime());
    // Accepts in the system's backlog and never shakes hands.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let pending: Vec<_> = client_runtime.block_on(async {
        let client = FaultsClient::new(Channel::lazy(&format!("tcp://{}", silent.local_addr().unwrap())).unwrap());
        (0..10).map(|_| client.add(1, 2).start()).collect()
    });
    drop(client_runtime);
    observer.block_on(async {
        for outcome in within("all calls end", join_all(pending)).await {
            assert_eq!(outcome.unwrap_err().code(), Code::Cancelled);
        }
    });
    assert_eq!(panics.load(SeqCst), 0);
}

/// A33.
#[test]
fn a_server_whose_runtime_ends_ends_the_calls_of_its_clients() {
    let panics = count_panics();
    let (server_runtime, client_runtime) = (runtime(), runtime());
    let seen = Seen::new();
    let (address, _server) = server_runtime.block_on(serve(&seen));
    client_runtime.block_on(async {
        let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
        let pending: Vec<_> = (0..100).map(|_| client.hang().start()).collect();
        seen.live(100).await;
        server_runtime.shutdown_background();
        for outcome in within("all calls end", join_all(pending)).await {
            let status = outcome.unwrap_err();
            assert_eq!((status.code(), status.may_have_run()), (Code::Unavailable, true), "{status}");
        }
        seen.live(0).await;
        settled(client.channel()).await;
    });
    assert_eq!(panics.load(SeqCst), 0);
}

//! Transports that are handed over: to a server one by one, and to a channel.

use std::{
    io,
    net::TcpListener as StdListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream as streams;
use rpc_runtime::{Channel, Code, Server, SharedWrite, Status, Transport, stream};
use tokio::{
    io::{DuplexStream, duplex},
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::mpsc,
    time::Instant,
};

use super::{Here, ProbeClient, ProbeServer, spawn};

const PIPE: usize = 64 * 1_024;

async fn client(pipe: DuplexStream) -> Result<ProbeClient, Status> {
    Channel::builder().connect_over(Transport::new(pipe, "pipe://server")).await.map(ProbeClient::new)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_what_is_handed_over_is_the_orderly_end_of_the_server() {
    let here = Here::new();
    let (gate, service) = (here.gate.clone(), ProbeServer::new(here));
    let (accepted, transports) = stream::channel(1);
    let server = Server::builder().service(service).accept_from(transports, "pipe://server").unwrap();
    assert_eq!(server.local_address(), "pipe://server");
    let serving = spawn(server.serve());
    let (ours, theirs) = duplex(PIPE);
    accepted.send(Ok(Transport::new(theirs, "pipe://client"))).await.unwrap();
    let probe = client(ours).await.unwrap();
    assert_eq!(probe.scene().await.unwrap().peer.as_deref(), Some("pipe://client"));

    let waiting = probe.wait().start();
    probe.add(1, 2).await.unwrap();
    drop(accepted);
    while probe.add(1, 2).await.is_ok() {}
    let refused = probe.add(1, 2).await.unwrap_err();
    assert_eq!((refused.code(), refused.may_have_run()), (Code::Unavailable, false), "{refused}");
    gate.send_replace(true);
    waiting.await.unwrap();
    assert_eq!(serving.await.unwrap().unwrap().cut_calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_again_later_and_later() {
    let (sender, mut receiver) = mpsc::channel(64);
    let asked = streams::unfold((), move |()| {
        let sender = sender.clone();
        async move {
            sender.send(Instant::now()).await.ok()?;
            Some((Err(io::Error::other("no descriptors left")), ()))
        }
    });
    let server = Server::builder().accept_from(asked, "pipe://server").unwrap();
    let serving = spawn(server.serve());
    let began = Instant::now();
    let mut attempts = 0;
    while receiver.recv().await.unwrap() - began < Duration::from_secs(2) {
        attempts += 1;
    }
    assert!((5..30).contains(&attempts), "{attempts} attempts in two seconds");
    serving.abort();
}

#[tokio::test]
async fn a_server_of_two_services_with_one_name_takes_nothing_over() {
    let builder = Server::builder().service(ProbeServer::new(Here::new()));
    let status = builder.service(ProbeServer::new(Here::new())).accept_from(streams::empty(), "pipe://server");
    assert_eq!(status.unwrap_err().code(), Code::AlreadyExists);
}

/// A socket's write half, which notes that it was written to without a task.
struct Noted(OwnedWriteHalf, Arc<AtomicBool>);

impl SharedWrite for Noted {
    fn try_write_vectored(&self, buffers: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.1.store(true, Relaxed);
        self.0.try_write_vectored(buffers)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_ref().poll_write_ready(cx)
    }

    fn shutdown(&self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn callers_write_to_a_shared_transport_by_themselves() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let theirs = Transport::new(TcpStream::from_std(accepted).unwrap(), "tcp://client");
    let (sender, transports) = stream::channel(1);
    sender.send(Ok(theirs)).await.unwrap();
    let server = Server::builder().service(ProbeServer::new(Here::new()));
    let serving = spawn(server.accept_from(transports, "tcp://server").unwrap().serve());
    let (reader, writer) = stream.into_split();
    let written = Arc::new(AtomicBool::new(false));
    let transport = Transport::shared(reader, Noted(writer, Arc::clone(&written)), "tcp://server");
    let probe = ProbeClient::new(Channel::builder().connect_over(transport).await.unwrap());
    assert_eq!(probe.add(1, 2).await.unwrap(), 3);
    drop((sender, probe));
    assert!(written.load(Relaxed));
    serving.await.unwrap().unwrap();
}

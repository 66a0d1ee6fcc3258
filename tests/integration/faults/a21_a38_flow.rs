//! Replies that come early, and many large calls at once (A21, A36).

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use rpc_runtime::Channel;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    time::timeout,
};

use super::{
    a21_a38_service::{FaultsClient, Seen, against_peer, over_pipe, serve, serves, settled, spawn, within},
    peer_b::{Peer, credit, kind, response},
};

/// A21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_race_with_the_end_of_their_send_are_all_delivered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    spawn(async move {
        let (socket, _) = listener.accept().await.expect("a connection");
        socket.set_nodelay(true).expect("a TCP socket");
        let mut peer = Peer::accept(socket).await;
        while let Some(frame) = peer.next().await {
            if frame.kind == kind::REQUEST {
                peer.send(&response(frame.id, &frame.body)).await;
                peer.send(&credit(frame.body.len() as u32)).await;
            }
        }
    });
    let client = FaultsClient::new(Channel::connect(&address).await.unwrap());
    for n in 0..3_000_u32 {
        let bytes = n.to_le_bytes().to_vec();
        assert_eq!(within("the reply", client.echo(bytes.clone())).await.unwrap(), bytes);
    }
    assert_eq!(client.channel().late_responses(), 0);
    settled(client.channel()).await;
}

/// A transport that holds the reply to whatever is written to it before the write returns.
#[derive(Default)]
struct Immediate {
    written: Vec<u8>,
    shaken: bool,
    replies: VecDeque<u8>,
    reader: Option<Waker>,
}

impl Immediate {
    fn answer(&mut self) {
        if !self.shaken {
            let Some(text) = self.written.get(10..) else { return };
            if text.len() < usize::from(u16::from_le_bytes([self.written[8], self.written[9]])) {
                return;
            }
            let welcome = br#"{"welcome":{"version":1,"codec":"bincode"}}"#;
            self.replies.extend(&self.written[..8]);
            self.replies.extend((welcome.len() as u16).to_le_bytes());
            self.replies.extend(welcome);
            (self.shaken, self.written) = (true, Vec::new());
        }
        while let Some(length) = self.written.first_chunk().map(|length| u32::from_le_bytes(*length) as usize + 4) {
            if self.written.len() < length {
                return;
            }
            let frame: Vec<u8> = self.written.drain(..length).collect();
            if frame[4] == kind::REQUEST {
                let id = u64::from_le_bytes(frame[8..16].try_into().expect("eight bytes"));
                let header = usize::from(u16::from_le_bytes([frame[6], frame[7]]));
                self.replies.extend(response(id, &frame[16 + header..]));
                self.replies.extend(credit((frame.len() - 16 - header) as u32));
            }
        }
    }
}

impl AsyncWrite for Immediate {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.written.extend_from_slice(bytes);
        this.answer();
        if let Some(reader) = this.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Immediate {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replies.is_empty() {
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = this.replies.len().min(buffer.remaining());
        let bytes: Vec<u8> = this.replies.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

/// A21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_there_before_the_write_returned_is_delivered() {
    let channel = Channel::builder().handshake(Immediate::default(), "immediate").await.unwrap();
    let client = FaultsClient::new(channel);
    for n in 0..3_000_u32 {
        let bytes = n.to_le_bytes().to_vec();
        let running = client.echo(bytes.clone()).start();
        assert_eq!(within("the reply", running).await.unwrap(), bytes);
    }
    assert_eq!(client.channel().late_responses(), 0);
    settled(client.channel()).await;
}

/// A21.
#[tokio::test]
async fn a_reply_to_a_half_sent_request_is_delivered_and_the_rest_of_the_request_is_not_sent() {
    let (client, mut peer) = against_peer(Channel::builder(), 4_096).await;
    for _ in 0..3 {
        let running = client.echo(vec![1; 2 << 20]).start();
        let first = within("the first part", peer.next()).await.unwrap();
        assert!(first.more);
        peer.send(&response(first.id, &[2, 8, 9])).await;
        assert_eq!(within("the reply", running).await.unwrap(), [8, 9]);
        // What was on its way still comes, but not the whole message.
        let mut sent = first.body.len();
        for _ in 0..10 {
            let next = client.add(1, 2).start();
            let mut frame = within("the next call", peer.next_of(kind::REQUEST)).await.unwrap();
            while frame.id == first.id {
                sent += frame.body.len();
                frame = within("the next call", peer.next_of(kind::REQUEST)).await.unwrap();
            }
            peer.send(&credit(frame.body.len() as u32)).await;
            peer.send(&response(frame.id, &[3])).await;
            assert_eq!(within("the next reply", next).await.unwrap(), 3);
        }
        assert!(sent < 1 << 20, "{sent} bytes were sent");
        peer.send(&credit(sent as u32)).await;
    }
    // All of the window has come back: requests that fill it pass.
    let whole = [(); 2].map(|()| client.echo(vec![1; LARGEST]).start());
    for call in whole {
        let id = within("it passes", peer.next_of(kind::REQUEST)).await.unwrap().id;
        peer.send(&response(id, &[0])).await;
        assert!(within("its reply", call).await.unwrap().is_empty());
    }
    settled(client.channel()).await;
}

/// The largest message, less what its encoding adds.
const LARGEST: usize = (4 << 20) - 5;
const SMALL_PIPE: usize = 4_096;
/// A build for tests decodes about 10 MB in a second.
const PATIENCE: Duration = Duration::from_secs(60);

async fn echo_all(client: &FaultsClient, count: usize, size: usize) {
    let echoes = (0..count).map(|n| {
        let bytes = vec![n as u8; size];
        let echo = client.echo(bytes.clone());
        async move { echo.await.expect("it is answered") == bytes }
    });
    let echoed = timeout(PATIENCE, join_all(echoes)).await.expect("all echoes come back");
    assert_eq!(echoed.into_iter().filter(|right| *right).count(), count);
}

async fn echoes(client: &FaultsClient, count: usize, size: usize) {
    echo_all(client, count, size).await;
    settled(client.channel()).await;
    assert_eq!(within("a small call", client.add(1, 2)).await.expect("it is answered"), 3);
}

async fn over_tcp() -> (FaultsClient, String) {
    let (address, _server) = serve(&Seen::new()).await;
    (FaultsClient::new(Channel::connect(&address).await.expect("it connects")), address)
}

/// A36.
#[tokio::test]
async fn echoes_of_64_kib_do_not_stall_256_at_once() {
    let (client, address) = over_tcp().await;
    echoes(&client, 256, 64 << 10).await;
    serves(&address).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_4_mib_do_not_stall_16_at_once() {
    let (client, address) = over_tcp().await;
    echoes(&client, 16, LARGEST).await;
    serves(&address).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_1_kib_do_not_stall_4096_at_once() {
    let (client, address) = over_tcp().await;
    echoes(&client, 4_096, 1 << 10).await;
    serves(&address).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_64_kib_do_not_stall_through_a_small_pipe() {
    echoes(&over_pipe(&Seen::new(), SMALL_PIPE).await, 256, 64 << 10).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_4_mib_do_not_stall_through_a_small_pipe() {
    echoes(&over_pipe(&Seen::new(), SMALL_PIPE).await, 16, LARGEST).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_1_kib_do_not_stall_through_a_small_pipe() {
    echoes(&over_pipe(&Seen::new(), SMALL_PIPE).await, 4_096, 1 << 10).await;
}

/// A36.
#[tokio::test]
async fn echoes_of_all_sizes_do_not_stall_through_a_small_pipe_together() {
    let client = over_pipe(&Seen::new(), SMALL_PIPE).await;
    tokio::join!(echo_all(&client, 64, 64 << 10), echo_all(&client, 4, LARGEST), echo_all(&client, 1_024, 1 << 10));
    settled(client.channel()).await;
}

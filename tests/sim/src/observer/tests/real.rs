//! What the runtime itself sends, over a pipe that both judges listen to: so no rule is stricter than the protocol.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use rpc_runtime::{Limits, prelude::*};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::*;

#[rpc_service]
trait Busy {
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    async fn never(&self);
    fn count(&self, below: u64) -> impl Stream<Item = u64>;
    fn blocks(&self, sizes: Vec<usize>) -> impl Stream<Item = Vec<u8>>;
    async fn total(&self, numbers: Streaming<u64>) -> u64;
    async fn first(&self, numbers: Streaming<u64>) -> Option<u64>;
    fn back(&self, texts: Streaming<String>) -> impl Stream<Item = String>;
}

struct Bee;

impl Busy for Bee {
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        tokio::time::sleep(Duration::from_millis(bytes.len() as u64 % 7)).await;
        bytes
    }

    async fn never(&self) {
        std::future::pending::<()>().await;
    }

    fn count(&self, below: u64) -> impl Stream<Item = u64> {
        stream::iter(0..below)
    }

    fn blocks(&self, sizes: Vec<usize>) -> impl Stream<Item = Vec<u8>> {
        stream::iter(sizes).map(|size| vec![7; size])
    }

    async fn total(&self, numbers: Streaming<u64>) -> u64 {
        numbers.fold(0, |sum, number| async move { sum + number.unwrap_or(0) }).await
    }

    async fn first(&self, mut numbers: Streaming<u64>) -> Option<u64> {
        numbers.next().await.and_then(Result::ok)
    }

    fn back(&self, texts: Streaming<String>) -> impl Stream<Item = String> {
        texts.filter_map(|text| async move { text.ok() })
    }
}

/// One end of a pipe, and the judge of what goes through it.
struct Heard {
    io: DuplexStream,
    judge: Arc<Mutex<Endpoint>>,
}

impl AsyncRead for Heard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.judge.lock().unwrap().received(&buffer.filled()[before..]).unwrap();
        polled
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            if let Err(violation) = self.judge.lock().unwrap().sent(&bytes[..*count]) {
                panic!("{violation}");
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.judge.lock().unwrap().ended();
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn heard(io: DuplexStream, side: Side) -> (Heard, Arc<Mutex<Endpoint>>) {
    let judge = Arc::new(Mutex::new(Endpoint::new(side)));
    (Heard { io, judge: Arc::clone(&judge) }, judge)
}

/// Calls of every form, some of which are given up, over a pipe that holds `pipe` bytes.
async fn session(pipe: usize) -> (Summary, Summary) {
    let (ours, theirs) = duplex(pipe);
    let ((ours, dialled), (theirs, accepted)) = (heard(ours, Side::Dialled), heard(theirs, Side::Accepted));
    let limits = || Limits::default().in_flight(8).streams(3);
    let server = Server::builder().limits(limits()).service(BusyServer::new(Bee));
    let server = tokio::task::spawn_local(server.serve_connection(theirs, "mem://heard"));
    let channel = Channel::builder().limits(limits()).handshake(ours, "mem://heard").await.unwrap();
    let busy = BusyClient::new(channel.clone());
    let echoes = join_all((0..40).map(|call| busy.echo(vec![1; 9_000 * call])));
    let given_up = join_all((0..9).map(|_| busy.never().timeout(Duration::from_millis(30))));
    let streams = async {
        assert_eq!(busy.count(10_000).await.unwrap().count().await, 10_000);
        assert_eq!(busy.count(100_000).await.unwrap().take(9).count().await, 9);
        assert_eq!(busy.blocks(vec![300_000, 0, 65_536, 70_000]).await.unwrap().count().await, 4);
        assert_eq!(busy.total(stream::iter(0..20_000)).await.unwrap(), 199_990_000);
        assert_eq!(busy.first(stream::iter(5..)).await.unwrap(), Some(5));
        let texts = stream::iter((0..50).map(|text: usize| "x".repeat(2_000 * text)));
        assert_eq!(busy.back(texts).await.unwrap().count().await, 50);
    };
    let dropped = async {
        let _ = tokio::time::timeout(Duration::from_millis(5), busy.echo(vec![0; 1_000_000])).await;
        let _ = tokio::time::timeout(Duration::from_millis(5), busy.never()).await;
    };
    let (echoes, _, (), ()) = tokio::join!(echoes, given_up, streams, dropped);
    assert!(echoes.iter().all(Result::is_ok));
    drop((busy, channel));
    server.await.unwrap().unwrap();
    let summary = |judge: Arc<Mutex<Endpoint>>| judge.lock().unwrap().summary();
    (summary(dialled), summary(accepted))
}

#[tokio::test(start_paused = true)]
async fn what_the_runtime_sends_is_within_the_protocol() {
    for pipe in [64, 4_000, 1 << 20] {
        let (dialled, accepted) = tokio::task::LocalSet::new().run_until(session(pipe)).await;
        assert_eq!((dialled.requests, dialled.goaways, accepted.goaways), (accepted.terminal, 1, 1), "{pipe}");
        assert_eq!((accepted.owed, dialled.in_flight), (0, 0), "{pipe}");
        assert!(dialled.between_frames && accepted.between_frames, "{pipe}");
        assert!(dialled.items > 20_000 && accepted.items > 10_000 && dialled.cancels > 0, "{dialled:?} {accepted:?}");
    }
}

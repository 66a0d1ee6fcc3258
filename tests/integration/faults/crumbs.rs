//! A transport that is as unhelpful as one may be (G4): each transfer is of one byte, each second attempt is told to
//! come later, and each attempt wakes whoever waits for the other direction, for nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, Limits};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{
    a01_a20_desk::settled,
    probe::{ProbeClient, Served},
    raw::within_time,
};

struct Crumbs {
    pipe: DuplexStream,
    reading: Half,
    writing: Half,
}

/// What one direction was told last.
#[derive(Default)]
struct Half {
    was_ready: bool,
    waiting: Option<Waker>,
}

impl Half {
    /// Whether something may be transferred now. Whoever may not is woken at once.
    fn is_ready(&mut self, other: &mut Self, cx: &mut Context<'_>) -> bool {
        if let Some(waker) = other.waiting.take() {
            waker.wake();
        }
        self.waiting = Some(cx.waker().clone());
        self.was_ready = !self.was_ready;
        if !self.was_ready {
            cx.waker().wake_by_ref();
        }
        self.was_ready
    }
}

impl Crumbs {
    fn over(pipe: DuplexStream) -> Self {
        Self { pipe, reading: Half::default(), writing: Half::default() }
    }
}

impl AsyncRead for Crumbs {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.reading.is_ready(&mut this.writing, cx) {
            return Poll::Pending;
        }
        let mut byte = [0];
        let most = buffer.remaining().min(1);
        let mut crumb = ReadBuf::new(&mut byte[..most]);
        let polled = Pin::new(&mut this.pipe).poll_read(cx, &mut crumb);
        buffer.put_slice(crumb.filled());
        polled
    }
}

impl AsyncWrite for Crumbs {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.writing.is_ready(&mut this.reading, cx) {
            return Poll::Pending;
        }
        Pin::new(&mut this.pipe).poll_write(cx, &bytes[..bytes.len().min(1)])
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_shutdown(cx)
    }
}

/// What calls over this pipe give, in their order, and why the server's end is over.
async fn session<T>(near: T, far: T) -> (Vec<String>, Code)
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let served = Served::over(far, Limits::default());
    let channel = Channel::builder().handshake(near, "pipe").await.unwrap();
    let probe = ProbeClient::new(channel.clone());
    let dropped = probe.wait().start();
    // The last goes in parts, each way.
    let echoes = join_all([0, 1, 2_000, 66_000].map(|size| probe.echo("x".repeat(size))));
    let sums = join_all((0..50).map(|n| probe.add(n, 1)));
    let late = probe.wait().timeout(Duration::from_millis(20));
    let (echoes, sums, late) = tokio::join!(echoes, sums, late);
    drop(dropped);
    let mut outcomes: Vec<String> = echoes.into_iter().map(Result::unwrap).collect();
    outcomes.extend(sums.into_iter().map(|sum| sum.unwrap().to_string()));
    outcomes.push(late.unwrap_err().code().to_string());
    outcomes.push(probe.add(20, 22).await.unwrap().to_string());
    channel.close();
    let ended = served.ended().await.unwrap();
    settled(&channel).await;
    (outcomes, ended.code())
}

/// G4.
#[tokio::test]
async fn crumbs_from_a_transport_that_is_seldom_ready_and_wakes_for_nothing_change_nothing() {
    let time = Duration::from_secs(60);
    let (near, far) = tokio::io::duplex(1 << 16);
    let plain = within_time(time, "the session", session(near, far)).await;
    let (near, far) = tokio::io::duplex(1 << 16);
    let crumbs = within_time(time, "the session in crumbs", session(Crumbs::over(near), Crumbs::over(far))).await;
    assert_eq!(plain.0.len(), 56);
    assert!(crumbs == plain, "{:?} and {:?}", crumbs.0[4..].to_vec(), plain.0[4..].to_vec());
}

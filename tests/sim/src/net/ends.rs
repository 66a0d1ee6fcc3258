//! What a host holds of the network: both halves of its end of a connection, and the connections that come to it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use rpc_runtime::{SharedWrite, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{HostId, LinkId, Network, park, pipe::Read};

/// One read in so many is woken for nothing, and one write in so many finds no room where there is some.
const SPURIOUS: u8 = 64;

/// A listener without descriptors is asked so often in less than half a second only if nobody waits in between.
const MOST_FAILURES: u64 = 32;

pub(super) struct Reader {
    net: Network,
    link: LinkId,
    end: usize,
}

impl Reader {
    pub(super) fn new(net: Network, link: LinkId, end: usize) -> Self {
        Self { net, link, end }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { link, end, .. } = *self;
        self.net.with(|net, wakers| {
            if net.rng.u8(..) < u8::MAX / SPURIOUS {
                wakers.push(cx.waker().clone());
                return Poll::Pending;
            }
            let pipe = &mut net.links[link].pipes[1 - end];
            match pipe.read(into.remaining()) {
                Read::Nothing => {
                    park(&mut pipe.reader, cx, wakers);
                    Poll::Pending
                }
                Read::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Read::End => {
                    net.trace.note(net.now, "end", &[link as u64, end as u64], &[]);
                    Poll::Ready(Ok(()))
                }
                Read::Bytes(bytes) => {
                    into.put_slice(&bytes);
                    wakers.extend(pipe.writer.take());
                    net.judge(link, end, false, &bytes);
                    net.trace.note(net.now, "read", &[link as u64, end as u64], &bytes);
                    Poll::Ready(Ok(()))
                }
            }
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Self { link, end, .. } = *self;
        self.net.with(|net, wakers| {
            let now = net.now;
            let link = &mut net.links[link];
            link.dropped[end] += 1;
            let unread = link.pipes[1 - end].deafen();
            wakers.extend(link.pipes[1 - end].reader.take());
            if unread && !link.dead {
                // As TCP does when something is left unread.
                link.pipes[end].reset_reader(now);
            }
        });
    }
}

pub(super) struct Writer {
    net: Network,
    link: LinkId,
    end: usize,
}

impl Writer {
    pub(super) fn new(net: Network, link: LinkId, end: usize) -> Self {
        Self { net, link, end }
    }

    fn write(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let Self { link, end, .. } = *self;
        self.net.with(|net, _| {
            if net.rng.u8(..) < u8::MAX / SPURIOUS {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let bytes = first(buffers, net.links[link].pipes[end].wants());
            let written = net.links[link].pipes[end].write(&bytes, net.now)?;
            net.bytes += written as u64;
            net.judge(link, end, true, &bytes[..written]);
            net.trace.note(net.now, "write", &[link as u64, end as u64], &bytes[..written]);
            Ok(written)
        })
    }

    fn close(&self) {
        let Self { link, end, .. } = *self;
        self.net.with(|net, _| {
            net.ended(link, end);
            net.trace.note(net.now, "shutdown", &[link as u64, end as u64], &[]);
        });
    }
}

impl SharedWrite for Writer {
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(buffers)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { link, end, .. } = *self;
        self.net.with(|net, wakers| {
            let pipe = &mut net.links[link].pipes[end];
            if pipe.is_writable() {
                return Poll::Ready(Ok(()));
            }
            park(&mut pipe.writer, cx, wakers);
            Poll::Pending
        })
    }

    fn shutdown(&self) -> io::Result<()> {
        self.close();
        Ok(())
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.write(buffers) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.poll_write_ready(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            written => Poll::Ready(written),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Self { link, end, .. } = *self;
        self.net.with(|net, wakers| {
            let link = &mut net.links[link];
            link.dropped[end] += 1;
            wakers.extend(link.pipes[end].writer.take());
            if !link.dead {
                link.pipes[end].close(net.now);
            }
        });
    }
}

/// So many bytes of the buffers, and at least one if there is any.
fn first(buffers: &[IoSlice<'_>], count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for buffer in buffers {
        let room = count.max(1) - bytes.len();
        bytes.extend_from_slice(&buffer[..room.min(buffer.len())]);
    }
    bytes
}

/// The connections that come to a host, and the failures of a listener without descriptors.
pub(crate) struct Incoming {
    net: Network,
    host: HostId,
}

impl Incoming {
    pub(super) fn new(net: Network, host: HostId) -> Self {
        Self { net, host }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Transport>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.net.with(|net, wakers| {
            let now = net.now;
            let host = &mut net.hosts[self.host];
            if host.failing_until > now {
                host.failures += 1;
                if host.failures == MOST_FAILURES {
                    let what = format!("host {} was asked {MOST_FAILURES} times for a connection", self.host);
                    net.violations.push(what);
                }
                return Poll::Ready(Some(Err(io::Error::other("too many open files"))));
            }
            match host.waiting.pop_front() {
                Some(transport) => Poll::Ready(Some(Ok(transport))),
                None => {
                    park(&mut host.acceptor, cx, wakers);
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let refused = self.net.with(|net, wakers| net.down(self.host, false, wakers));
        // Outside the lock: their ends tell the network.
        drop(refused);
    }
}

//! TCP, without Nagle's delay.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::{BACKLOG, SharedWrite, Transport, concerns_one_connection, shut_write_side};

/// Tries the addresses of a host in turn.
pub(super) async fn connect(host_and_port: &str) -> io::Result<Transport> {
    let stream = dial(host_and_port).await?;
    let peer = stream.peer_addr()?;
    Ok(transport(stream, peer))
}

pub(super) async fn dial(host_and_port: &str) -> io::Result<TcpStream> {
    let addresses = resolve(host_and_port).await?;
    let stream = first_of(&addresses, TcpStream::connect).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) async fn bind(host_and_port: &str) -> io::Result<Self> {
        let addresses = resolve(host_and_port).await?;
        first_of(&addresses, |address| async move { listen(address) }).await.map(Self)
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(super) async fn accept(&self) -> io::Result<Transport> {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // It fails only on a connection that is gone already, which its first read will tell.
                    let _ = stream.set_nodelay(true);
                    return Ok(transport(stream, peer));
                }
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How long an address may keep the next one waiting: one that drops what is sent to it answers nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the first address gives that gives anything; the failure of all, each with its address, otherwise.
pub(super) async fn first_of<T, F: Future<Output = io::Result<T>>>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let Some((&last, others)) = addresses.split_last() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    };
    let mut failures = String::new();
    for &address in others {
        match timeout(PATIENCE, attempt(address)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => failures.push_str(&format!("{address}: {error}; ")),
            Err(_) => failures.push_str(&format!("{address}: no answer within {PATIENCE:?}; ")),
        }
    }
    attempt(last).await.map_err(|error| match failures.is_empty() {
        true => error,
        false => io::Error::new(error.kind(), format!("{failures}{last}: {error}")),
    })
}

async fn resolve(host_and_port: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host(host_and_port).await?.collect())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a server that was restarted gets its port back; elsewhere than on Unix it would share the port.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn transport(stream: TcpStream, peer: SocketAddr) -> Transport {
    let (reader, writer) = stream.into_split();
    Transport::shared(reader, TcpWriter(writer), format!("tcp://{peer}"))
}

struct TcpWriter(OwnedWriteHalf);

impl SharedWrite for TcpWriter {
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(buffers)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_ref().poll_write_ready(cx)
    }

    fn shutdown(&self) -> io::Result<()> {
        shut_write_side(&socket2::SockRef::from(self.0.as_ref()))
    }
}

//! Byte pipes by address: tcp, unix, memory, and any pipe that is handed over.
//!
//! A transport knows nothing of frames and has no deadlines: whoever connects, reads or writes sets them.

mod address;
mod memory;
mod tcp;
#[cfg(test)]
mod tests;
mod unix;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use address::Address;

/// A byte pipe with a peer at its other end. Dropping both halves closes it.
pub(crate) struct Transport {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Writer,
    /// Where the peer is, as a URI such as `tcp://127.0.0.1:53122`.
    pub(crate) peer: String,
}

impl Transport {
    /// Any pipe that is both read and written, `peer` being what errors call its other end.
    pub(crate) fn from_io<T: AsyncRead + AsyncWrite + Send + 'static>(io: T, peer: String) -> Self {
        let (reader, writer) = tokio::io::split(io);
        Self { reader: Box::new(reader), writer: Writer::Owned(Box::new(writer)), peer }
    }

    fn shared(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl SharedWrite + 'static,
        peer: String,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Writer::Shared(Arc::new(writer)), peer }
    }
}

/// The write half of a transport.
pub(crate) enum Writer {
    /// Callers may write by themselves.
    Shared(Arc<dyn SharedWrite>),
    /// One task writes for all, and flushes: the pipe may buffer.
    Owned(Box<dyn AsyncWrite + Send + Unpin>),
}

/// A write half that many may use: nothing registers a waker but [`poll_write_ready`](Self::poll_write_ready).
/// It buffers nothing, so that there is no flush.
pub(crate) trait SharedWrite: Send + Sync {
    /// Writes what the pipe takes at once; `WouldBlock` when it takes nothing.
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ready when a write is worth trying. Only the waker of the last poll is kept: one task may wait at a time.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the stream that the peer reads; this side can still read. Not an error when the peer is gone.
    fn shutdown(&self) -> io::Result<()>;
}

/// Connects to `address`. The caller bounds the wait; dropping the future gives the attempt up.
pub(crate) async fn connect(address: &Address) -> io::Result<Transport> {
    match address {
        Address::Tcp(host_and_port) => tcp::connect(host_and_port).await,
        Address::Unix(path) => unix::connect(path).await,
        Address::Memory(name) => memory::connect(name).await,
    }
}

/// Accepts transports at an address, until it is dropped.
pub(crate) struct Listener {
    acceptor: Acceptor,
    address: Address,
}

enum Acceptor {
    Tcp(tcp::Listener),
    Unix(unix::Listener),
    Memory(memory::Listener),
}

impl Listener {
    /// Takes the address, `AddrInUse` when somebody has it.
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(host_and_port) => {
                let listener = tcp::Listener::bind(host_and_port).await?;
                let address = Address::Tcp(listener.local_address()?.to_string());
                Self { acceptor: Acceptor::Tcp(listener), address }
            }
            Address::Unix(path) => {
                Self { acceptor: Acceptor::Unix(unix::Listener::bind(path).await?), address: address.clone() }
            }
            Address::Memory(name) => {
                Self { acceptor: Acceptor::Memory(memory::Listener::bind(name)?), address: address.clone() }
            }
        })
    }

    /// The address that was taken, with the real port where the system chose one.
    pub(crate) fn local_address(&self) -> &Address {
        &self.address
    }

    /// The next transport. Dropping the future loses none.
    ///
    /// An error is the listener's, such as no descriptors left, and may pass: wait before trying again.
    pub(crate) async fn accept(&self) -> io::Result<Transport> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.accept().await,
            Acceptor::Unix(listener) => listener.accept().await,
            Acceptor::Memory(listener) => listener.accept().await,
        }
    }
}

/// How many connections the system keeps ready while nobody accepts.
const BACKLOG: u32 = 1_024;

/// Whether a failed `accept` says something of one connection only, so that the next can be accepted at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A socket's write side, shut; that the peer has closed already is not an error.
fn shut_write_side(socket: &socket2::SockRef<'_>) -> io::Result<()> {
    match socket.shutdown(std::net::Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

//! Byte pipes by address: tcp, unix, memory, and any pipe that is handed over.
//!
//! A transport knows nothing of frames and has no deadlines: whoever connects, reads or writes sets them.

mod address;
mod given;
mod memory;
mod tcp;
#[cfg(test)]
mod tests;
mod unix;

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use address::Address;

/// A byte pipe with a peer at its other end: ordered, reliable, in both directions. Dropping both halves closes it.
///
/// For pipes that have no address here, such as those of another listener or of a simulated network:
/// [`ServerBuilder::accept_from`](crate::ServerBuilder::accept_from) and
/// [`ChannelBuilder::connect_over`](crate::ChannelBuilder::connect_over) take them.
pub struct Transport {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Writer,
    /// Where the peer is, as a URI such as `tcp://127.0.0.1:53122`.
    pub(crate) peer: String,
}

impl Transport {
    /// Any pipe that is both read and written, `peer` being what errors and contexts call its other end. One task
    /// writes to it for all callers, and flushes.
    pub fn new<T: AsyncRead + AsyncWrite + Send + 'static>(io: T, peer: impl Into<String>) -> Self {
        let (reader, writer) = tokio::io::split(io);
        Self { reader: Box::new(reader), writer: Writer::Owned(Box::new(writer)), peer: peer.into() }
    }

    /// A pipe that callers may write to by themselves, as they do with sockets: it spares the hand-over to a task.
    pub fn shared(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl SharedWrite + 'static,
        peer: impl Into<String>,
    ) -> Self {
        Self { reader: Box::new(reader), writer: Writer::Shared(Arc::new(writer)), peer: peer.into() }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("peer", &self.peer).finish_non_exhaustive()
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
/// It buffers nothing, so that there is no flush. Dropping it ends the stream that the peer reads, as the
/// [shutdown](Self::shutdown) does. None of its functions may block: callers run them.
pub trait SharedWrite: Send + Sync {
    /// Writes what the pipe takes at once, and says how much that is, which is never more than there was; `WouldBlock`
    /// when it takes nothing. Taking nothing without that is an error, which ends the connection.
    fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ready when a write is worth trying: after `WouldBlock` not before the pipe takes more. Only the waker of the
    /// last poll is kept: one task may wait at a time.
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
    address: String,
}

enum Acceptor {
    Tcp(tcp::Listener),
    Unix(unix::Listener),
    Memory(memory::Listener),
    Given(given::Listener),
}

impl Listener {
    /// Takes what `transports` gives, at what it calls `address`.
    pub(crate) fn given(transports: given::Transports, address: &str) -> Self {
        Self { acceptor: Acceptor::Given(given::Listener::new(transports)), address: address.to_owned() }
    }

    /// Takes the address, `AddrInUse` when somebody has it.
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        Ok(match address {
            Address::Tcp(host_and_port) => {
                let listener = tcp::Listener::bind(host_and_port).await?;
                let address = Address::Tcp(listener.local_address()?.to_string());
                Self { acceptor: Acceptor::Tcp(listener), address: address.to_string() }
            }
            Address::Unix(path) => {
                Self { acceptor: Acceptor::Unix(unix::Listener::bind(path).await?), address: address.to_string() }
            }
            Address::Memory(name) => {
                Self { acceptor: Acceptor::Memory(memory::Listener::bind(name)?), address: address.to_string() }
            }
        })
    }

    /// The address that was taken, as a URI, with the real port where the system chose one.
    pub(crate) fn local_address(&self) -> &str {
        &self.address
    }

    /// The next transport; none once a listener that was handed over has ended. Dropping the future loses none.
    ///
    /// An error is the listener's, such as no descriptors left, and may pass: wait before trying again.
    pub(crate) async fn accept(&self) -> io::Result<Option<Transport>> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => listener.accept().await.map(Some),
            Acceptor::Unix(listener) => listener.accept().await.map(Some),
            Acceptor::Memory(listener) => listener.accept().await.map(Some),
            Acceptor::Given(listener) => listener.accept().await,
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

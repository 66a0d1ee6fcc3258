//! Unix domain sockets, with the socket file looked after: a stale one is replaced, the own one removed.

use std::fs::{self, Metadata};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::sleep;

use super::{BACKLOG, SharedWrite, Transport, concerns_one_connection, shut_write_side};

/// How soon to try again while the listener's backlog is full: the system does not tell when it no longer is.
const FULL_BACKLOG_PAUSE: Duration = Duration::from_millis(5);
/// How often to try; then the listener accepts nothing any more.
const FULL_BACKLOG_TRIES: u32 = 400;

pub(super) async fn connect(path: &Path) -> io::Result<Transport> {
    let mut tries = 1;
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(transport(stream, path)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < FULL_BACKLOG_TRIES => {
                tries += 1;
                sleep(FULL_BACKLOG_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Removes the file; behind the listener, so that nobody connects to a file that is about to go.
    _file: SocketFile,
}

impl Listener {
    pub(super) async fn bind(path: &Path) -> io::Result<Self> {
        let listener = match listen(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path).await => {
                fs::remove_file(path)?;
                listen(path)
            }
            result => result,
        }?;
        Ok(Self { listener, path: path.to_owned(), _file: SocketFile::new(path)? })
    }

    pub(super) async fn accept(&self) -> io::Result<Transport> {
        loop {
            match self.listener.accept().await {
                // Who connects has no address of its own.
                Ok((stream, _)) => return Ok(transport(stream, &self.path)),
                Err(error) if concerns_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    socket.listen(BACKLOG)
}

/// Whether `path` is a socket that nobody listens on. Other files are never stale: they are somebody's data.
async fn is_stale(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
        && matches!(UnixStream::connect(path).await, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

/// The file of a listening socket, removed when this is dropped unless another has taken its place.
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        // Absolute, in case the working directory changes meanwhile.
        Ok(Self { path: std::path::absolute(path)?, identity: identity(&fs::symlink_metadata(path)?) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity) {
            // That somebody was faster is no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn transport(stream: UnixStream, path: &Path) -> Transport {
    let (reader, writer) = stream.into_split();
    Transport::shared(reader, UnixWriter(writer), format!("unix://{}", path.display()))
}

struct UnixWriter(OwnedWriteHalf);

impl SharedWrite for UnixWriter {
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

//! Pipes within the process, found by name: for tests, and for parts that may move to other processes later.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::{BACKLOG, Transport};

/// How many bytes each direction of a pipe holds.
const PIPE: usize = 64 * 1_024;

type Listeners = BTreeMap<String, mpsc::Sender<DuplexStream>>;

/// Who listens in this process, by name. An entry lives as long as its listener.
static LISTENERS: Mutex<Listeners> = Mutex::new(BTreeMap::new());

pub(super) async fn connect(name: &str) -> io::Result<Transport> {
    let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens on this name in this process");
    let listener = listeners().get(name).cloned().ok_or_else(refused)?;
    let (ours, theirs) = tokio::io::duplex(PIPE);
    listener.send(theirs).await.map_err(|_| refused())?;
    Ok(transport(ours, name))
}

pub(super) struct Listener {
    name: String,
    incoming: tokio::sync::Mutex<mpsc::Receiver<DuplexStream>>,
}

impl Listener {
    pub(super) fn bind(name: &str) -> io::Result<Self> {
        let mut listeners = listeners();
        if listeners.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "the name is taken in this process"));
        }
        let (tx, rx) = mpsc::channel(BACKLOG as usize);
        listeners.insert(name.to_owned(), tx);
        Ok(Self { name: name.to_owned(), incoming: tokio::sync::Mutex::new(rx) })
    }

    pub(super) async fn accept(&self) -> io::Result<Transport> {
        let stream = self.incoming.lock().await.recv().await;
        Ok(transport(stream.expect("the registry holds a sender as long as the listener lives"), &self.name))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let sender = listeners().remove(&self.name);
        // Outside the lock: a drop may wake tasks.
        drop(sender);
    }
}

fn listeners() -> MutexGuard<'static, Listeners> {
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn transport(stream: DuplexStream, name: &str) -> Transport {
    Transport::new(stream, format!("mem://{name}"))
}

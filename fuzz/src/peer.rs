//! A peer made of bytes at one end of a pipe: it sends what it is told, in pieces if it is told so, and notes what it
//! sent and read. It never waits for the other end without a bound.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    task::{JoinSet, yield_now},
    time::sleep,
};

use rpc_runtime::fuzzing::Pipe;

use crate::{
    frames::{End, Kind, Step, whole},
    world::within,
};

const MAGIC: [u8; 8] = *b"\xF5RPC\r\n\x1A\n";
/// So much is kept of what is read.
const MOST_READ: usize = 1 << 20;

/// The halves of a pipe in memory.
pub(crate) fn halves(pipe: DuplexStream) -> Pipe {
    let (reader, writer) = tokio::io::split(pipe);
    (Box::new(reader), Box::new(writer))
}

pub(crate) struct Peer {
    writer: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    reading: watch::Sender<bool>,
    read: Arc<Mutex<Vec<u8>>>,
    /// The one that reads.
    reader: JoinSet<()>,
    /// The low bit of the ids of its own calls.
    side: u64,
    sent: Vec<u8>,
    split: usize,
    /// The other end takes nothing more.
    refused: bool,
}

impl Peer {
    pub(crate) fn new((mut input, writer): Pipe, side: u64) -> Self {
        let (reading, mut may_read) = watch::channel(true);
        let read = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&read);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let mut buffer = vec![0; 16 << 10];
            while may_read.wait_for(|may| *may).await.is_ok() {
                let Ok(count @ 1..) = input.read(&mut buffer).await else { return };
                let mut kept = lock(&kept);
                if kept.len() < MOST_READ {
                    kept.extend_from_slice(&buffer[..count]);
                }
            }
        });
        Self { writer, reading, read, reader, side, sent: Vec::new(), split: 0, refused: false }
    }

    /// What follows is sent in pieces of so many bytes; 0 is as a whole.
    pub(crate) fn splits(&mut self, piece: u8) {
        self.split = usize::from(piece);
    }

    /// Sends, and is done when the other end has taken it or will not.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let piece = if self.split == 0 { bytes.len().max(1) } else { self.split };
        for bytes in bytes.chunks(piece) {
            // Whatever the other end has to write, and whoever does not read that: it reads on.
            let sent: io::Result<()> = within("a reader that must not wait", self.writer.write_all(bytes)).await;
            if sent.is_err() {
                self.refused = true;
                return;
            }
            self.sent.extend_from_slice(bytes);
            yield_now().await;
        }
    }

    /// Sends a handshake: magic, length and text.
    pub(crate) async fn shake(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("a text of a target is short");
        self.send(&[&MAGIC[..], &length.to_le_bytes(), text.as_bytes()].concat()).await;
    }

    pub(crate) async fn act(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            match step {
                Step::Wait(ms) => sleep(Duration::from_millis(u64::from(*ms))).await,
                Step::Read(on) => drop(self.reading.send_replace(*on)),
                Step::Split(piece) => self.splits(*piece),
                _ => {
                    let bytes = step.bytes(|id| self.id(id));
                    self.send(&bytes).await;
                }
            }
            if self.refused {
                return;
            }
        }
    }

    /// Ends as the script says. Whether the other end has ended its direction, too, is told for a half-close.
    pub(crate) async fn end(&mut self, end: End) -> bool {
        self.reading.send_replace(true);
        match end {
            End::Gone => false,
            End::Silent => {
                sleep(Duration::from_secs(60)).await;
                false
            }
            End::HalfClosed => {
                // It may be gone already.
                let _ = self.writer.shutdown().await;
                let ended = tokio::time::timeout(Duration::from_secs(100), self.reader.join_next()).await;
                ended.is_ok()
            }
        }
    }

    /// What was sent behind the handshake.
    pub(crate) fn sent(&self) -> &[u8] {
        frames_of(&self.sent)
    }

    /// What was read behind the handshake.
    pub(crate) fn read(&self) -> Vec<u8> {
        frames_of(&lock(&self.read)).to_vec()
    }

    /// Whether its end may be an orderly one, behind which the other end goes on with what it was asked for, for ever
    /// if that never ends.
    pub(crate) fn said_goodbye(&self) -> bool {
        whole(self.sent()).iter().any(|frame| frame.kind == Kind::GoAway as u8)
    }

    /// The ids of the other end's calls.
    fn requests(&self) -> Vec<u64> {
        let read = lock(&self.read);
        whole(frames_of(&read))
            .iter()
            .filter(|frame| frame.kind == 1 && !frame.header.is_empty())
            .map(|f| f.id)
            .collect()
    }

    /// Which call a small number means: one of its own, or one of those that it has seen.
    fn id(&self, number: u8) -> u64 {
        let (number, own) = (u64::from(number), u64::from(number) % 2 == self.side);
        let seen = if own { Vec::new() } else { self.requests() };
        if seen.is_empty() { number } else { seen[number as usize / 2 % seen.len()] }
    }
}

/// What is behind a handshake.
fn frames_of(bytes: &[u8]) -> &[u8] {
    let Some(length) = bytes.get(8..10) else { return &[] };
    bytes.get(10 + usize::from(u16::from_le_bytes([length[0], length[1]]))..).unwrap_or_default()
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

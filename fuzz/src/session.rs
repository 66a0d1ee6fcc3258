//! A good session, recorded as it is today, and played again with damage at arbitrary places.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arbitrary::Arbitrary;
use rpc_runtime::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, duplex, split},
    task::JoinSet,
};

use crate::{
    calls::recorded_calls,
    client,
    frames::Setting,
    server,
    service::{Here, ProbeClient},
    world::{self, within},
};

/// What is done to which direction of the session.
#[derive(Debug, Arbitrary)]
pub struct Damage {
    at_server: bool,
    /// The bytes come in pieces of so many; 0 is as a whole.
    piece: u8,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Change {
    Flip {
        at: u16,
        bit: u8,
    },
    Set {
        at: u16,
        byte: u8,
    },
    Cut {
        at: u16,
        length: u8,
    },
    /// Everything behind it.
    End {
        at: u16,
    },
    Copy {
        from: u16,
        length: u8,
        to: u16,
    },
}

/// Both directions of a session without damage.
struct Recorded {
    of_client: Vec<u8>,
    of_server: Vec<u8>,
}

/// Plays one direction, damaged, against a real other end.
pub fn replay(damage: &Damage) {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    let recorded = RECORDED.get_or_init(record);
    let mut bytes = if damage.at_server { &recorded.of_client } else { &recorded.of_server }.clone();
    // Behind many changes nothing of the session is left.
    for change in damage.changes.iter().take(8) {
        change.make(&mut bytes);
    }
    if damage.at_server {
        server::bytes(&[&[damage.piece], &bytes[..]].concat());
    } else {
        client::replay(&bytes, damage.piece);
    }
}

impl Change {
    fn make(self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % bytes.len().max(1);
        let range = |at: u16, length: u8| place(at)..(place(at) + usize::from(length)).min(bytes.len());
        match self {
            Self::Flip { at, bit } => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Set { at, byte: new } => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = new;
                }
            }
            Self::Cut { at, length } => drop(bytes.drain(range(at, length))),
            Self::End { at } => bytes.truncate(place(at)),
            Self::Copy { from, length, to } => {
                let (copied, to) = (bytes[range(from, length)].to_vec(), place(to));
                drop(bytes.splice(to..to, copied));
            }
        }
    }
}

fn record() -> Recorded {
    let (of_client, of_server) = (Arc::default(), Arc::default());
    let (client_bytes, server_bytes) = (Arc::clone(&of_client), Arc::clone(&of_server));
    world::play(async move {
        let (client_end, client_tap) = duplex(1 << 16);
        let (server_end, server_tap) = duplex(1 << 16);
        let ((from_client, to_client), (from_server, to_server)) = (split(client_tap), split(server_tap));
        let mut tasks = JoinSet::new();
        tasks.spawn(pass(from_client, to_server, client_bytes));
        tasks.spawn(pass(from_server, to_client, server_bytes));
        let here = Here::default();
        tasks.spawn(async move {
            let server = Server::builder().service(Here::default().service());
            server.serve_connection(server_end, "fuzz").await.expect("the handshake is a good one");
        });
        let channel = client::channel(Setting::Default, &here).handshake(client_end, "fuzz").await;
        recorded_calls(&ProbeClient::new(channel.expect("a good handshake")), &here).await;
        within("the end of the session", tasks.join_all()).await;
    });
    Recorded { of_client: taken(&of_client), of_server: taken(&of_server) }
}

type Bytes = Arc<Mutex<Vec<u8>>>;

fn taken(bytes: &Bytes) -> Vec<u8> {
    std::mem::take(&mut *bytes.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Passes one direction on, and keeps it.
async fn pass(mut from: ReadHalf<tokio::io::DuplexStream>, mut to: WriteHalf<tokio::io::DuplexStream>, kept: Bytes) {
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    // The other end may have gone first.
    let _ = to.shutdown().await;
}

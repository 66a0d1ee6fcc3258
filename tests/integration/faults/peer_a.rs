//! A peer that speaks the protocol by its bytes, with JSON, and that can therefore misbehave.

use rpc_runtime::{Channel, ChannelBuilder, CodecKind};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
};

pub(super) const REQUEST: u8 = 1;
pub(super) const RESPONSE: u8 = 2;
pub(super) const END: u8 = 4;
pub(super) const CANCEL: u8 = 5;
pub(super) const CREDIT: u8 = 6;
pub(super) const GO_AWAY: u8 = 9;

/// What a peer that has no reason for anything else grants.
pub(super) const GENEROUS: &str = r#"{"in_flight":4096,"request_window":4194304,"max_message":4194304}"#;

const MAGIC: &[u8] = b"\xF5RPC\r\n\x1A\n";
const HELLO: &str = r#"{"versions":{"min":1,"max":1},"codec":"json"}"#;

/// The other end of a connection.
pub(super) struct Peer<S> {
    pub(super) io: S,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) more: bool,
    pub(super) id: u64,
    pub(super) header: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// A channel to such a peer, over a pipe that holds so many bytes.
pub(super) async fn channel_to_peer(holds: usize, grant: &str) -> (Channel, Peer<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(holds);
    channel_over(Channel::builder(), ours, theirs, grant).await
}

/// The same over any pipe, with settings.
pub(super) async fn channel_over<C, S>(builder: ChannelBuilder, ours: C, theirs: S, grant: &str) -> (Channel, Peer<S>)
where
    C: AsyncRead + AsyncWrite + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shaking = builder.codec(CodecKind::Json).handshake(ours, "pipe://peer");
    let (channel, peer) = tokio::join!(shaking, Peer::welcome(theirs, grant));
    (channel.expect("the peer welcomes"), peer)
}

/// The same over a socket, which callers write themselves.
pub(super) async fn channel_over_tcp() -> (Channel, Peer<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback works");
    let address = format!("tcp://{}", listener.local_addr().expect("the loopback works"));
    let accepting = async { Peer::welcome(listener.accept().await.expect("the loopback works").0, GENEROUS).await };
    let dialling = Channel::builder().codec(CodecKind::Json).connect(&address);
    let (channel, peer) = tokio::join!(dialling, accepting);
    (channel.expect("the loopback works"), peer)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The accepting side.
    pub(super) async fn welcome(io: S, grant: &str) -> Self {
        let mut peer = Self { io };
        peer.read_text().await;
        peer.write_text(&format!(r#"{{"welcome":{{"version":1,"codec":"json","grant":{grant}}}}}"#)).await;
        peer
    }

    /// The dialling side.
    pub(super) async fn greet(io: S) -> Self {
        let mut peer = Self { io };
        peer.write_text(HELLO).await;
        peer.read_text().await;
        peer
    }

    /// The next frame; `None` at the end of the stream, or when it is broken off.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        let length = self.io.read_u32_le().await.ok()?;
        let mut rest = vec![0; length as usize];
        self.io.read_exact(&mut rest).await.ok()?;
        let header = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
        let id = u64::from_le_bytes(rest[4..12].try_into().expect("eight bytes"));
        let (kind, more, body) = (rest[0], rest[1] & 1 == 1, rest.split_off(12 + header));
        Some(Frame { kind, more, id, header: rest.split_off(12), body })
    }

    /// The next frame of this kind; the others before it are passed over.
    pub(super) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection is there");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// All frames up to the end of the stream.
    pub(super) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    pub(super) async fn send(&mut self, kind: u8, id: u64, header: &[u8], body: &[u8]) {
        self.write(&frame(kind, id, header, body)).await;
    }

    /// Answers a call with a value.
    pub(super) async fn answer(&mut self, id: u64, value: &str) {
        self.send(RESPONSE, id, &[], value.as_bytes()).await;
    }

    /// Calls a method of the service `Desk`.
    pub(super) async fn call(&mut self, id: u64, method: &str, arguments: &str) {
        self.send(REQUEST, id, &fields(&[(1, b"Desk"), (3, method.as_bytes())]), arguments.as_bytes()).await;
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the connection takes bytes");
    }

    async fn read_text(&mut self) {
        let mut magic = [0; 8];
        self.io.read_exact(&mut magic).await.expect("a handshake comes");
        assert_eq!(magic, MAGIC);
        let length = self.io.read_u16_le().await.expect("a handshake comes");
        let mut text = vec![0; usize::from(length)];
        self.io.read_exact(&mut text).await.expect("a handshake comes");
    }

    async fn write_text(&mut self, text: &str) {
        self.write(&[MAGIC, &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()).await;
    }
}

/// The bytes of a frame without flags.
pub(super) fn frame(kind: u8, id: u64, header: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (12 + header.len() + body.len()) as u32;
    let header_length = (header.len() as u16).to_le_bytes();
    [&length.to_le_bytes()[..], &[kind, 0], &header_length, &id.to_le_bytes(), header, body].concat()
}

/// The bytes of a header; tags and lengths must be below 128.
pub(super) fn fields(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut header = Vec::new();
    for (tag, value) in fields {
        header.extend_from_slice(&[*tag, u8::try_from(value.len()).expect("a short field")]);
        header.extend_from_slice(value);
    }
    header
}

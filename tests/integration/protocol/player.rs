//! Plays a golden session against a real server or a real channel: sends the other side's bytes, does what the session
//! says of the users, and compares all that comes back.

use std::{collections::BTreeMap, time::Duration};

use rpc_runtime::{ChannelBuilder, CodecKind, ServerHandle, prelude::*};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use super::{
    arith::{ArithServer, Calculator, Started},
    calls::{self, Running, status_of},
    document::{Action, Chunk, Session, Shaken, Shape, Side, Step},
    matching::{self, Ids},
};
use crate::faults::raw::{self, Peer};

/// How long a server is waited for, in real time, and a channel, in that of a paused clock: beyond its keepalive.
const SERVER_PATIENCE: Duration = Duration::from_secs(10);
const CHANNEL_PATIENCE: Duration = Duration::from_secs(60);

trait Pipe: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Pipe for T {}

/// Plays the session; `side` is the real one. Gives how many bytes of it were compared exactly.
pub(super) async fn play(session: &Session, side: Side) -> Result<usize, String> {
    let mut player = match side {
        Side::Accepting => Player::with_server(session).await,
        Side::Dialling => Player::with_channel(session).await,
    };
    let mut group = Vec::new();
    for step in &session.steps {
        match step {
            Step::Bytes(chunk) if chunk.side == side => {
                group.push(chunk);
                continue;
            }
            _ => player.receive(&mut group).await?,
        }
        match step {
            Step::Bytes(chunk) => player.send(chunk).await?,
            Step::End(ended) if *ended == side => player.is_ended().await?,
            // It may have gone already.
            Step::End(_) => drop(player.io.shutdown().await),
            Step::Action(action) => player.act(action).await?,
        }
    }
    player.receive(&mut group).await?;
    player.is_silent().await?;
    Ok(player.compared)
}

struct Player {
    side: Side,
    io: Box<dyn Pipe>,
    ids: Ids,
    compared: usize,
    ended: bool,
    server: Option<(ServerHandle, Started)>,
    /// For a channel that is to be made.
    far: Option<DuplexStream>,
    channel: Option<Channel>,
    calls: BTreeMap<u64, Running>,
    tasks: JoinSet<Result<Option<Channel>, Status>>,
}

impl Player {
    async fn with_server(session: &Session) -> Self {
        let started = Started::none();
        let service = ArithServer::new(Calculator(started.clone()));
        let server = Server::builder().limits(limits(session)).service(service);
        let server = server.bind("tcp://127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(server.local_address().trim_start_matches("tcp://")).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let handle = server.handle();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { server.serve().await.map(|_| None) });
        if let Some(shaken) = &session.behind {
            let mut peer = Peer::new(stream);
            peer.send(&raw::hello_granting(&shaken.codec, &grant(shaken))).await;
            let welcome = peer.handshake().await;
            assert_eq!(welcome["welcome"]["codec"], *shaken.codec, "{welcome}");
            stream = peer.into_io();
        }
        Self::new(Side::Accepting, Box::new(stream), tasks, Some((handle, started)))
    }

    async fn with_channel(session: &Session) -> Self {
        let (near, far) = tokio::io::duplex(4 << 20);
        let Some(shaken) = &session.behind else {
            let mut player = Self::new(Side::Dialling, Box::new(near), JoinSet::new(), None);
            player.far = Some(far);
            return player;
        };
        let mut peer = Peer::new(near);
        let kind = CodecKind::from_name(&shaken.codec).expect("a codec of the document is known");
        let mut builder = builder(kind).limits(limits(session));
        if session.both_offer {
            builder = builder.service(ArithServer::new(Calculator(Started::none())));
        }
        let answering = async {
            peer.handshake().await;
            let (codec, grant) = (&shaken.codec, grant(shaken));
            let welcome = format!(r#"{{"welcome":{{"version":1,"codec":"{codec}","grant":{grant}}}}}"#);
            peer.send(&raw::handshake(&welcome)).await;
        };
        let (channel, ()) = tokio::join!(builder.handshake(far, "golden"), answering);
        let mut player = Self::new(Side::Dialling, Box::new(peer.into_io()), JoinSet::new(), None);
        player.channel = Some(channel.unwrap());
        player
    }

    fn new(
        side: Side,
        io: Box<dyn Pipe>,
        tasks: JoinSet<Result<Option<Channel>, Status>>,
        server: Option<(ServerHandle, Started)>,
    ) -> Self {
        let (far, channel, calls) = (None, None, BTreeMap::new());
        Self { side, io, ids: Ids::default(), compared: 0, ended: false, server, far, channel, calls, tasks }
    }

    /// The lowest bit of the ids that the real side opens.
    fn opener(&self) -> u64 {
        u64::from(self.side == Side::Accepting)
    }

    fn patience(&self) -> Duration {
        match self.side {
            Side::Accepting => SERVER_PATIENCE,
            Side::Dialling => CHANNEL_PATIENCE,
        }
    }

    async fn send(&mut self, chunk: &Chunk) -> Result<(), String> {
        let mut bytes = chunk.bytes();
        if chunk.shape == Shape::Frame {
            self.ids.substitute(&mut bytes, self.opener());
        }
        self.io.write_all(&bytes).await.map_err(|error| format!("{}: {error}", chunk.what))
    }

    /// What the real side sends in one go: each must be there once, those of one id in their order. Of packed items
    /// each must be there once.
    async fn receive(&mut self, group: &mut Vec<&Chunk>) -> Result<(), String> {
        let mut unpacked = BTreeMap::new();
        while let Some(next) = group.iter().position(|chunk| !chunk.optional) {
            let shape = group[next].shape;
            let mut found = self.read(shape).await.map_err(|error| format!("{}: {error}", group[next].what))?;
            if shape != Shape::Frame {
                self.compared += matching::compare(group.remove(next), &found)?;
                continue;
            }
            if matching::is_credit_of_a_call(&found) && !group.iter().any(|chunk| chunk.what == "Credit") {
                continue;
            }
            let at = self.place(group, &found).unwrap_or(next);
            self.ids.restore(group[at], &mut found, self.opener())?;
            if group[at].is_packed() {
                self.unpack(group, at, &found, &mut unpacked)?;
            } else {
                self.compared += matching::compare(group.remove(at), &found)?;
            }
        }
        group.clear();
        Ok(())
    }

    /// The first of the expected frames that has the id of the one that came, if it is of its kind. A Credit keeps no
    /// order with other frames, and a frame that may be left out stands in no other's way.
    fn place(&self, group: &[&Chunk], found: &[u8]) -> Option<usize> {
        let (kind, id) = matching::kind_and_id(found);
        let fits = |chunk: &&Chunk| {
            let mut expected = chunk.bytes();
            self.ids.substitute(&mut expected, self.opener());
            let (expected_kind, expected_id) = matching::kind_and_id(&expected);
            let passed_by = chunk.optional || chunk.what == "Credit" || matching::is_credit_of_a_call(found);
            chunk.shape == Shape::Frame && expected_id == id && (expected_kind == kind || !passed_by)
        };
        group.iter().position(fits).filter(|at| matching::kind_and_id(&group[*at].bytes()).0 == kind)
    }

    /// Takes the items of a frame that came from the Messages that are expected from `at` on. `unpacked` has how many
    /// of the first one's came before, by the call.
    fn unpack(
        &mut self,
        group: &mut Vec<&Chunk>,
        mut at: usize,
        found: &[u8],
        unpacked: &mut BTreeMap<u64, usize>,
    ) -> Result<(), String> {
        let (_, id) = matching::kind_and_id(found);
        let before = unpacked.entry(id).or_default();
        for item in matching::items(found)? {
            let bytes = group.get(at).ok_or("items beyond those that are expected")?.bytes();
            let expected = matching::items(&bytes)?;
            if expected.get(*before) != Some(&item) || matching::kind_and_id(&bytes).1 != id {
                return Err(format!("the item {:?} of {id}", String::from_utf8_lossy(item)));
            }
            (self.compared, *before) = (self.compared + 1 + item.len(), *before + 1);
            if *before == expected.len() {
                *before = 0;
                group.remove(at);
                let next = |chunk: &&Chunk| chunk.is_packed() && matching::kind_and_id(&chunk.bytes()).1 == id;
                at = group.iter().position(next).unwrap_or(group.len());
            }
        }
        Ok(())
    }

    async fn read(&mut self, shape: Shape) -> Result<Vec<u8>, String> {
        let patience = self.patience();
        let io = &mut self.io;
        let reading = async {
            let mut bytes = Vec::new();
            match shape {
                Shape::Other => {
                    io.read_to_end(&mut bytes).await?;
                }
                Shape::Handshake => {
                    bytes.resize(10, 0);
                    io.read_exact(&mut bytes).await?;
                    bytes.resize(10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), 0);
                    io.read_exact(&mut bytes[10..]).await?;
                }
                Shape::Frame => {
                    bytes.resize(4, 0);
                    io.read_exact(&mut bytes).await?;
                    let length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
                    assert!((12..=131_083).contains(&length), "a frame of length {length}");
                    bytes.resize(4 + length, 0);
                    io.read_exact(&mut bytes[4..]).await?;
                }
            }
            Ok(bytes)
        };
        let read = timeout(patience, reading).await;
        read.map_err(|_| "nothing came".to_owned())?.map_err(|error: std::io::Error| error.to_string())
    }

    async fn is_ended(&mut self) -> Result<(), String> {
        let rest = self.read(Shape::Other).await?;
        self.ended = true;
        // That nothing stands before the end is a comparison too.
        self.compared += 1;
        let rest = without_credit(&rest);
        if rest.is_empty() { Ok(()) } else { Err(format!("{} bytes before the end", rest.len())) }
    }

    /// Nothing else came: all that is there before the end, to which everything is answered, is a good-bye.
    async fn is_silent(&mut self) -> Result<(), String> {
        if self.ended {
            return Ok(());
        }
        self.io.write_all(&raw::go_away()).await.map_err(|error| error.to_string())?;
        self.io.shutdown().await.map_err(|error| error.to_string())?;
        let rest = raw::frames(&without_credit(&self.read(Shape::Other).await?));
        match &rest[..] {
            [goodbye] if (goodbye.kind, goodbye.id, goodbye.code()) == (raw::GO_AWAY, 0, 0) => Ok(()),
            _ => Err(format!("behind the session came {rest:?}")),
        }
    }

    async fn act(&mut self, action: &Action) -> Result<(), String> {
        match (self.side, action) {
            (Side::Accepting, Action::Runs(_)) => {
                let (_, started) = self.server.as_ref().ok_or("no server")?;
                let one = timeout(SERVER_PATIENCE, started.one_more()).await;
                one.map_err(|_| "the handler was not started".to_owned())
            }
            (Side::Accepting, Action::ShutsDown) => {
                self.server.as_ref().ok_or("no server")?.0.shut_down();
                Ok(())
            }
            // What the user of the other side does is in the bytes that are sent.
            (Side::Accepting, _) | (Side::Dialling, Action::Runs(_) | Action::ShutsDown) => Ok(()),
            (Side::Dialling, action) => self.act_as_user(action).await,
        }
    }

    async fn act_as_user(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Connects { codec, metadata } => {
                let kind = CodecKind::from_name(codec).ok_or("an unknown codec")?;
                let far = self.far.take().ok_or("it is connected")?;
                let mut builder = builder(kind);
                for (key, value) in metadata {
                    builder = builder.metadata(key, value);
                }
                self.tasks.spawn(async move { builder.handshake(far, "golden").await.map(Some) });
            }
            Action::ConnectingEnds(outcome) => {
                let ended = self.tasks.join_next().await.ok_or("nobody connects")?.unwrap();
                let found = ended.map_or_else(status_of, |_| "connected".to_owned());
                is(&found, outcome)?;
            }
            Action::Calls { id, .. } => {
                let channel = self.channel().await?.clone();
                self.calls.insert(*id, calls::call(channel, action)?);
            }
            Action::Drops(id) => drop(self.calls.remove(id).ok_or("a call that is not there")?),
            Action::Ends(id, outcome) => {
                let found = timeout(CHANNEL_PATIENCE, self.call(*id)?.end()).await;
                is(&found.map_err(|_| format!("the call {id} does not end"))?, outcome)?;
            }
            Action::Opens(id) => {
                let found = timeout(CHANNEL_PATIENCE, self.call(*id)?.open()).await;
                found.map_err(|_| format!("the call {id} does not open"))??;
            }
            Action::Gives(id, item) => {
                let found = timeout(CHANNEL_PATIENCE, self.call(*id)?.next()).await;
                is(&found.map_err(|_| format!("the call {id} gives nothing"))?, item)?;
            }
            Action::IsSent(id, item) => self.call(*id)?.send(item.clone()).await?,
            Action::IsStopped(id) => {
                let stopped = timeout(CHANNEL_PATIENCE, self.call(*id)?.is_stopped()).await;
                stopped.map_err(|_| format!("the items of {id} are not stopped"))??;
            }
            Action::Closes => self.channel().await?.close(),
            Action::Runs(_) | Action::ShutsDown => return Err("not the dialling side's".to_owned()),
        }
        Ok(())
    }

    fn call(&mut self, id: u64) -> Result<&mut Running, String> {
        self.calls.get_mut(&id).ok_or("a call that is not there".to_owned())
    }

    async fn channel(&mut self) -> Result<&Channel, String> {
        if self.channel.is_none() {
            let dialled = self.tasks.join_next().await.ok_or("nobody connects")?.unwrap();
            self.channel = dialled.map_err(|status| status.to_string())?;
        }
        self.channel.as_ref().ok_or("there is no channel".to_owned())
    }
}

fn builder(codec: CodecKind) -> ChannelBuilder {
    Channel::builder().codec(codec).timeout(None)
}

fn limits(session: &Session) -> Limits {
    let streams = session.behind.as_ref().and_then(|shaken| shaken.streams);
    streams.map_or_else(Limits::default, |streams| Limits::default().streams(streams))
}

/// What the side that is played grants behind a handshake that is not shown.
fn grant(shaken: &Shaken) -> String {
    let streams = shaken.streams.unwrap_or(128);
    let calls = r#""in_flight":64,"request_window":4194304,"max_message":1048576"#;
    format!(r#"{{{calls},"streams":{streams},"stream_window":65536}}"#)
}

/// What is there, but for the Credit of streams, which has no place of its own.
fn without_credit(mut frames: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    while let Some((length, _)) = frames.split_first_chunk::<4>() {
        let whole = (u32::from_le_bytes(*length) as usize).saturating_add(4).min(frames.len());
        let (frame, behind) = frames.split_at(whole);
        if frame.len() < 16 || !matching::is_credit_of_a_call(frame) {
            rest.extend_from_slice(frame);
        }
        frames = behind;
    }
    rest.extend_from_slice(frames);
    rest
}

fn is(found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?}, where the document has {expected:?}")) }
}

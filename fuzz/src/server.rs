//! Bytes into a server: its handshake, and arbitrary frames behind a good one. Whatever came, the connection ends,
//! nothing of it is left, no call is answered twice, and a fresh client is served.

use std::collections::HashMap;

use rpc_runtime::{Channel, Server, ServerHandle, fuzzing};
use tokio::task::JoinSet;

use crate::{
    frames::{End, Kind, Script, Setting, begun, whole},
    peer::Peer,
    service::{Here, ProbeClient},
    world::{self, grant, is_idle, limits, tasks, until, within},
};

const ADDRESS: &str = "mem://fuzz";

/// A server in a task of its own.
struct Serving {
    handle: ServerHandle,
    here: Here,
    task: JoinSet<()>,
    /// With the server's.
    tasks: usize,
}

/// Any bytes for a Hello, in pieces of as many as the first byte says.
pub fn handshake(input: &[u8]) {
    fuzzing::a_hello_comes_back(input);
    bytes(input);
}

/// Any bytes from the first on, in pieces of as many as the first of them says.
pub fn bytes(input: &[u8]) {
    let [piece, input @ ..] = input else { return };
    world::play(async {
        let serving = Serving::start(Setting::Default).await;
        let mut peer = serving.peer().await;
        peer.splits(*piece);
        peer.send(input).await;
        // A server that waits for more of a handshake gives up by itself, and so does one that discards.
        peer.end(End::Silent).await;
        serving.ends_idle(peer).await;
    });
}

/// Frames behind a good handshake.
pub fn frames(script: &Script<'_>) {
    world::play(async {
        let serving = Serving::start(script.setting).await;
        let mut peer = serving.peer().await;
        let grant = grant(script.setting);
        peer.shake(&format!(r#"{{"versions":{{"min":1,"max":1}},"codec":"bincode","grant":{grant}}}"#)).await;
        peer.act(&script.steps).await;
        let ended = peer.end(script.end).await;
        is_answered_once(&peer);
        let crashed = script.end == End::HalfClosed && !peer.said_goodbye();
        assert!(ended || !crashed, "a crash of the peer did not end the connection");
        serving.ends_idle(peer).await;
    });
}

/// There are no more terminal frames of a call than there were requests with its id. One whose header is too long is
/// refused before it is whole.
fn is_answered_once(peer: &Peer) {
    let mut calls = HashMap::<u64, isize>::new();
    for (_, id) in begun(peer.sent()).into_iter().filter(|(kind, _)| *kind == Kind::Request as u8) {
        *calls.entry(id).or_default() += 1;
    }
    let read = peer.read();
    for answer in whole(&read).iter().filter(|frame| frame.is_terminal() && frame.id % 2 == 0) {
        let left = calls.entry(answer.id).or_default();
        *left -= 1;
        assert!(*left >= 0, "the call {} is answered twice", answer.id);
    }
}

impl Serving {
    async fn start(setting: Setting) -> Self {
        let here = Here::default();
        let (limits, memory) = limits(setting);
        let server = Server::builder().service(here.service()).limits(limits).memory(memory);
        let server = server.bind(ADDRESS).await.expect("the name is free");
        let handle = server.handle();
        let mut task = JoinSet::new();
        task.spawn(async {
            server.serve().await.expect("it serves to its end");
        });
        Self { handle, here, task, tasks: tasks() }
    }

    async fn peer(&self) -> Peer {
        Peer::new(fuzzing::dial(ADDRESS).await.expect("somebody listens"), 0)
    }

    /// The peer is gone: so are its connection, its handlers and all that they held; and the server still serves.
    async fn ends_idle(mut self, peer: Peer) {
        let goes_on = peer.said_goodbye();
        drop(peer);
        if goes_on {
            // It has 30 s for what never ends.
            self.handle.shut_down();
            self.returns().await;
            assert_eq!(self.here.live(), 0, "handlers are left");
            return is_idle(&self.handle.stats()).unwrap_or_else(|against| panic!("{against}"));
        }
        until(|| {
            is_idle(&self.handle.stats())?;
            match (self.here.live(), tasks()) {
                (0, tasks) if tasks == self.tasks => Ok(()),
                (live, tasks) => Err(format!("{live} handlers and {tasks} tasks are left")),
            }
        })
        .await;
        let fresh = Channel::connect(ADDRESS).await.expect("a fresh client is let in");
        assert_eq!(ProbeClient::new(fresh).add(20, 22).await.expect("a fresh client is served"), 42);
        self.handle.shut_down();
        self.returns().await;
    }

    async fn returns(&mut self) {
        within("the server's end", self.task.join_next()).await.expect("it was serving").expect("it does not panic");
    }
}

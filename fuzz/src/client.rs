//! Bytes into a client: the answer to its Hello, and arbitrary frames while its calls are pending. Every call has
//! exactly one outcome, one that the frames allow, and nothing hangs or is left.

use arbitrary::Arbitrary;
use rpc_runtime::{Channel, ChannelBuilder, fuzzing};
use tokio::{io::duplex, task::JoinSet};

use crate::{
    calls::{Outcome, Planned, recorded_calls},
    frames::{End, Kind, Setting, Step, whole},
    peer::{Peer, halves},
    service::{Here, ProbeClient},
    world::{self, grant, is_idle, limits, tasks, until, within},
};

/// How many bytes the pipe holds.
const PIPE: usize = 64 << 10;
/// The most calls at a time.
const CALLS: usize = 12;

/// What a client and its hostile server do.
#[derive(Debug, Arbitrary)]
pub struct Dialogue<'a> {
    setting: Setting,
    calls: Vec<Planned>,
    steps: Vec<Step<'a>>,
    end: End,
}

/// Any bytes for a Welcome, in pieces of as many as the first byte says.
pub fn welcome(input: &[u8]) {
    fuzzing::an_answer_comes_back(input);
    let [piece, input @ ..] = input else { return };
    world::play(async {
        let (near, far) = duplex(PIPE);
        let tasks_before = tasks();
        let mut peer = Peer::new(halves(far), 1);
        peer.splits(*piece);
        let connecting = Channel::builder().handshake(near, "fuzz");
        let answering = async {
            peer.send(input).await;
            peer.end(End::Silent).await;
            drop(peer);
        };
        let (connected, ()) = within("the handshake", async { tokio::join!(connecting, answering) }).await;
        if let Ok(channel) = connected {
            let failed = within("a call of a peer that is gone", ProbeClient::new(channel).add(1, 2)).await;
            failed.expect_err("nobody is there to answer");
        }
        until(|| tasks_are(tasks_before)).await;
    });
}

/// Frames behind a good handshake, while calls are pending.
pub fn dialogue(dialogue: &Dialogue<'_>) {
    let grant = grant(dialogue.setting);
    let welcome = format!(r#"{{"welcome":{{"version":1,"codec":"bincode","grant":{grant},"features":[]}}}}"#);
    world::play(async {
        let (near, far) = duplex(PIPE);
        let (here, tasks_before) = (Here::default(), tasks());
        let mut peer = Peer::new(halves(far), 1);
        let connecting = channel(dialogue.setting, &here).handshake(near, "fuzz");
        let (channel, ()) = tokio::join!(connecting, peer.shake(&welcome));
        let channel = channel.expect("this handshake is a good one");
        let client = ProbeClient::new(channel.clone());
        let mut calls = JoinSet::new();
        for (number, planned) in dialogue.calls.iter().take(CALLS).enumerate() {
            calls.spawn(planned.started(&client, &here, number));
        }
        peer.act(&dialogue.steps).await;
        peer.end(dialogue.end).await;
        let (sent, read) = (peer.sent().to_vec(), peer.read());
        let goes_on = peer.said_goodbye();
        drop((peer, client));
        while let Some(ended) = within("a call", calls.join_next()).await {
            let (number, outcome) = ended.expect("no call panics");
            assert!(is_possible(number, outcome, &sent, &read), "call {number} of {dialogue:?}: {outcome:?}");
        }
        if goes_on {
            // It may be at work for the other end, and that for ever.
            channel.close();
        }
        until(|| {
            is_idle(&channel.stats())?;
            assert_eq!(channel.outstanding_calls(), 0);
            if here.live() > 0 { Err(format!("{} handlers are left", here.live())) } else { Ok(()) }
        })
        .await;
        drop(channel);
        until(|| tasks_are(tasks_before)).await;
    });
}

/// Recorded bytes of a server, with whatever was done to them, for a client that makes the calls that were recorded.
pub(crate) fn replay(bytes: &[u8], piece: u8) {
    world::play(async {
        let (near, far) = duplex(PIPE);
        let (here, tasks_before) = (Here::default(), tasks());
        let mut peer = Peer::new(halves(far), 1);
        peer.splits(piece);
        let connecting = channel(Setting::Default, &here).handshake(near, "fuzz");
        let calling = async {
            if let Ok(channel) = connecting.await {
                recorded_calls(&ProbeClient::new(channel), &here).await;
            }
        };
        let answering = async {
            peer.send(bytes).await;
            peer.end(End::Silent).await;
            drop(peer);
        };
        within("a recorded call", async { tokio::join!(calling, answering) }).await;
        until(|| tasks_are(tasks_before)).await;
        assert_eq!(here.live(), 0, "handlers and streams are left");
    });
}

/// A channel that offers what it calls.
pub(crate) fn channel(setting: Setting, here: &Here) -> ChannelBuilder {
    let (limits, memory) = limits(setting);
    Channel::builder().service(here.service()).limits(limits).memory(memory)
}

/// Whether a call can have ended so, after what was sent to it and what of it was read: nobody can answer it but by its
/// own id, and *not executed* is no request that left in whole, unless the other end says so.
fn is_possible(number: usize, outcome: Outcome, sent: &[u8], read: &[u8]) -> bool {
    let mark = format!("\u{4}call{number:02}").into_bytes();
    let is_its = |header: &[u8]| header.windows(mark.len()).any(|bytes| bytes == mark);
    let request = whole(read).into_iter().find(|frame| frame.kind == Kind::Request as u8 && is_its(frame.header));
    let said = |kinds: &[Kind]| {
        let of_it = |id| whole(sent).iter().any(|frame| frame.id == id && kinds.iter().any(|k| *k as u8 == frame.kind));
        request.is_some_and(|request| of_it(request.id))
    };
    match outcome {
        Outcome::Answered => said(&[Kind::Response, Kind::Message, Kind::End]),
        Outcome::Failed { may_have_run: false } => request.is_none() || said(&[Kind::Response, Kind::End]),
        Outcome::Failed { may_have_run: true } | Outcome::Dropped => true,
    }
}

fn tasks_are(before: usize) -> Result<(), String> {
    match tasks() {
        now if now == before => Ok(()),
        now => Err(format!("{now} tasks are left, there were {before}")),
    }
}

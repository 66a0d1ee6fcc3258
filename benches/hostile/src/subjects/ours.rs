//! This project's runtime, with all of its defaults.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Blocks, Case, Plan, Step, flood, garbage, other_protocols, send},
    bytes::ours::{
        CANCEL, CREDIT, MESSAGE, PING, UNKNOWN, begun, field, frame, handshake, hello, names, prefix, request, varint,
    },
    subject::{Failure, Honest, Job, Subject},
};

/// This project.
pub const SUBJECT: Subject = Subject {
    name: "ours",
    serve: |announce| Box::pin(serve(announce)),
    connect: |address| Box::pin(connect(address)),
    is_refusal: |failure| failure.contains("the peer refused the connection"),
    plan,
};

/// What is called, honestly and otherwise.
#[rpc_service]
pub trait Target {
    /// Adds.
    async fn sum(&self, a: i64, b: i64) -> i64;
    /// So many bytes.
    async fn fill(&self, bytes: u64) -> Vec<u8>;
    /// Never ends by itself.
    async fn hold(&self);
    /// Never takes an item.
    async fn ignore(&self, items: Streaming<u64>);
    /// Counts.
    async fn count(&self, numbers: Vec<u64>) -> u64;
    /// Counts what has no bytes.
    async fn units(&self, units: Vec<()>) -> u64;
    /// Counts branches.
    async fn tree(&self, tree: Tree) -> u64;
    /// Counts keys.
    async fn keys(&self, keys: HashMap<u64, ()>) -> u64;
}

/// A value that may nest without end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tree(Vec<Tree>);

struct Victim;

impl Target for Victim {
    async fn sum(&self, a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    async fn fill(&self, bytes: u64) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    async fn hold(&self) {
        pending::<()>().await;
    }

    async fn ignore(&self, _items: Streaming<u64>) {
        pending::<()>().await;
    }

    async fn count(&self, numbers: Vec<u64>) -> u64 {
        numbers.len() as u64
    }

    async fn units(&self, units: Vec<()>) -> u64 {
        units.len() as u64
    }

    async fn tree(&self, tree: Tree) -> u64 {
        tree.0.len() as u64
    }

    async fn keys(&self, keys: HashMap<u64, ()>) -> u64 {
        keys.len() as u64
    }
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let server = Server::builder().service(TargetServer::new(Victim)).bind("tcp://127.0.0.1:0").await?;
    announce(server.local_address());
    server.serve().await?;
    Ok(())
}

async fn connect(address: String) -> Result<Box<dyn Honest>, Failure> {
    let channel = Channel::connect(&format!("tcp://{address}")).await?;
    Ok(Box::new(TargetClient::new(channel)))
}

impl Honest for TargetClient {
    fn sum(&mut self, a: i64, b: i64) -> Job<'_, i64> {
        let call = TargetClient::sum(self, a, b);
        Box::pin(async { Ok(call.await?) })
    }
}

fn plan(case: Case) -> Option<Plan> {
    handshakes_and_frames(case).or_else(|| calls_and_crowds(case))
}

/// What is wrong before a call is made.
fn handshakes_and_frames(case: Case) -> Option<Plan> {
    let hello = hello("bincode");
    let greet = || vec![send(hello.clone()), Step::Await(10)];
    let behind = |step: Step| [greet(), vec![step, Step::Read]].concat();
    Some(match case {
        Case::Silent => Plan::all(Plan::MOST, vec![Step::Read]),
        Case::Slow => Plan::all(Plan::MOST, vec![Step::Drip(hello.clone().into())]),
        Case::HalfHandshake => Plan::all(Plan::MOST, vec![send(&hello[..hello.len() / 2]), Step::Read]),
        Case::EndlessHandshake => {
            let endless = |length| vec![send(handshake(length, "")), flood(u64::MAX, vec![b' '; 1_024])];
            Plan::new(100, vec![endless(u16::MAX), endless(4_096)])
        }
        Case::OtherProtocols => {
            let scripts = other_protocols().into_iter().map(|bytes| vec![send(bytes), Step::Read]);
            Plan::new(1_000, scripts.collect())
        }
        Case::Garbage => Plan::all(1_000, vec![send(garbage(1_024)), Step::Read]),
        Case::GarbageBehindHandshake => Plan::all(1_000, behind(send(garbage(1_024)))),
        Case::Lengths => {
            let lengths = [0, 11, 131_084, u32::MAX];
            Plan::new(1_000, lengths.map(|length| behind(send(prefix(length, 1, 0, 0, 2)))).to_vec())
        }
        _ => return None,
    })
}

/// Calls that no honest peer would make, and too many of those that they do.
fn calls_and_crowds(case: Case) -> Option<Plan> {
    let hello = hello("bincode");
    let greet = || vec![send(hello.clone()), Step::Await(10)];
    let behind = |step: Step| [greet(), vec![step, Step::Read]].concat();
    Some(match case {
        Case::TinyFrames => {
            let frames = frame(UNKNOWN, 0, 2, &[], &[]).repeat(10_000);
            Plan::all(10, behind(flood(1_000, frames)))
        }
        Case::LyingHeaders => lying_headers(&behind),
        Case::Bombs => bombs(),
        Case::ManyKeys => {
            let keys = request(2, "keys", &[varint(1_000_000), (0..1_000_000).flat_map(varint).collect()].concat());
            let script = vec![send(self::hello("postcard")), Step::Await(10), send(keys), pause(500)];
            Plan::all(4, script)
        }
        Case::RapidReset => Plan::all(10, behind(Step::Flood(1_000, resets()))),
        Case::CancelsAndPings => {
            let pair = |n: u64| [frame(CANCEL, 0, 2 * n, &[], &[]), frame(PING, 0, n, &[], &[])].concat();
            Plan::all(10, behind(flood(u64::MAX, (1..1_000).flat_map(pair).collect())))
        }
        Case::InFlight => Plan::all(100, behind(send(calls(14_096, "hold")))),
        Case::Streams => Plan::all(100, behind(send(calls(1_000, "ignore")))),
        Case::Credit => {
            let items = frame(MESSAGE, 0, 2, &[], &[1, 7].repeat(30_000));
            let flood = [request(2, "ignore", &[]), items.repeat(4)].concat();
            let credit = frame(CREDIT, 0, 2, &[], &(1_u32 << 31).to_le_bytes());
            let overflow = [request(2, "ignore", &[]), credit.repeat(2)].concat();
            Plan::new(1_000, vec![behind(send(flood)), behind(send(overflow))])
        }
        Case::NeverReading => {
            let calls = (1..=16).flat_map(|n| request(2 * n, "fill", &[0xFC, 0, 0, 1, 0]));
            let script = vec![send(hello.clone()), send(calls.collect::<Vec<_>>()), Step::Hold];
            Plan { receive_buffer: Some(4_096), ..Plan::all(Plan::MOST, script) }
        }
        Case::Idle => Plan::all(Plan::MOST, [greet(), vec![Step::Read]].concat()),
        Case::HalfFrame => Plan::all(Plan::MOST, behind(send(&request(2, "sum", &[1; 1_000])[..500]))),
        Case::UnfinishedMessages => {
            let unfinished = |total| (1..=32).flat_map(move |n| begun(2 * n, "count", total, &[1; 8_192]));
            Plan::all(Plan::MOST, behind(send(unfinished(100_000).collect::<Vec<_>>())))
        }
        Case::ComeAndGo => Plan::all(1_000, vec![send(hello.clone()), Step::Await(10)]),
        Case::TooMany => Plan { leaves_no_room: true, ..Plan::all(11_000, [greet(), vec![Step::Read]].concat()) },
        _ => return None,
    })
}

fn pause(ms: u64) -> Step {
    Step::Linger(Duration::from_millis(ms))
}

/// So many calls without arguments.
fn calls(count: u64, method: &str) -> Vec<u8> {
    (1..=count).flat_map(|n| request(2 * n, method, &[])).collect()
}

/// A hundred requests, and a cancel behind each, by blocks.
fn resets() -> Blocks {
    let pair = |id| [request(id, "hold", &[]), frame(CANCEL, 0, id, &[], &[])].concat();
    Arc::new(move |block| (1..=100).flat_map(|n| pair(2 * (100 * block + n))).collect())
}

/// Headers that are too long, that reach beyond their frame, whose fields reach beyond them, and that are garbage.
fn lying_headers(behind: &dyn Fn(Step) -> Vec<Step>) -> Plan {
    let too_long = frame(1, 0, 2, &vec![0; 65_000], &[]);
    let beyond_frame = prefix(100, 1, 0, 1_000, 2);
    let field_beyond = frame(1, 0, 2, &[names("sum"), vec![4, 0xff, 0xff, 3]].concat(), &[]);
    let metadata = field(4, &varint(u64::MAX));
    let entry_beyond = frame(1, 0, 2, &[names("sum"), metadata.repeat(20)].concat(), &[]);
    let noise = frame(1, 0, 2, &garbage(200), &[]);
    let lies = [too_long, beyond_frame, field_beyond, entry_beyond, noise];
    Plan::new(500, lies.map(|lie| behind(flood(10_000, lie))).to_vec())
}

/// Bodies that announce or nest more than they have, for each codec.
fn bombs() -> Plan {
    let list = |head: Vec<u8>| [head, vec![1; 11]].concat();
    let huge = 1_u64 << 60;
    let codecs: [(&str, Vec<u8>, u8); 4] = [
        ("bincode", list([&[0xFD][..], &huge.to_le_bytes()].concat()), 1),
        ("postcard", list(varint(huge)), 1),
        ("messagepack", list(vec![0x91, 0xDD, 0xFF, 0xFF, 0xFF, 0xFF]), 0x91),
        ("json", b"[[1,1,1,".to_vec(), b'['),
    ];
    let script = |(codec, list, level): (&str, Vec<u8>, u8)| {
        let nested = vec![level; 100_000];
        let calls = move |block: u64| {
            let id = 6 * block + 2;
            [request(id, "count", &list), request(id + 2, "units", &list), request(id + 4, "tree", &nested)].concat()
        };
        // No more than the window has room for.
        vec![send(hello(codec)), Step::Await(10), Step::Flood(40, Arc::new(calls)), pause(20)]
    };
    Plan::new(20, codecs.map(script).to_vec())
}

//! tarpc with its serde transport over TCP and bincode, as its documentation has it.

use std::{collections::HashMap, future::pending, sync::Arc};

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tarpc::{
    client::Config,
    context::{self, Context},
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};

use crate::{
    attack::{Case, Plan, Step, flood, garbage, other_protocols, send},
    bytes::bincode::{ask, cancel, frame, prefix, varint},
    subject::{Failure, Honest, Job, Subject},
};

/// tarpc 0.38.
pub const SUBJECT: Subject = Subject {
    name: "tarpc",
    serve: |announce| Box::pin(serve(announce)),
    connect: |address| Box::pin(connect(address)),
    is_refusal: |_| false,
    plan,
};

/// What is called, honestly and otherwise.
#[tarpc::service]
trait Target {
    async fn sum(a: i64, b: i64) -> i64;
    async fn fill(bytes: u64) -> Vec<u8>;
    async fn hold();
    async fn count(numbers: Vec<u64>) -> u64;
    async fn units(units: Vec<()>) -> u64;
    async fn tree(tree: Tree) -> u64;
    async fn keys(keys: HashMap<u64, ()>) -> u64;
}

/// The methods on the wire: by their place.
const SUM: u64 = 0;
const FILL: u64 = 1;
const HOLD: u64 = 2;
const COUNT: u64 = 3;
const UNITS: u64 = 4;
const TREE: u64 = 5;
const KEYS: u64 = 6;

/// A value that may nest without end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tree(Vec<Tree>);

#[derive(Clone)]
struct Victim;

impl Target for Victim {
    async fn sum(self, _: Context, a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    async fn fill(self, _: Context, bytes: u64) -> Vec<u8> {
        vec![7; bytes as usize]
    }

    async fn hold(self, _: Context) {
        pending::<()>().await;
    }

    async fn count(self, _: Context, numbers: Vec<u64>) -> u64 {
        numbers.len() as u64
    }

    async fn units(self, _: Context, units: Vec<()>) -> u64 {
        units.len() as u64
    }

    async fn tree(self, _: Context, tree: Tree) -> u64 {
        tree.0.len() as u64
    }

    async fn keys(self, _: Context, keys: HashMap<u64, ()>) -> u64 {
        keys.len() as u64
    }
}

#[expect(clippy::disallowed_methods, reason = "tasks that nobody owns are how tarpc's examples serve")]
async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let mut listener = tcp::listen("127.0.0.1:0", Bincode::default).await?;
    announce(&listener.local_addr().to_string());
    while let Some(transport) = listener.next().await {
        // Its example ends here at the first failure to accept; that would be no fair match.
        let Ok(transport) = transport else { continue };
        let channel = BaseChannel::with_defaults(transport);
        tokio::spawn(channel.execute(Victim.serve()).for_each(async |response| {
            tokio::spawn(response);
        }));
    }
    Ok(())
}

async fn connect(address: String) -> Result<Box<dyn Honest>, Failure> {
    let transport = tcp::connect(address, Bincode::default).await?;
    Ok(Box::new(TargetClient::new(Config::default(), transport).spawn()))
}

impl Honest for TargetClient {
    fn sum(&mut self, a: i64, b: i64) -> Job<'_, i64> {
        Box::pin(async move { Ok(TargetClient::sum(self, context::current(), a, b).await?) })
    }
}

fn plan(case: Case) -> Option<Plan> {
    handshakes_and_frames(case).or_else(|| calls_and_crowds(case))
}

/// What is wrong before a call is made.
fn handshakes_and_frames(case: Case) -> Option<Plan> {
    let sum = ask(1, SUM, &[2, 4]);
    Some(match case {
        Case::Silent => Plan::all(Plan::MOST, vec![Step::Read]),
        Case::Slow => Plan::all(Plan::MOST, vec![Step::Drip(sum.into())]),
        Case::OtherProtocols => {
            Plan::new(1_000, other_protocols().into_iter().map(|bytes| vec![send(bytes), Step::Read]).collect())
        }
        Case::Garbage => Plan::all(1_000, vec![send(garbage(1_024)), Step::Read]),
        Case::Lengths => {
            let lengths = [0, (8 << 20) + 1, u32::MAX];
            Plan::new(1_000, lengths.map(|length| vec![send(prefix(length)), Step::Read]).to_vec())
        }
        Case::TinyFrames => Plan::all(10, vec![flood(1_000, cancel(7).repeat(10_000)), Step::Read]),
        Case::Bombs => {
            let huge = [varint(1 << 60), vec![1; 11]].concat();
            let bombs = [ask(1, COUNT, &huge), ask(1, UNITS, &huge), ask(1, TREE, &vec![1; 100_000])];
            Plan::new(20, bombs.map(|bomb| vec![send(bomb), Step::Read]).to_vec())
        }
        _ => return None,
    })
}

/// Calls that no honest peer would make, and too many of those that they do.
fn calls_and_crowds(case: Case) -> Option<Plan> {
    let sum = ask(1, SUM, &[2, 4]);
    let served = || vec![send(sum.clone()), Step::Await(1)];
    Some(match case {
        Case::ManyKeys => {
            let keys = [varint(1_000_000), (0..1_000_000).flat_map(varint).collect()].concat();
            let pause = Step::Linger(std::time::Duration::from_millis(500));
            Plan::all(4, vec![send(ask(1, KEYS, &keys)), pause])
        }
        Case::RapidReset => {
            let pairs = |block| {
                (1..=100).flat_map(move |n| [ask(100 * block + n, HOLD, &[]), cancel(100 * block + n)].concat())
            };
            Plan::all(10, vec![Step::Flood(1_000, Arc::new(move |block| pairs(block).collect())), Step::Read])
        }
        Case::CancelsAndPings => {
            let cancels: Vec<u8> = (1..1_000).flat_map(cancel).collect();
            Plan::all(10, vec![flood(u64::MAX, cancels)])
        }
        Case::InFlight => {
            let calls: Vec<u8> = (1..=14_096).flat_map(|id| ask(id, HOLD, &[])).collect();
            Plan::all(100, vec![send(calls), Step::Read])
        }
        Case::NeverReading => {
            let calls: Vec<u8> = (1..=16).flat_map(|id| ask(id, FILL, &varint(65_536))).collect();
            Plan { receive_buffer: Some(4_096), ..Plan::all(Plan::MOST, vec![send(calls), Step::Hold]) }
        }
        Case::Idle => Plan::all(Plan::MOST, [served(), vec![Step::Read]].concat()),
        Case::HalfFrame => {
            let half = frame(&[1; 1_000])[..500].to_vec();
            Plan::all(Plan::MOST, [served(), vec![send(half), Step::Read]].concat())
        }
        Case::UnfinishedMessages => {
            let unfinished = [prefix(8 << 20), vec![0; 256 << 10]].concat();
            Plan::all(Plan::MOST, [served(), vec![send(unfinished), Step::Read]].concat())
        }
        Case::ComeAndGo => Plan::all(1_000, served()),
        Case::TooMany => Plan::all(11_000, [served(), vec![Step::Read]].concat()),
        _ => return None,
    })
}

//! tonic with prost's messages and plain defaults. Messages and service are written out, with the calls that tonic's
//! generator would write, because running it takes a compiler for protobuf.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    codegen::{BoxFuture, Service, http, http::uri::PathAndQuery},
    server::{Grpc, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

use crate::{
    attack::{Case, Plan, Step, flood, garbage, other_protocols, send},
    bytes::http2::{
        CONTINUATION, DATA, HEADERS, PING, RESET, call, field, frame, headers, hello, open, prefix, varint,
    },
    subject::{Failure, Honest, Job, Subject},
};

/// tonic 0.14.
pub const SUBJECT: Subject = Subject {
    name: "tonic",
    serve: |announce| Box::pin(serve(announce)),
    connect: |address| Box::pin(connect(address)),
    is_refusal: |_| false,
    plan,
};

#[derive(Clone, PartialEq, prost::Message)]
struct Pair {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
    b: i64,
    #[prost(uint64, repeated, tag = "3")]
    numbers: Vec<u64>,
    #[prost(map = "uint64, uint64", tag = "4")]
    keys: HashMap<u64, u64>,
    #[prost(message, optional, boxed, tag = "5")]
    inner: Option<Box<Pair>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Filled {
    #[prost(int64, tag = "1")]
    sum: i64,
    #[prost(bytes = "vec", tag = "2")]
    bytes: Vec<u8>,
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().serve_with_incoming(Victim, incoming).await?)
}

#[derive(Clone)]
struct Victim;

impl NamedService for Victim {
    const NAME: &'static str = "hostile.Target";
}

impl Service<http::Request<Body>> for Victim {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let method = match request.uri().path() {
                "/hostile.Target/Sum" => Method::Sum,
                "/hostile.Target/Fill" => Method::Fill,
                "/hostile.Target/Hold" => Method::Hold,
                _ => return Ok(Status::unimplemented("there is no such method").into_http()),
            };
            Ok(Grpc::new(ProstCodec::default()).unary(method, request).await)
        })
    }
}

#[derive(Clone, Copy)]
enum Method {
    Sum,
    Fill,
    Hold,
}

impl UnaryService<Pair> for Method {
    type Response = Filled;
    type Future = BoxFuture<Response<Filled>, Status>;

    fn call(&mut self, request: Request<Pair>) -> Self::Future {
        let (method, pair) = (*self, request.into_inner());
        Box::pin(async move {
            Ok(Response::new(match method {
                Method::Sum => Filled { sum: pair.a.wrapping_add(pair.b), bytes: Vec::new() },
                Method::Fill => Filled { sum: 0, bytes: vec![7; pair.a as usize] },
                Method::Hold => pending().await,
            }))
        })
    }
}

async fn connect(address: String) -> Result<Box<dyn Honest>, Failure> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    Ok(Box::new(client::Grpc::new(channel)))
}

impl Honest for client::Grpc<Channel> {
    fn sum(&mut self, a: i64, b: i64) -> Job<'_, i64> {
        Box::pin(async move {
            self.ready().await?;
            let pair = Request::new(Pair { a, b, ..Pair::default() });
            let path = PathAndQuery::from_static("/hostile.Target/Sum");
            Ok(self.unary(pair, path, ProstCodec::<_, Filled>::default()).await?.into_inner().sum)
        })
    }
}

fn plan(case: Case) -> Option<Plan> {
    handshakes_and_frames(case).or_else(|| calls_and_crowds(case))
}

/// What is wrong before a call is made.
fn handshakes_and_frames(case: Case) -> Option<Plan> {
    let greet = || vec![send(hello()), Step::Await(1)];
    let behind = |step: Step| [greet(), vec![step, Step::Read]].concat();
    Some(match case {
        Case::Silent => Plan::all(Plan::MOST, vec![Step::Read]),
        Case::Slow => Plan::all(Plan::MOST, vec![Step::Drip(hello().into())]),
        Case::HalfHandshake => Plan::all(Plan::MOST, vec![send(&hello()[..12]), Step::Read]),
        Case::OtherProtocols => {
            let others = other_protocols().into_iter().filter(|bytes| !bytes.starts_with(b"PRI"));
            Plan::new(1_000, others.map(|bytes| vec![send(bytes), Step::Read]).collect())
        }
        Case::Garbage => Plan::all(1_000, vec![send(garbage(1_024)), Step::Read]),
        Case::GarbageBehindHandshake => Plan::all(1_000, behind(send(garbage(1_024)))),
        Case::Lengths => {
            let lengths = [(0, HEADERS), (16_385, DATA), (0xff_ffff, HEADERS)];
            Plan::new(1_000, lengths.map(|(length, kind)| behind(send(prefix(length, kind, 4, 1)))).to_vec())
        }
        Case::TinyFrames => Plan::all(10, behind(flood(1_000, frame(200, 0, 0, &[]).repeat(10_000)))),
        Case::LyingHeaders => {
            // A block of headers that never ends, and one whose lengths reach beyond it.
            let more = frame(CONTINUATION, 0, 1, &[0x83; 4_096]);
            let endless = [send(frame(HEADERS, 0, 1, &headers("/"))), flood(10_000, more)];
            let beyond = send(frame(HEADERS, 4, 1, &[0x00, 0x7f, 0xff, 0xff, 0xff, 0x0f, 1]));
            Plan::new(500, vec![[greet(), endless.to_vec()].concat(), behind(beyond)])
        }
        Case::Bombs => {
            // Without lengths in front there is nothing to believe but these.
            let list = call(1, "Sum", &field(3, 1 << 60, &[1; 11]));
            let lie = [open(1, "Sum"), frame(DATA, 1, 1, &[0, 0xff, 0xff, 0xff, 0xff, 1, 1])].concat();
            let nested = (0..10_000).fold(Vec::new(), |inner: Vec<u8>, _| {
                if inner.len() > 60_000 { inner } else { field(5, inner.len() as u64, &inner) }
            });
            let bombs = [list, lie, call(1, "Sum", &nested)];
            Plan::new(20, bombs.map(|bomb| [greet(), vec![send(bomb), pause(20)]].concat()).to_vec())
        }
        _ => return None,
    })
}

/// Calls that no honest peer would make, and too many of those that they do.
fn calls_and_crowds(case: Case) -> Option<Plan> {
    let greet = || vec![send(hello()), Step::Await(1)];
    let behind = |step: Step| [greet(), vec![step, Step::Read]].concat();
    let odd = |n: u64| (2 * n + 1) as u32;
    Some(match case {
        Case::ManyKeys => {
            // As many as fit into the window that is there without asking.
            let entry = |n: u64| field(4, 1 + varint(n).len() as u64, &[vec![8], varint(n)].concat());
            let keys: Vec<u8> = (0..10_000).flat_map(entry).take(65_000).collect();
            Plan::all(4, [greet(), vec![send(call(1, "Sum", &keys)), pause(500)]].concat())
        }
        Case::RapidReset => {
            let pair = move |n| [open(odd(n), "Hold"), frame(RESET, 0, odd(n), &[0, 0, 0, 8])].concat();
            let pairs = move |block| (0..100).flat_map(|n| pair(100 * block + n)).collect();
            Plan::all(10, behind(Step::Flood(1_000, Arc::new(pairs))))
        }
        Case::CancelsAndPings => Plan::all(10, behind(flood(u64::MAX, frame(PING, 0, 0, &[1; 8]).repeat(1_000)))),
        Case::InFlight => {
            let calls: Vec<u8> = (0..14_096).flat_map(|n| call(odd(n), "Hold", &[])).collect();
            Plan::all(100, behind(send(calls)))
        }
        Case::Credit => {
            let items = frame(DATA, 0, 1, &[0; 16_384]).repeat(16);
            Plan::all(1_000, behind(send([open(1, "Hold"), items].concat())))
        }
        Case::NeverReading => {
            let calls = (0..16).flat_map(|n| call(odd(n), "Fill", &[vec![8], varint(65_536)].concat()));
            // A window that lets all of it come.
            let window = [frame(4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]), frame(8, 0, 0, &[0x7f, 0, 0, 0])].concat();
            let script = vec![send(hello()), send(window), send(calls.collect::<Vec<_>>()), Step::Hold];
            Plan { receive_buffer: Some(4_096), ..Plan::all(Plan::MOST, script) }
        }
        Case::Idle => Plan::all(Plan::MOST, [greet(), vec![Step::Read]].concat()),
        Case::HalfFrame => Plan::all(Plan::MOST, behind(send(&frame(DATA, 0, 1, &[1; 1_000])[..500]))),
        Case::UnfinishedMessages => {
            let half = [&[0, 0, 32, 0, 0][..], &[1; 8_000]].concat();
            let begun = |n| [open(odd(n), "Sum"), frame(DATA, 0, odd(n), &half)].concat();
            let unfinished: Vec<u8> = (0..8).flat_map(begun).collect();
            Plan::all(Plan::MOST, behind(send(unfinished)))
        }
        Case::ComeAndGo => Plan::all(1_000, greet()),
        Case::TooMany => Plan::all(11_000, [greet(), vec![Step::Read]].concat()),
        _ => return None,
    })
}

fn pause(ms: u64) -> Step {
    Step::Linger(std::time::Duration::from_millis(ms))
}

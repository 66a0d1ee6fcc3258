//! tarpc over its serde transport with bincode, with plain defaults: one client, and a task per outstanding call that
//! calls in a loop. The sockets are made here, because tarpc's own TCP transport leaves Nagle's algorithm on.

use std::sync::Arc;

use futures_util::StreamExt;
use tarpc::context::{self, Context};
use tarpc::serde_transport::Transport;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{ClientMessage, Response, client};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use bench::subject::{Failure, Job, Subject};
use bench::window::{Tally, Window};

/// tarpc 0.38.
pub const SUBJECT: Subject = Subject {
    name: "tarpc",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

#[tarpc::service]
trait Bench {
    async fn sum(a: i32, b: i32) -> i64;
}

#[derive(Clone)]
struct Adder;

impl Bench for Adder {
    async fn sum(self, _: Context, a: i32, b: i32) -> i64 {
        i64::from(a) + i64::from(b)
    }
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(answer(stream));
    }
}

#[expect(clippy::disallowed_methods, reason = "a task per request that nobody owns is how tarpc's examples serve")]
async fn answer(stream: TcpStream) {
    let transport: Transport<_, ClientMessage<BenchRequest>, Response<BenchResponse>, _> =
        Transport::from((stream, Bincode::default()));
    let requests = BaseChannel::with_defaults(transport).execute(Adder.serve());
    requests
        .for_each(|request| {
            tokio::spawn(request);
            std::future::ready(())
        })
        .await;
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let transport = Transport::from((stream, Bincode::default()));
    let client::NewClient { client, dispatch } = BenchClient::new(client::Config::default(), transport);
    let mut connection = JoinSet::new();
    connection.spawn(dispatch);
    let mut callers = JoinSet::new();
    for caller in 0..window.outstanding() {
        callers.spawn(call(client.clone(), i32::try_from(caller)?, window.tally()));
    }
    callers.join_all().await.into_iter().collect()
}

async fn call(client: BenchClient, caller: i32, mut tally: Tally) -> Result<Tally, Failure> {
    let mut b = 0;
    while tally.running() {
        let started = tally.clock();
        let sum = client.sum(context::current(), caller, b).await?;
        if sum != i64::from(caller) + i64::from(b) {
            return Err("the server cannot add".into());
        }
        tally.completed(started, 1);
        b = b.wrapping_add(1);
    }
    Ok(tally)
}

//! tonic with prost's messages and plain defaults: one channel, and a task per stream. Messages and service are written
//! out, with the calls that tonic's generator would write, because running it takes a compiler for protobuf.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bench::subject::{BLOCK, Failure, Job, Subject, Work};
use bench::window::{Tally, Window};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService, StreamingService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming, client};
use tonic_prost::ProstCodec;

use crate::source::{self, Item};

/// tonic 0.14.
pub const SUBJECT: Subject = Subject {
    name: "tonic",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

const NUMBERS: &str = "/bench.Items/Numbers";
const BLOCKS: &str = "/bench.Items/Blocks";
const TOTAL: &str = "/bench.Items/Total";
const ECHO: &str = "/bench.Items/Echo";

#[derive(Clone, PartialEq, prost::Message)]
struct Wanted {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(uint32, tag = "2")]
    size: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Block {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

impl Item for Number {
    fn at(index: u64, _: u32) -> Self {
        Self { value: index }
    }
}

impl Item for Result<Number, Status> {
    fn at(index: u64, size: u32) -> Self {
        Ok(Number::at(index, size))
    }
}

impl Item for Result<Block, Status> {
    fn at(index: u64, size: u32) -> Self {
        Ok(Block { bytes: Vec::at(index, size) })
    }
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().serve_with_incoming(ItemsServer, incoming).await?)
}

#[derive(Clone)]
struct ItemsServer;

impl NamedService for ItemsServer {
    const NAME: &'static str = "bench.Items";
}

impl Service<http::Request<Body>> for ItemsServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                NUMBERS => Grpc::new(ProstCodec::default()).server_streaming(Numbers, request).await,
                BLOCKS => Grpc::new(ProstCodec::default()).server_streaming(Blocks, request).await,
                TOTAL => Grpc::new(ProstCodec::default()).client_streaming(Total, request).await,
                ECHO => Grpc::new(ProstCodec::default()).streaming(Echo, request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        })
    }
}

struct Numbers;

impl ServerStreamingService<Wanted> for Numbers {
    type Response = Number;
    type ResponseStream = source::Items<Result<Number, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Wanted>) -> Self::Future {
        let Wanted { count, size } = request.into_inner();
        ready(Ok(Response::new(source::Items::new(count, size))))
    }
}

struct Blocks;

impl ServerStreamingService<Wanted> for Blocks {
    type Response = Block;
    type ResponseStream = source::Items<Result<Block, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Wanted>) -> Self::Future {
        let Wanted { count, size } = request.into_inner();
        ready(Ok(Response::new(source::Items::new(count, size))))
    }
}

struct Total;

impl ClientStreamingService<Number> for Total {
    type Response = Number;
    type Future = BoxFuture<Response<Number>, Status>;

    fn call(&mut self, request: Request<Streaming<Number>>) -> Self::Future {
        Box::pin(async {
            let mut values = request.into_inner();
            let mut value = 0_u64;
            while let Some(number) = values.message().await? {
                value = value.wrapping_add(number.value);
            }
            Ok(Response::new(Number { value }))
        })
    }
}

struct Echo;

impl StreamingService<Number> for Echo {
    type Response = Number;
    type ResponseStream = Streaming<Number>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Number>>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut streams = JoinSet::new();
    for _ in 0..window.outstanding() {
        let (client, tally) = (client::Grpc::new(channel.clone()), window.tally());
        match window.work() {
            Work::Numbers => streams.spawn(take_numbers(client, tally)),
            Work::Blocks => streams.spawn(take_blocks(client, tally)),
            Work::Total => streams.spawn(send_numbers(client, tally)),
            Work::Echo => streams.spawn(ping(client, tally)),
            Work::Sum => return Err("a sum is no stream".into()),
        };
    }
    streams.join_all().await.into_iter().collect()
}

async fn take_numbers(mut client: client::Grpc<Channel>, mut tally: Tally) -> Result<Tally, Failure> {
    client.ready().await?;
    let wanted = Request::new(Wanted { count: u64::MAX, size: 0 });
    let path = PathAndQuery::from_static(NUMBERS);
    let mut numbers = client.server_streaming(wanted, path, ProstCodec::<_, Number>::default()).await?.into_inner();
    let mut expected = 0;
    while let Some(number) = numbers.message().await? {
        source::check_number(number.value, expected)?;
        expected += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn take_blocks(mut client: client::Grpc<Channel>, mut tally: Tally) -> Result<Tally, Failure> {
    client.ready().await?;
    let wanted = Request::new(Wanted { count: u64::MAX, size: BLOCK });
    let path = PathAndQuery::from_static(BLOCKS);
    let mut blocks = client.server_streaming(wanted, path, ProstCodec::<_, Block>::default()).await?.into_inner();
    let mut index = 0;
    while let Some(block) = blocks.message().await? {
        source::check_block(&block.bytes, index)?;
        index += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn send_numbers(mut client: client::Grpc<Channel>, tally: Tally) -> Result<Tally, Failure> {
    client.ready().await?;
    let (numbers, sent) = source::numbers_while_open::<Number>(tally);
    let path = PathAndQuery::from_static(TOTAL);
    let sum = client.client_streaming(Request::new(numbers), path, ProstCodec::<_, Number>::default()).await?;
    sent.check(sum.get_ref().value).await
}

async fn ping(mut client: client::Grpc<Channel>, mut tally: Tally) -> Result<Tally, Failure> {
    client.ready().await?;
    let (tx, rx) = mpsc::channel(1);
    let path = PathAndQuery::from_static(ECHO);
    let codec = ProstCodec::<_, Number>::default();
    let numbers = client.streaming(Request::new(ReceiverStream::new(rx)), path, codec).await?;
    let mut numbers = numbers.into_inner();
    let mut value = 0;
    while tally.running() {
        let started = tally.clock();
        tx.send(Number { value }).await?;
        let number = numbers.message().await?.ok_or("the stream ended")?;
        source::check_number(number.value, value)?;
        tally.completed(started, 1);
        value += 1;
    }
    Ok(tally)
}

//! This project's streams with plain defaults: one channel, and a task per stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bench::subject::{BLOCK, Failure, Job, Subject, Work};
use bench::window::{Tally, Window};
use rpc_runtime::{
    prelude::{Channel, Server, Stream, Streaming, rpc_service},
    stream,
};
use tokio::task::JoinSet;

use crate::source;

/// Channel and server of this project.
pub const SUBJECT: Subject = Subject {
    name: "ours",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

#[rpc_service]
trait Items {
    fn numbers(&self, count: u64) -> impl Stream<Item = u64>;
    fn blocks(&self, count: u64, size: u32) -> impl Stream<Item = Vec<u8>>;
    async fn total(&self, values: Streaming<u64>) -> u64;
    fn echo(&self, values: Streaming<u64>) -> impl Stream<Item = u64>;
}

struct Source;

impl Items for Source {
    fn numbers(&self, count: u64) -> impl Stream<Item = u64> {
        source::Items::new(count, 0)
    }

    fn blocks(&self, count: u64, size: u32) -> impl Stream<Item = Vec<u8>> {
        source::Items::new(count, size)
    }

    async fn total(&self, mut values: Streaming<u64>) -> u64 {
        let mut sum = 0_u64;
        while let Some(Ok(value)) = values.next().await {
            sum = sum.wrapping_add(value);
        }
        sum
    }

    fn echo(&self, values: Streaming<u64>) -> impl Stream<Item = u64> {
        Echo(values)
    }
}

/// Ends with the stream that it sends back, however that ended.
struct Echo(Streaming<u64>);

impl Stream for Echo {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        Pin::new(&mut self.0).poll_next(cx).map(|item| item.and_then(Result::ok))
    }
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let server = Server::builder().service(ItemsServer::new(Source)).bind("tcp://127.0.0.1:0").await?;
    announce(server.local_address());
    server.serve().await?;
    Ok(())
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let client = ItemsClient::new(Channel::builder().connect(&address).await?);
    let mut streams = JoinSet::new();
    for _ in 0..window.outstanding() {
        let (client, tally) = (client.clone(), window.tally());
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

async fn take_numbers(client: ItemsClient, mut tally: Tally) -> Result<Tally, Failure> {
    let mut numbers = client.numbers(u64::MAX).await?;
    let mut expected = 0;
    while let Some(number) = numbers.next().await {
        source::check_number(number?, expected)?;
        expected += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn take_blocks(client: ItemsClient, mut tally: Tally) -> Result<Tally, Failure> {
    let mut blocks = client.blocks(u64::MAX, BLOCK).await?;
    let mut index = 0;
    while let Some(block) = blocks.next().await {
        source::check_block(&block?, index)?;
        index += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn send_numbers(client: ItemsClient, tally: Tally) -> Result<Tally, Failure> {
    let (numbers, sent) = source::numbers_while_open::<u64>(tally);
    let sum = client.total(numbers).await?;
    sent.check(sum).await
}

async fn ping(client: ItemsClient, mut tally: Tally) -> Result<Tally, Failure> {
    let (tx, rx) = stream::channel(1);
    let mut numbers = client.echo(rx).await?;
    let mut value = 0;
    while tally.running() {
        let started = tally.clock();
        tx.send(value).await?;
        let number = numbers.next().await.ok_or("the stream ended")??;
        source::check_number(number, value)?;
        tally.completed(started, 1);
        value += 1;
    }
    Ok(tally)
}

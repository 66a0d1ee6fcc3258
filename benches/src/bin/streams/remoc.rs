//! remoc's channels with its default codec and plain defaults: one connection, on whose base channel a request carries
//! one half of a channel for each direction of its stream, and a task per stream. Blocks travel as bytes in bulk.

use std::sync::Arc;

use bench::subject::{BLOCK, Failure, Job, Subject, Work};
use bench::window::{Tally, Window};
use remoc::rch::{base, mpsc, oneshot};
use remoc::{Cfg, Connect, RemoteSend};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::source::{self, Item};

/// remoc 0.20.
pub const SUBJECT: Subject = Subject {
    name: "remoc",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

impl Item for ByteBuf {
    fn at(index: u64, size: u32) -> Self {
        Self::from(Vec::at(index, size))
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Wanted {
    Numbers { count: u64, items: mpsc::Sender<u64> },
    Blocks { count: u64, size: u32, items: mpsc::Sender<ByteBuf> },
    Total { items: mpsc::Receiver<u64>, sum: oneshot::Sender<u64> },
    Echo { items: mpsc::Receiver<u64>, back: mpsc::Sender<u64> },
}

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(answer(stream));
    }
}

async fn answer(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let (input, output) = stream.into_split();
    let (connection, _tx, mut rx): (_, base::Sender<()>, base::Receiver<Wanted>) =
        Connect::io(Cfg::default(), input, output).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async { Ok(connection.await?) });
    while let Some(wanted) = rx.recv().await? {
        match wanted {
            Wanted::Numbers { count, items } => tasks.spawn(produce(count, 0, items)),
            Wanted::Blocks { count, size, items } => tasks.spawn(produce(count, size, items)),
            Wanted::Total { items, sum } => tasks.spawn(total(items, sum)),
            Wanted::Echo { items, back } => tasks.spawn(echo(items, back)),
        };
    }
    Ok(())
}

async fn produce<T: RemoteSend + Item>(count: u64, size: u32, items: mpsc::Sender<T>) -> Result<(), Failure> {
    for index in 0..count {
        // What `send` gives tells when the item has been sent, for which a stream does not wait.
        drop(items.send(T::at(index, size)).await.map_err(|error| error.without_item())?);
    }
    Ok(())
}

async fn total(mut items: mpsc::Receiver<u64>, sum: oneshot::Sender<u64>) -> Result<(), Failure> {
    let mut value = 0_u64;
    while let Some(number) = items.recv().await? {
        value = value.wrapping_add(number);
    }
    sum.send(value)?.await?;
    Ok(())
}

async fn echo(mut items: mpsc::Receiver<u64>, back: mpsc::Sender<u64>) -> Result<(), Failure> {
    while let Some(number) = items.recv().await? {
        drop(back.send(number).await?);
    }
    Ok(())
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (input, output) = stream.into_split();
    let (connection, mut tx, _rx): (_, base::Sender<Wanted>, base::Receiver<()>) =
        Connect::io(Cfg::default(), input, output).await?;
    let mut owner = JoinSet::new();
    owner.spawn(connection);
    let mut streams = JoinSet::new();
    for _ in 0..window.outstanding() {
        let tally = window.tally();
        match window.work() {
            Work::Numbers => {
                let (items, numbers) = mpsc::channel();
                tx.send(Wanted::Numbers { count: u64::MAX, items }).await?;
                streams.spawn(take_numbers(numbers, tally));
            }
            Work::Blocks => {
                let (items, blocks) = mpsc::channel();
                tx.send(Wanted::Blocks { count: u64::MAX, size: BLOCK, items }).await?;
                streams.spawn(take_blocks(blocks, tally));
            }
            Work::Total => {
                let ((numbers, items), (sum, value)) = (mpsc::channel(), oneshot::channel());
                tx.send(Wanted::Total { items, sum }).await?;
                streams.spawn(send_numbers(numbers, value, tally));
            }
            Work::Echo => {
                let ((there, items), (back, numbers)) = (mpsc::channel(), mpsc::channel());
                tx.send(Wanted::Echo { items, back }).await?;
                streams.spawn(ping(there, numbers, tally));
            }
            Work::Sum => return Err("a sum is no stream".into()),
        }
    }
    streams.join_all().await.into_iter().collect()
}

async fn take_numbers(mut numbers: mpsc::Receiver<u64>, mut tally: Tally) -> Result<Tally, Failure> {
    let mut expected = 0;
    while let Some(number) = numbers.recv().await? {
        source::check_number(number, expected)?;
        expected += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn take_blocks(mut blocks: mpsc::Receiver<ByteBuf>, mut tally: Tally) -> Result<Tally, Failure> {
    let mut index = 0;
    while let Some(block) = blocks.recv().await? {
        source::check_block(&block, index)?;
        index += 1;
        if !tally.item() {
            return Ok(tally);
        }
    }
    Err("the stream ended".into())
}

async fn send_numbers(
    numbers: mpsc::Sender<u64>,
    sum: oneshot::Receiver<u64>,
    mut tally: Tally,
) -> Result<Tally, Failure> {
    let mut count = 0;
    while tally.item() {
        drop(numbers.send(count).await?);
        count += 1;
    }
    drop(numbers);
    source::check_sum(sum.await?, count)?;
    Ok(tally)
}

async fn ping(there: mpsc::Sender<u64>, mut back: mpsc::Receiver<u64>, mut tally: Tally) -> Result<Tally, Failure> {
    let mut value = 0;
    while tally.running() {
        let started = tally.clock();
        drop(there.send(value).await?);
        let number = back.recv().await?.ok_or("the stream ended")?;
        source::check_number(number, value)?;
        tally.completed(started, 1);
        value += 1;
    }
    Ok(tally)
}

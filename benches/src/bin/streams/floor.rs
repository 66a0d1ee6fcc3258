//! The floor of streams: what tokio and the kernel allow when a framework costs nothing. A frame for each item, `u32
//! length | u64 id | item`, as many in a write as a buffer holds; the client takes all that one read returned. An item
//! of the echo is 16 bytes without any head. No codec, no credit, no task or allocation per stream.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use bench::subject::{BLOCK, Failure, Job, Subject, Work};
use bench::window::{Tally, Window};

/// Raw tokio.
pub const SUBJECT: Subject = Subject {
    name: "floor",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

/// What one write takes and one read may give.
const BUFFER: usize = 256 * 1024;

/// `u32 length | u64 id`.
const HEAD: usize = 12;

/// The server learns the work from the first byte of a connection, and the number of streams from eight more.
const NUMBERS: u8 = 0;
const BLOCKS: u8 = 1;
const TOTAL: u8 = 2;
const ECHO: u8 = 3;

async fn serve(announce: fn(&str)) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(&listener.local_addr()?.to_string());
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let work = stream.read_u8().await?;
    let streams = stream.read_u64_le().await?;
    match work {
        NUMBERS => produce(stream, streams, |value, output| output.extend_from_slice(&value.to_le_bytes())).await,
        BLOCKS => {
            produce(stream, streams, |value, output| output.extend_from_slice(&[value as u8; BLOCK as usize])).await
        }
        TOTAL => total(stream).await,
        ECHO => echo(stream).await,
        unknown => Err(format!("there is no work {unknown}").into()),
    }
}

/// Sends the items of all streams in turns until the client has gone.
async fn produce(mut stream: TcpStream, streams: u64, put: impl Fn(u64, &mut Vec<u8>)) -> Result<(), Failure> {
    let mut output = Vec::with_capacity(BUFFER + HEAD + BLOCK as usize);
    for value in 0.. {
        for id in 0..streams {
            put_frame(&mut output, id, value, &put);
            if output.len() >= BUFFER {
                stream.write_all(&output).await?;
                output.clear();
            }
        }
    }
    Ok(())
}

/// Adds up items until one of no bytes comes, and answers with the sum.
async fn total(mut stream: TcpStream) -> Result<(), Failure> {
    let mut input = Input::new();
    let mut sum = 0_u64;
    while input.fill(&mut stream).await? {
        while let Some((_, item)) = input.next() {
            match item.try_into() {
                Ok(value) => sum = sum.wrapping_add(u64::from_le_bytes(value)),
                Err(_) => stream.write_u64_le(sum).await?,
            }
        }
    }
    Ok(())
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    let mut item = [0; 16];
    loop {
        stream.read_exact(&mut item).await?;
        stream.write_all(&item).await?;
    }
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let work = match window.work() {
        Work::Numbers => NUMBERS,
        Work::Blocks => BLOCKS,
        Work::Total => TOTAL,
        Work::Echo => ECHO,
        Work::Sum => return Err("a sum is no stream".into()),
    };
    let streams = window.outstanding();
    let mut start = vec![work];
    start.extend_from_slice(&u64::try_from(streams)?.to_le_bytes());
    stream.write_all(&start).await?;
    let mut tally = window.tally();
    match work {
        NUMBERS => take_numbers(stream, streams, &mut tally).await?,
        BLOCKS => take_blocks(stream, &mut tally).await?,
        TOTAL => send_numbers(stream, &mut tally).await?,
        _ => ping(stream, &mut tally).await?,
    }
    Ok(vec![tally])
}

async fn take_numbers(mut stream: TcpStream, streams: usize, tally: &mut Tally) -> Result<(), Failure> {
    let mut input = Input::new();
    let mut expected = vec![0_u64; streams];
    while tally.running() {
        if !input.fill(&mut stream).await? {
            return Err("the server closed the connection".into());
        }
        let mut items = 0;
        while let Some((id, item)) = input.next() {
            let next = expected.get_mut(usize::try_from(id)?).ok_or("there is no such stream")?;
            if item != next.to_le_bytes() {
                return Err("the server cannot count".into());
            }
            *next += 1;
            items += 1;
        }
        tally.completed(None, items);
    }
    Ok(())
}

async fn take_blocks(mut stream: TcpStream, tally: &mut Tally) -> Result<(), Failure> {
    let mut input = Input::new();
    let mut expected = 0_u64;
    while tally.running() {
        if !input.fill(&mut stream).await? {
            return Err("the server closed the connection".into());
        }
        let mut items = 0;
        while let Some((_, item)) = input.next() {
            let fill = expected as u8;
            if item.len() != BLOCK as usize || [item[0], item[item.len() - 1]] != [fill; 2] {
                return Err("a block is not what was sent".into());
            }
            expected += 1;
            items += 1;
        }
        tally.completed(None, items);
    }
    Ok(())
}

async fn send_numbers(mut stream: TcpStream, tally: &mut Tally) -> Result<(), Failure> {
    let mut output = Vec::with_capacity(BUFFER + HEAD + BLOCK as usize);
    let (mut value, mut sum) = (0_u64, 0_u64);
    while tally.running() {
        let before = value;
        while output.len() < BUFFER {
            put_frame(&mut output, 0, value, &|value, output: &mut Vec<u8>| {
                output.extend_from_slice(&value.to_le_bytes());
            });
            sum = sum.wrapping_add(value);
            value += 1;
        }
        stream.write_all(&output).await?;
        output.clear();
        tally.completed(None, value - before);
    }
    put_frame(&mut output, 0, 0, &|_, _: &mut Vec<u8>| {});
    stream.write_all(&output).await?;
    if stream.read_u64_le().await? == sum { Ok(()) } else { Err("the server cannot add".into()) }
}

async fn ping(mut stream: TcpStream, tally: &mut Tally) -> Result<(), Failure> {
    let mut value = 0_u64;
    let (mut sent, mut received) = ([0; 16], [0; 16]);
    while tally.running() {
        let started = tally.clock();
        sent[8..].copy_from_slice(&value.to_le_bytes());
        stream.write_all(&sent).await?;
        stream.read_exact(&mut received).await?;
        if received != sent {
            return Err("the server cannot echo".into());
        }
        tally.completed(started, 1);
        value += 1;
    }
    Ok(())
}

fn put_frame(output: &mut Vec<u8>, id: u64, value: u64, put: &impl Fn(u64, &mut Vec<u8>)) {
    let start = output.len();
    output.extend_from_slice(&[0; 4]);
    output.extend_from_slice(&id.to_le_bytes());
    put(value, output);
    let length = (output.len() - start - 4) as u32;
    output[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
/// Bytes that were read, of which the frames up to `taken` were taken.
struct Input {
    bytes: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER], taken: 0, filled: 0 }
    }

    /// Reads once, behind what a frame that has not wholly arrived left over. False at the end of the stream.
    async fn fill(&mut self, stream: &mut TcpStream) -> Result<bool, Failure> {
        self.bytes.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        let read = stream.read(&mut self.bytes[self.filled..]).await?;
        self.filled += read;
        Ok(read > 0)
    }

    /// The id and the payload of the next whole frame.
    fn next(&mut self) -> Option<(u64, &[u8])> {
        let (length, rest) = self.bytes[self.taken..self.filled].split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (id, payload) = rest.get(..length)?.split_first_chunk::<8>()?;
        self.taken += 4 + length;
        Some((u64::from_le_bytes(*id), payload))
    }
}

//! The floor: what tokio and the kernel allow when a framework costs nothing. Frames of `u32 length | u64 id |
//! payload`, everything that one read returned is answered with one write, and neither side has a task or an
//! allocation per call. It is not a framework: no names, no codec, no deadlines, no errors.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use bench::subject::{Failure, Job, Subject};
use bench::window::{Tally, Window};

/// Raw tokio.
pub const SUBJECT: Subject = Subject {
    name: "floor",
    serve: |announce| Box::pin(serve(announce)),
    drive: |address, window| -> Job<Vec<Tally>> { Box::pin(drive(address, window)) },
};

/// Holds the 4,096 frames of 20 bytes of the largest row more than three times.
const BUFFER: usize = 256 * 1024;

/// `b` of every call; `a` is the lower half of its id.
const ADDEND: i32 = 1;

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
    let mut input = Input::new();
    let mut output = Vec::with_capacity(BUFFER);
    while input.fill(&mut stream).await? {
        output.clear();
        while let Some((id, payload)) = input.next() {
            let (a, b) = payload.split_first_chunk().ok_or("a request is shorter than two numbers")?;
            let b = b.try_into().map_err(|_| "a request is not two numbers")?;
            let sum = i64::from(i32::from_le_bytes(*a)) + i64::from(i32::from_le_bytes(b));
            put_head(&mut output, id);
            output.extend_from_slice(&sum.to_le_bytes());
        }
        stream.write_all(&output).await?;
    }
    Ok(())
}

async fn drive(address: String, window: Arc<Window>) -> Result<Vec<Tally>, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut tally = window.tally();
    let mut input = Input::new();
    let mut output = Vec::with_capacity(BUFFER);
    let mut next_id = 0;
    for _ in 0..window.outstanding() {
        put_request(&mut output, &mut next_id);
    }
    while tally.running() {
        let started = tally.clock();
        stream.write_all(&output).await?;
        output.clear();
        let mut replies = 0;
        while replies == 0 {
            if !input.fill(&mut stream).await? {
                return Err("the server closed the connection".into());
            }
            while let Some((id, payload)) = input.next() {
                check(id, payload)?;
                replies += 1;
                put_request(&mut output, &mut next_id);
            }
        }
        tally.completed(started, replies);
    }
    Ok(vec![tally])
}

fn put_request(output: &mut Vec<u8>, next_id: &mut u64) {
    put_head(output, *next_id);
    output.extend_from_slice(&first_addend(*next_id).to_le_bytes());
    output.extend_from_slice(&ADDEND.to_le_bytes());
    *next_id += 1;
}

fn check(id: u64, payload: &[u8]) -> Result<(), Failure> {
    let expected = i64::from(first_addend(id)) + i64::from(ADDEND);
    if payload == expected.to_le_bytes() { Ok(()) } else { Err("the server cannot add".into()) }
}

/// The lower half of the id, so that a reply can be checked without a table.
fn first_addend(id: u64) -> i32 {
    let [a, b, c, d, ..] = id.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// Everything of a frame but its payload, which is of 8 bytes in both directions.
fn put_head(output: &mut Vec<u8>, id: u64) {
    output.extend_from_slice(&16_u32.to_le_bytes());
    output.extend_from_slice(&id.to_le_bytes());
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

//! A12: a transport that takes so many bytes and then fails, for each number of a short session.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, Server, Status};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::a01_a20_desk::{Book, DeskClient, DeskServer, assert_status, settled, spawn};

/// A pipe whose writing side takes `left` bytes, fails once, and would go on as if nothing had been: whoever writes
/// again after half a frame is found out.
struct Failing {
    pipe: DuplexStream,
    left: usize,
    log: Arc<Mutex<Log>>,
}

/// What a writer did.
#[derive(Default)]
struct Log {
    taken: Vec<u8>,
    failed: bool,
    written_after: usize,
}

impl AsyncRead for Failing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Failing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let log = Arc::clone(&self.log);
        let mut log = log.lock().expect("a session is what it is made of");
        if log.failed {
            log.written_after += bytes.len();
            return Pin::new(&mut self.pipe).poll_write(cx, bytes);
        }
        if self.left == 0 {
            log.failed = true;
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the cable was cut")));
        }
        let most = bytes.len().min(self.left);
        let polled = Pin::new(&mut self.pipe).poll_write(cx, &bytes[..most]);
        if let Poll::Ready(Ok(count)) = polled {
            self.left -= count;
            log.taken.extend_from_slice(&bytes[..count]);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// One session: three calls at once, the second of which leaves beside the small frames; then one more.
struct Session {
    log: Arc<Mutex<Log>>,
    /// How the channel was made, and how its calls ended.
    outcomes: Result<Vec<Result<i64, Status>>, Status>,
    /// How many handlers ran.
    ran: usize,
}

async fn session(large: usize, limit: usize) -> Session {
    let log = Arc::default();
    let book = Book::default();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let pipe = Failing { pipe: ours, left: limit, log: Arc::clone(&log) };
    let server = Server::builder().service(DeskServer::new(book.clone()));
    let serving = spawn(server.serve_connection(theirs, "pipe://client"));
    let outcomes = match Channel::builder().codec(CodecKind::Json).handshake(pipe, "pipe://server").await {
        Err(status) => Err(status),
        Ok(channel) => Ok(calls(&channel, large).await),
    };
    // Nobody holds the pipe any more, so that the server ends.
    let ended = serving.await.expect("a session is what it is made of");
    assert_eq!(ended.unwrap_or_else(|refused| refused).code(), Code::Unavailable);
    book.until(|tally| tally.started == tally.ended).await;
    Session { log, outcomes, ran: book.tally().started }
}

async fn calls(channel: &Channel, large: usize) -> Vec<Result<i64, Status>> {
    let desk = DeskClient::new(channel.clone());
    let keep = desk.keep("x".repeat(large)).start();
    let keep = async { keep.await.map(|size| size as i64) };
    let (first, third) = (desk.add(1, 2).start(), desk.add(3, 4).start());
    let (second, others) = tokio::join!(keep, join_all([first, third]));
    let [first, third] = <[_; 2]>::try_from(others).expect("a session is what it is made of");
    let fourth = desk.add(5, 6).await;
    settled(channel).await;
    vec![first, second, third, fourth]
}

/// A frame in all that was written.
struct Span {
    id: u64,
    start: usize,
    end: usize,
    body: Vec<u8>,
}

/// All frames, and where the first of them begins.
fn spans(bytes: &[u8]) -> (usize, Vec<Span>) {
    let hello = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (mut start, mut spans) = (hello, Vec::new());
    while start < bytes.len() {
        let end = start
            + 4
            + u32::from_le_bytes(bytes[start..start + 4].try_into().expect("a session is what it is made of")) as usize;
        let header = usize::from(u16::from_le_bytes([bytes[start + 6], bytes[start + 7]]));
        let id = u64::from_le_bytes(bytes[start + 8..start + 16].try_into().expect("a session is what it is made of"));
        spans.push(Span { id, start, end, body: bytes[start + 16 + header..end].to_vec() });
        start = end;
    }
    (hello, spans)
}

/// Where the request with these arguments begins, and where its last part ends.
fn request(spans: &[Span], arguments: &str) -> (usize, usize) {
    let first =
        spans.iter().find(|span| span.body.starts_with(arguments.as_bytes())).expect("a session is what it is made of");
    let last = spans.iter().rfind(|span| span.id == first.id).expect("a session is what it is made of");
    (first.start, last.end)
}

/// What holds of a session that was cut after `limit` of the bytes that it has when it is not.
async fn cut(bytes: &[u8], large: usize, limit: usize) {
    let (hello, spans) = spans(bytes);
    let requests = ["[1,2]", "[\"xxxx", "[3,4]", "[5,6]"].map(|arguments| request(&spans, arguments));
    let Session { log, outcomes, ran } = session(large, limit).await;
    let log = log.lock().expect("a session is what it is made of");
    assert!(log.failed, "{limit}");
    assert_eq!(log.written_after, 0, "{limit}: nothing is written after half a frame");
    assert!(log.taken == bytes[..limit], "{limit}: what was written before is what it always is");
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(status) => {
            assert!(limit < hello, "{limit}: {status}");
            assert_status(&status, Code::Unavailable, false, "the cable was cut");
            return assert_eq!(ran, 0);
        }
    };
    for ((outcome, value), (start, end)) in outcomes.into_iter().zip([3, large as i64, 7, 11]).zip(requests) {
        match outcome {
            Ok(reply) => assert!(reply == value && end <= limit, "{limit}: {reply}"),
            Err(status) => assert_status(&status, Code::Unavailable, start < limit, "the cable was cut"),
        }
    }
    assert!(ran <= requests.iter().filter(|(_, end)| *end <= limit).count(), "{limit}: {ran} ran");
}

/// All that is written in a session that is not cut.
async fn whole(large: usize) -> Vec<u8> {
    let Session { log, outcomes, ran } = session(large, usize::MAX).await;
    let outcomes: Vec<_> = outcomes.expect("a session is what it is made of").into_iter().map(Result::unwrap).collect();
    assert_eq!((outcomes, ran), (vec![3, large as i64, 7, 11], 4));
    let bytes = log.lock().expect("a session is what it is made of").taken.clone();
    let (_, end) = request(&spans(&bytes).1, "[5,6]");
    bytes[..end].to_vec()
}

/// A12. At every byte.
#[tokio::test(start_paused = true)]
async fn a_write_error_after_any_number_of_bytes_fails_the_calls_and_poisons_the_connection() {
    let large = 4_200;
    let bytes = whole(large).await;
    for limit in 0..bytes.len() {
        cut(&bytes, large, limit).await;
    }
}

/// A12. Around every frame's beginning and end, and here and there in between.
#[tokio::test(start_paused = true)]
async fn a_write_error_within_a_request_in_parts_fails_the_calls_and_poisons_the_connection() {
    let large = 300_000;
    let bytes = whole(large).await;
    let (hello, spans) = spans(&bytes);
    let ends = spans.iter().flat_map(|span| span.end - 2..span.end + 20);
    for limit in ends.chain((hello..bytes.len()).step_by(5_003)).filter(|limit| *limit < bytes.len()) {
        cut(&bytes, large, limit).await;
    }
}

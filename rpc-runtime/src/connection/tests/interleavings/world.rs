//! Two ends of a connection, made as they are made for users, and a service behind one of them that knows which of its
//! handlers ran.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use rpc_macros::rpc_service;
use shuttle::future::{AbortHandle, JoinHandle, spawn};
use tokio::{sync::watch, time::Instant};

use super::{
    flows::FlowsServer,
    pipe::{Pipe, pipe},
};
use crate::{
    call::{Answer, Ending, OutgoingRequest},
    codec::CodecKind,
    connection::{CallId, Connection, ConnectionState, Ended, Endpoint, handshake::Agreement, start, tests::parse_all},
    limits::{Limits, MEMORY},
    metadata::Metadata,
    router::Router,
    status::{Code, Status},
    transport::Transport,
    wire::{Grant, Kind},
};

/// What the calls of these tests are for.
#[rpc_service(crate = "crate")]
trait Steps {
    #[rpc(inline)]
    async fn inline(&self, tag: u32, padding: String) -> u32;
    #[rpc(task)]
    async fn in_task(&self, tag: u32, padding: String) -> u32;
    /// Ends once its gate was opened.
    #[rpc(inline)]
    async fn gate_inline(&self, tag: u32, padding: String) -> u32;
    #[rpc(task)]
    async fn gate_in_task(&self, tag: u32, padding: String) -> u32;
}

/// What became of the handlers, by their tags, and who waits for their end. Its locks are no places where threads may
/// switch: handlers take them.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<BTreeMap<u32, Page>>>, Arc<Mutex<Option<Waker>>>);

#[derive(Default)]
struct Page {
    started: u32,
    ended: u32,
    /// How often its gate was opened: it takes two.
    opened: u32,
    waker: Option<Waker>,
    /// Who waits for the start.
    opener: Option<Waker>,
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Page>> {
        self.0.lock().unwrap()
    }

    /// How often the handler of this call was started.
    pub(super) fn started(&self, tag: u32) -> u32 {
        self.lock().get(&tag).map_or(0, |page| page.started)
    }

    /// Lets a handler end that waits at its gate, now or later, and wakes it twice on the way.
    pub(super) fn open(&self, tag: u32) {
        for _ in 0..2 {
            let mut book = self.lock();
            let page = book.entry(tag).or_default();
            page.opened += 1;
            let waker = page.waker.take();
            drop(book);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The same once the handler is there: the wakes come while it is polled.
    pub(super) fn open_started(&self, tag: u32) {
        shuttle::future::block_on(poll_fn(|cx| {
            let mut book = self.lock();
            let page = book.entry(tag).or_default();
            page.opener = Some(cx.waker().clone());
            if page.started > 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
        self.open(tag);
    }

    /// No handler is left at work, and none was started twice. Waits for tasks that are being ended.
    pub(super) fn is_closed(&self) {
        shuttle::future::block_on(poll_fn(|cx| {
            *self.1.lock().unwrap() = Some(cx.waker().clone());
            let over = self.lock().values().all(|page| page.started == page.ended);
            if over { Poll::Ready(()) } else { Poll::Pending }
        }));
        for (tag, page) in &*self.lock() {
            assert!(page.started <= 1, "the handler of {tag} was started {} times", page.started);
        }
    }

    pub(super) fn enter(&self, tag: u32) -> Entry {
        let mut book = self.lock();
        let page = book.entry(tag).or_default();
        page.started += 1;
        let opener = page.opener.take();
        drop(book);
        opener.into_iter().for_each(Waker::wake);
        Entry(self.clone(), tag)
    }

    async fn pass(&self, tag: u32) -> u32 {
        let _entry = self.enter(tag);
        poll_fn(|cx| {
            let mut book = self.lock();
            let page = book.entry(tag).or_default();
            if page.opened >= 2 {
                return Poll::Ready(());
            }
            page.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        tag
    }
}

pub(super) struct Entry(Book, u32);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.lock().entry(self.1).or_default().ended += 1;
        let waker = self.0.1.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Steps for Book {
    async fn inline(&self, tag: u32, _padding: String) -> u32 {
        let _entry = self.enter(tag);
        tag
    }

    async fn in_task(&self, tag: u32, _padding: String) -> u32 {
        let _entry = self.enter(tag);
        tag
    }

    async fn gate_inline(&self, tag: u32, _padding: String) -> u32 {
        self.pass(tag).await
    }

    async fn gate_in_task(&self, tag: u32, _padding: String) -> u32 {
        self.pass(tag).await
    }
}

/// What differs between the tests.
pub(super) struct Setting {
    pub(super) limits: Limits,
    /// How much either direction holds.
    pub(super) holds: usize,
    /// After how many bytes the client's direction breaks, and the server's.
    pub(super) breaks: [usize; 2],
    /// Callers and handlers write by themselves.
    pub(super) shared: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self { limits: Limits::default(), holds: 256, breaks: [usize::MAX; 2], shared: true }
    }
}

/// Both ends, at work.
pub(super) struct World {
    pub(super) client: Connection,
    pub(super) server: Connection,
    pub(super) book: Book,
    /// What client and server wrote.
    pub(super) wires: [Arc<Pipe>; 2],
    ends: [JoinHandle<Ended>; 2],
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let book = Book::default();
        let (up, up_sink, up_source) = pipe(setting.holds, setting.breaks[0]);
        let (down, down_sink, down_source) = pipe(setting.holds, setting.breaks[1]);
        let mut router = Router::default();
        router.register(&StepsServer::new(book.clone())).unwrap();
        router.register(&FlowsServer::new(book.clone())).unwrap();
        let end = |sink: super::pipe::Sink, source, router, side| {
            let transport =
                Transport { reader: Box::new(source), writer: sink.writer(setting.shared), peer: "pipe".to_owned() };
            let limits = setting.limits.clone();
            let remote = Grant {
                in_flight: limits.in_flight,
                request_window: limits.granted_window(),
                max_message: 1 << 20,
                streams: limits.streams,
                stream_window: limits.stream_window.start,
                ..Grant::default()
            };
            let agreement = Agreement { codec: CodecKind::Json, remote, metadata: Metadata::new() };
            let endpoint = Arc::new(Endpoint::new(limits, MEMORY, router));
            start(transport, agreement, &endpoint, side, watch::Sender::new(ConnectionState::Ready))
        };
        let (client, client_end) = end(up_sink, down_source, Router::default(), 0);
        let (server, server_end) = end(down_sink, up_source, router, 1);
        let ends = [spawn(client_end), spawn(server_end)];
        Self { client, server, book, wires: [up, down], ends }
    }

    /// The task of the client's driver, or of the server's: to be ended from outside.
    pub(super) fn dropped(&self, end: usize) -> AbortHandle {
        self.ends[end].abort_handle()
    }

    /// Nothing of any stream is left at either end, as soon as those have gone that have been told.
    pub(super) fn has_no_streams(&self) {
        no_streams(&[&self.client, &self.server]);
    }

    /// Waits for the end of both ends, which must come by itself, and looks at what is left of them.
    pub(super) fn ended(self) -> Remains {
        let Self { client, server, book, wires, ends } = self;
        // One that was aborted has no reason.
        for end in ends {
            drop(shuttle::future::block_on(end));
        }
        assert_eq!((client.outstanding(), server.outstanding()), (0, 0), "calls are left in a table");
        no_streams(&[&client, &server]);
        for wire in &wires {
            let (taken, after) = wire.log();
            assert_eq!(after, 0, "somebody writes behind half a frame");
            are_right(&taken);
        }
        Remains { book, wires }
    }
}

fn no_streams(ends: &[&Connection]) {
    let left = || ends.iter().map(|end| end.shared.lock().calls.streams.left()).collect::<Vec<_>>();
    for _ in 0..5_000 {
        if left().iter().all(|left| *left == (0, 0, 0)) {
            return;
        }
        shuttle::thread::yield_now();
    }
    panic!("streams, those of the peer's calls, and bytes of items are left: {:?}", left());
}

/// A world that is over.
pub(super) struct Remains {
    pub(super) book: Book,
    pub(super) wires: [Arc<Pipe>; 2],
}

/// Whole frames, no id twice, and terminal frames once.
fn are_right(taken: &[u8]) {
    let mut position = 0;
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for frame in parse_all(taken, &mut position) {
        match frame.kind {
            Kind::Request if frame.has_header => requests.push(frame.id),
            Kind::Response if !frame.more => responses.push(frame.id),
            _ => {}
        }
    }
    for ids in [&mut requests, &mut responses] {
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "a frame was written twice");
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Value,
    Failure { code: Code, may_have_run: bool },
}

/// A call as the client holds it: dropped before its end, it is abandoned.
pub(super) struct Call {
    connection: Connection,
    id: Option<CallId>,
    tag: u32,
}

pub(super) fn call(
    connection: &Connection,
    method: &'static str,
    tag: u32,
    size: usize,
    deadline: Option<Instant>,
) -> Result<Call, Status> {
    let body = format!("[{tag},\"{}\"]", "x".repeat(size)).into_bytes();
    let request = OutgoingRequest::unary("Steps", method, body);
    let id = connection.send(request, deadline, Instant::now(), None)?;
    Ok(Call { connection: connection.clone(), id: Some(id), tag })
}

impl Call {
    /// Asks once; the caller's thread does not wait.
    pub(super) fn look(&mut self, waker: &Waker) -> Option<Outcome> {
        match Pin::new(self).poll(&mut Context::from_waker(waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    pub(super) fn wait(self) -> Outcome {
        shuttle::future::block_on(self)
    }
}

impl Future for Call {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let id = self.id.expect("a call is not asked again");
        let Poll::Ready(answer) = self.connection.poll(id, cx) else { return Poll::Pending };
        self.id = None;
        Poll::Ready(outcome(self.tag, &answer))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.connection.abandon(id);
        }
    }
}

fn outcome(tag: u32, answer: &Answer) -> Outcome {
    match &answer.ending {
        Ending::Ok => {
            assert_eq!(answer.body, tag.to_string().into_bytes(), "the answer to another call");
            Outcome::Value
        }
        Ending::Status(status) => failure(status),
        Ending::Opened(_) => panic!("a stream for a call that has none"),
        Ending::ServiceError => panic!("no service has errors of its own"),
    }
}

pub(super) fn failure(status: &Status) -> Outcome {
    Outcome::Failure { code: status.code(), may_have_run: status.may_have_run() }
}

/// Whether a byte of the request with this tag was taken.
pub(super) fn has_left(taken: &[u8], tag: u32) -> bool {
    let begin = format!("[{tag},\"");
    let mut position = 0;
    let whole = parse_all(taken, &mut position);
    // A frame begins with its length, so whatever stands behind the last whole one is of the next.
    whole.iter().any(|frame| frame.kind == Kind::Request && frame.body.starts_with(begin.as_bytes()))
        || taken[position..].windows(begin.len()).any(|window| window == begin.as_bytes())
}

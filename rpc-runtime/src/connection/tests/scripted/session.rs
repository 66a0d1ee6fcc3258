//! The session that is played: handshake, calls at once, metadata, an error, a deadline, a cancel, a call that outlasts
//! the keepalive, messages in parts, the good-byes.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, poll_fn},
    sync::{Arc, Mutex},
    time::Duration,
};

use rpc_macros::rpc_service;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::link::{Fault, Lane, Place, Traffic, link};
use crate::{
    call::{Ending, OutgoingRequest},
    codec::CodecKind,
    connection::{Connection, ConnectionState, Endpoint, tests::parse_all},
    limits::{Limits, MEMORY},
    metadata::Metadata,
    router::Router,
    status::{Code, Status},
    wire,
};

/// Small: every byte can be tried. Large: with a request and a reply that need two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Large,
}

/// Longer than any wait of a session: keepalive, deadlines and stalls together.
pub(super) const BOUND: Duration = Duration::from_secs(150);
const LARGE: usize = 66_000;
const DEADLINE: Duration = Duration::from_millis(50);
/// Longer than the keepalive's interval.
const NAP: Duration = Duration::from_secs(45);

#[rpc_service(crate = "crate")]
trait Scene {
    #[rpc(inline)]
    async fn quick(&self, tag: u32, text: String) -> u32;
    #[rpc(task)]
    async fn in_task(&self, tag: u32, text: String) -> u32;
    #[rpc(inline)]
    async fn refuse(&self, tag: u32, text: String) -> Result<u32, String>;
    #[rpc(inline)]
    async fn hang(&self, tag: u32, text: String) -> u32;
    #[rpc(task)]
    async fn hang_in_task(&self, tag: u32, text: String) -> u32;
    #[rpc(task)]
    async fn nap(&self, tag: u32, text: String) -> u32;
    #[rpc(task)]
    async fn large(&self, tag: u32, text: String) -> String;
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Handler {
    pub(super) started: usize,
    pub(super) ended: usize,
}

#[derive(Clone, Default)]
struct Stage(Arc<Mutex<BTreeMap<u32, Handler>>>);

struct Entry(Stage, u32);

impl Stage {
    fn enter(&self, tag: u32) -> Entry {
        self.0.lock().unwrap().entry(tag).or_default().started += 1;
        Entry(self.clone(), tag)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().entry(self.1).or_default().ended += 1;
    }
}

impl Scene for Stage {
    async fn quick(&self, tag: u32, _text: String) -> u32 {
        let _entry = self.enter(tag);
        tag
    }

    async fn in_task(&self, tag: u32, _text: String) -> u32 {
        let _entry = self.enter(tag);
        tag
    }

    async fn refuse(&self, tag: u32, text: String) -> Result<u32, String> {
        let _entry = self.enter(tag);
        Err(text)
    }

    async fn hang(&self, tag: u32, _text: String) -> u32 {
        let _entry = self.enter(tag);
        std::future::pending().await
    }

    async fn hang_in_task(&self, tag: u32, _text: String) -> u32 {
        let _entry = self.enter(tag);
        std::future::pending().await
    }

    async fn nap(&self, tag: u32, _text: String) -> u32 {
        let _entry = self.enter(tag);
        sleep(NAP).await;
        tag
    }

    async fn large(&self, tag: u32, _text: String) -> String {
        let _entry = self.enter(tag);
        "y".repeat(LARGE)
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Value(Vec<u8>),
    Error(Vec<u8>),
    Failure { code: Code, may_have_run: bool, text: String },
}

/// What came of a session.
pub(super) struct Report {
    pub(super) up: Traffic,
    pub(super) down: Traffic,
    pub(super) ends: BTreeMap<u32, End>,
    pub(super) handlers: BTreeMap<u32, Handler>,
    /// Why the server's end ended, if it did by itself.
    pub(super) closed: Option<String>,
    pub(super) written_after_failure: usize,
}

/// Plays a session up to the end of everything in it.
pub(super) async fn play(kind: Kind, shared: bool, fault: Option<Fault>) -> Report {
    let stage = Stage::default();
    let mut router = Router::default();
    router.register(&SceneServer::new(stage.clone())).unwrap();
    let played = between(shared, fault, &Limits::default(), router, |connection| calls(connection, kind)).await;
    let Played { up, down, done: ends, closed, written_after_failure } = played;
    let handlers = stage.0.lock().unwrap().clone();
    Report { up, down, ends, handlers, closed, written_after_failure }
}

/// What was between two ends, and what the calling one made of it.
pub(super) struct Played<T> {
    pub(super) up: Traffic,
    pub(super) down: Traffic,
    pub(super) done: T,
    pub(super) closed: Option<String>,
    pub(super) written_after_failure: usize,
}

/// Puts two ends at work up to the end of all that they have begun; one of them calls, if they come together.
pub(super) async fn between<T: Default, C: Future<Output = T>>(
    shared: bool,
    fault: Option<Fault>,
    limits: &Limits,
    router: Router,
    calls: impl FnOnce(Connection) -> C,
) -> Played<T> {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let ([near, far], [up, down]) = link(shared, fault);
    let serving = async {
        let endpoint = Endpoint::new(limits.clone(), MEMORY, router);
        let endpoint = Arc::new(endpoint.listening("", CodecKind::available().to_vec()));
        let (connection, running) = match Connection::accept(far, &endpoint).await {
            Ok(accepted) => accepted,
            Err(turned_away) => return turned_away.status,
        };
        let ended = running.await;
        assert_eq!(connection.outstanding(), 0);
        ended.reason
    };
    let calling = async {
        let watch = watch::Sender::new(ConnectionState::Idle);
        let endpoint = Arc::new(Endpoint::new(limits.clone(), MEMORY, Router::default()));
        match Connection::dial(near, &endpoint, CodecKind::Json, &Metadata::new(), watch).await {
            Ok(connection) => calls(connection).await,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                T::default()
            }
        }
    };
    let (told, calling_done) = oneshot::channel::<()>();
    let calling = async {
        let done = calling.await;
        drop(told);
        done
    };
    // A server that reads nothing and has no calls does not miss anything: its owner ends it.
    let serving = async {
        let left = async {
            let _done = calling_done.await;
            sleep(BOUND).await;
        };
        tokio::select! {
            biased;
            closed = serving => Some(closed.to_string()),
            () = left => None,
        }
    };
    let both = timeout(3 * BOUND, async { tokio::join!(serving, calling) }).await;
    let (closed, done) = both.unwrap_or_else(|_| panic!("{fault:?}: somebody hangs"));
    let settled = timeout(BOUND, async {
        while tasks() > before {
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(settled.await.is_ok(), "{fault:?}: a task is left");
    let written_after_failure = up.written_after_failure() + down.written_after_failure();
    let traffic = |lane: &Lane| lane.traffic();
    Played { up: traffic(&up), down: traffic(&down), done, closed, written_after_failure }
}

/// Makes all calls, and closes when each has ended.
async fn calls(connection: Connection, kind: Kind) -> BTreeMap<u32, End> {
    let mut ends = BTreeMap::new();
    let call = |method, tag, size, timeout| start(&connection, method, tag, size, timeout);
    let cancelled = call("hang_in_task", 0, 1, None);
    let mut first = vec![call("quick", 1, 1, None), call("in_task", 2, 5, None), call("refuse", 3, 1, None)];
    first.push(call("hang", 4, 1, Some(DEADLINE)));
    if kind == Kind::Large {
        first.extend([call("quick", 5, LARGE, None), call("large", 6, 1, None)]);
    }
    for running in first {
        ends.insert(running.tag, running.await);
    }
    drop(cancelled);
    let last = [call("nap", 7, 1, None), call("quick", 8, 1, Some(Duration::from_secs(1)))];
    for running in last {
        ends.insert(running.tag, running.await);
    }
    connection.close();
    assert!(connection.send(request("quick", 9, 1), None, Instant::now(), None).is_err());
    let settled = timeout(BOUND, async {
        while connection.outstanding() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(settled.await.is_ok(), "{} calls are left", connection.outstanding());
    ends
}

fn request(method: &'static str, tag: u32, size: usize) -> OutgoingRequest {
    let mut metadata = Metadata::new();
    if tag == 2 {
        metadata.insert("tenant", "seven");
    }
    let body = format!("[{tag},\"{}\"]", "x".repeat(size)).into_bytes();
    OutgoingRequest { metadata, ..OutgoingRequest::unary("Scene", method, body) }
}

/// A call on its way, or refused.
struct Running {
    tag: u32,
    connection: Connection,
    id: Option<Result<crate::connection::CallId, Status>>,
}

fn start(connection: &Connection, method: &'static str, tag: u32, size: usize, timeout: Option<Duration>) -> Running {
    let now = Instant::now();
    let id = connection.send(request(method, tag, size), timeout.map(|timeout| now + timeout), now, None);
    Running { tag, connection: connection.clone(), id: Some(id) }
}

impl IntoFuture for Running {
    type Output = End;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = End>>>;

    fn into_future(mut self) -> Self::IntoFuture {
        let failed = |status: &Status| End::Failure {
            code: status.code(),
            may_have_run: status.may_have_run(),
            text: status.to_string(),
        };
        Box::pin(async move {
            let id = match self.id.take() {
                Some(Ok(id)) => id,
                Some(Err(status)) => return failed(&status),
                None => unreachable!("a call is awaited once"),
            };
            let answer = poll_fn(|cx| self.connection.poll(id, cx));
            let answer = timeout(BOUND, answer).await.expect("each call ends");
            match answer.ending {
                Ending::Ok => End::Value(answer.body),
                Ending::Opened(_) => unreachable!("no method here streams"),
                Ending::ServiceError => End::Error(answer.body),
                Ending::Status(status) => failed(&status),
            }
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(Ok(id)) = self.id.take() {
            self.connection.abandon(id);
        }
    }
}

/// What whole frames there are.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Requests of which all parts are there, by their tags.
    pub(super) requests: BTreeMap<u32, u64>,
    /// Ids that have their last frame.
    pub(super) responses: BTreeSet<u64>,
    pub(super) kinds: Vec<String>,
}

/// The whole frames behind the handshake; what is half is passed over.
pub(super) fn frames(bytes: &[u8], what: &str) -> Frames {
    let mut frames = Frames::default();
    let Some(mut position) = handshake_len(bytes) else { return frames };
    let mut tags = BTreeMap::new();
    for frame in parse_all(bytes, &mut position) {
        frames.kinds.push(frame.kind.to_string());
        match frame.kind {
            wire::Kind::Request => {
                if frame.has_header {
                    let text = String::from_utf8(frame.body).expect("a request is text");
                    let tag = text[1..].split(',').next().and_then(|tag| tag.parse().ok());
                    assert!(tags.insert(frame.id, tag.expect("a tag")).is_none(), "{what}: a request twice");
                }
                if !frame.more {
                    frames.requests.insert(tags[&frame.id], frame.id);
                }
            }
            wire::Kind::Response if !frame.more => {
                assert!(frames.responses.insert(frame.id), "{what}: a terminal frame twice");
            }
            _ => {}
        }
    }
    frames
}

/// Where frames begin.
pub(super) fn starts(bytes: &[u8]) -> Vec<usize> {
    let mut position = handshake_len(bytes).expect("a whole handshake");
    let mut starts: Vec<usize> = parse_all(bytes, &mut position).iter().map(|frame| frame.at).collect();
    starts.push(position);
    starts
}

fn handshake_len(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.get(..10)?;
    let length = 10 + usize::from(u16::from_le_bytes([prefix[8], prefix[9]]));
    (bytes.len() >= length).then_some(length)
}

impl Report {
    /// The direction that a fault at this place is about.
    pub(super) fn bytes(&self, place: Place) -> &[u8] {
        match place {
            Place::ClientWrites | Place::ServerReads => &self.up.taken,
            Place::ClientReads | Place::ServerWrites => &self.down.taken,
        }
    }

    /// The call of which a part had left when `taken` was all, if that went as it did here.
    pub(super) fn half_frame(&self, taken: &[u8]) -> Option<u32> {
        let whole = &self.up.taken;
        if !whole.starts_with(taken) {
            return None;
        }
        let begins = *starts(whole).iter().rfind(|start| **start < taken.len())?;
        let frame = parse_all(&whole[..], &mut begins.clone()).into_iter().next()?;
        let text = String::from_utf8(frame.body).ok()?;
        (frame.kind == wire::Kind::Request).then(|| text[1..].split(',').next()?.parse().ok()).flatten()
    }

    /// A session without a fault.
    pub(super) fn is_right(&self, kind: Kind) {
        let value = |text: &str| End::Value(text.as_bytes().to_vec());
        let mut ends = BTreeMap::from([(1, value("1")), (2, value("2")), (7, value("7")), (8, value("8"))]);
        ends.insert(3, End::Error(b"\"x\"".to_vec()));
        if kind == Kind::Large {
            ends.extend([(5, value("5")), (6, value(&format!("\"{}\"", "y".repeat(LARGE))))]);
        }
        let late = self.ends.get(&4).expect("it has ended");
        assert!(matches!(late, End::Failure { code: Code::DeadlineExceeded, may_have_run: true, .. }), "{late:?}");
        let others: BTreeMap<_, _> = self.ends.clone().into_iter().filter(|(tag, _)| *tag != 4).collect();
        assert_eq!(others, ends);
    }
}

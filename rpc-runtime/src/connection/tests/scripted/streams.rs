//! The same for a session of streams: items one way, the other and both, credit for each of them, ends of all kinds,
//! and consumers at either end that go away. What comes is a beginning of what was sent, and what is said of its end
//! is true.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_core::Stream;
use rpc_macros::rpc_service;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    PLACES, all, borders,
    link::{Act, Fault, Place},
    runtime,
    session::{self, BOUND, Handler, Played, between},
};
use crate::{
    call::{Ending, OutgoingRequest, Reception, ServiceName},
    codec::{CodecKind, Probe},
    connection::Connection,
    limits::Limits,
    router::Router,
    status::{CallError, Code, Status},
    stream::{Place as Named, Produced, Streaming},
};

type Item = (u32, String);

#[rpc_service(crate = "crate")]
trait Tides {
    fn numbers(&self, tag: u32, plan: Plan) -> impl Stream<Item = Result<Item, String>>;
    async fn total(&self, tag: u32, most: u32, values: Streaming<Item>) -> Result<u32, String>;
    fn echo(&self, tag: u32, most: u32, values: Streaming<Item>) -> impl Stream<Item = Result<Item, Status>>;
}

/// How many items, of which length, and how they end.
type Plan = (u32, usize, u8);

/// Longer ones need parts here, and are fewer.
const SMALL: usize = 100;

const ENDS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

/// Producers and handlers, by their tags; those of the caller are 100 higher.
#[derive(Clone, Default)]
struct Shore(Arc<Mutex<BTreeMap<u32, Handler>>>);

struct Entry(Shore, u32);

impl Shore {
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

struct Numbers {
    _entry: Entry,
    next: u32,
    plan: Plan,
}

impl Stream for Numbers {
    type Item = Result<Item, String>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (count, size, end) = self.plan;
        if self.next < count {
            self.next += 1;
            return Poll::Ready(Some(Ok(item(self.next - 1, size))));
        }
        match end {
            ENDS => Poll::Ready(None),
            FAILS => Poll::Ready(Some(Err("torn".to_owned()))),
            _ => Poll::Pending,
        }
    }
}

/// Every second one is short.
fn item(number: u32, size: usize) -> Item {
    (number, "x".repeat(if number % 2 == 0 { size } else { 1 }))
}

struct Sent(Numbers);

impl Stream for Sent {
    type Item = Result<Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map(|item| item.map(|item| item.map_err(|text| Status::new(Code::Aborted, text))))
    }
}

struct Echo {
    _entry: Entry,
    values: Streaming<Item>,
}

impl Stream for Echo {
    type Item = Result<Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.values).poll_next(cx)
    }
}

impl Tides for Shore {
    fn numbers(&self, tag: u32, plan: Plan) -> impl Stream<Item = Result<Item, String>> {
        Numbers { _entry: self.enter(tag), next: 0, plan }
    }

    async fn total(&self, tag: u32, most: u32, mut values: Streaming<Item>) -> Result<u32, String> {
        let _entry = self.enter(tag);
        let mut count = 0;
        while count < most {
            match values.next().await {
                Some(Ok(item)) => assert_eq!(item.0, count, "an item in the place of another"),
                Some(Err(_)) => return Err(count.to_string()),
                None => break,
            }
            count += 1;
        }
        Ok(count)
    }

    fn echo(&self, tag: u32, _most: u32, values: Streaming<Item>) -> impl Stream<Item = Result<Item, Status>> {
        Echo { _entry: self.enter(tag), values }
    }
}

/// What a caller got, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Value(String),
    /// Its consumer went away.
    Left(u32),
    Whole(u32),
    Torn(u32),
    Failure(u32, Code),
}

type Ends = BTreeMap<u32, End>;

/// A call of the session.
#[derive(Debug, Clone, Copy)]
struct Flow {
    tag: u32,
    method: &'static str,
    plan: Plan,
    most: u32,
    /// The caller goes away behind so many.
    patience: u32,
}

fn flows(size: usize) -> Vec<Flow> {
    let flow = |tag, method, plan, most, patience| Flow { tag, method, plan, most, patience };
    let all = [
        flow(0, "numbers", (3, size, ENDS), 9, 9),
        flow(1, "total", (3, size, ENDS), 9, 9),
        flow(2, "numbers", (3, size, HANGS), 9, 2),
        flow(3, "total", (3, size, HANGS), 1, 9),
        flow(4, "numbers", (1, size, FAILS), 9, 9),
        flow(5, "echo", (2, size, ENDS), 9, 9),
        flow(6, "echo", (1, size, FAILS), 9, 9),
    ];
    let most = if size > SMALL { 2 } else { all.len() };
    all[..most].to_vec()
}

/// How each ends when nothing comes between.
fn undisturbed(size: usize) -> BTreeMap<u32, End> {
    let all = BTreeMap::from([
        (0, End::Whole(3)),
        (1, End::Value("3".to_owned())),
        (2, End::Left(2)),
        (3, End::Value("1".to_owned())),
        (4, End::Torn(1)),
        (5, End::Whole(2)),
        (6, End::Failure(1, Code::Aborted)),
    ]);
    flows(size).iter().map(|flow| (flow.tag, all[&flow.tag].clone())).collect()
}

impl Flow {
    async fn run(self, connection: Connection, shore: Shore) -> (u32, End) {
        let run = timeout(BOUND, self.take(connection, shore));
        (self.tag, run.await.unwrap_or_else(|_| panic!("{self:?} hangs")))
    }

    async fn take(self, connection: Connection, shore: Shore) -> End {
        let (count, size, end) = self.plan;
        let sends = self.method != "numbers";
        let body = match sends {
            true => format!("[{},{}]", self.tag, self.most),
            false => format!("[{},[{count},{size},{end}]]", self.tag),
        };
        let mut request = OutgoingRequest::unary("Tides", self.method, body.into_bytes());
        if sends {
            let numbers = Numbers { _entry: shore.enter(100 + self.tag), next: 0, plan: self.plan };
            request.items =
                Some(Produced::items(CodecKind::Json, 1 << 20, Sent(numbers), Probe::<Item>::NEW.encoder()));
        }
        let value = self.method == "total";
        (request.sends, request.reception) = (sends, if value { Reception::Value } else { Reception::AtOnce });
        let id = match connection.send(request, None, Instant::now(), None) {
            Ok(id) => id,
            Err(status) => return End::Failure(0, status.code()),
        };
        let answer = poll_fn(|cx| connection.poll(id, cx)).await;
        match answer.ending {
            Ending::Opened(items) => {
                let place = Named { service: ServiceName::Static("Tides"), method: "m", address: String::new() };
                let (decode, failure) = (Probe::<Item>::NEW.decoder(), Probe::<CallError<String>>::NEW.failure());
                self.consume(Streaming::encoded(items, CodecKind::Json, place, decode, failure)).await
            }
            Ending::Ok => End::Value(String::from_utf8(answer.body).unwrap()),
            Ending::ServiceError => End::Torn(0),
            Ending::Status(status) => End::Failure(0, status.code()),
        }
    }

    async fn consume(self, mut stream: Streaming<Item, CallError<String>>) -> End {
        for number in 0..self.patience {
            match stream.next().await {
                Some(Ok(next)) => assert_eq!(next, item(number, self.plan.1), "{self:?}"),
                Some(Err(CallError::Service(_))) => return End::Torn(number),
                Some(Err(CallError::Status(status))) => return End::Failure(number, status.code()),
                None => return End::Whole(number),
            }
        }
        End::Left(self.patience)
    }
}

/// All streams at once, then the good-byes.
async fn play(size: usize, shared: bool, fault: Option<Fault>) -> (Played<Ends>, Shore) {
    let shore = Shore::default();
    let mut router = Router::default();
    router.register(&TidesServer::new(shore.clone())).unwrap();
    // Each item uses its window up.
    let limits = Limits::default().stream_window(40, 40);
    let calls = async |connection: Connection| {
        let mut running = JoinSet::new();
        for flow in flows(size) {
            running.spawn(flow.run(connection.clone(), shore.clone()));
        }
        let ends = running.join_all().await.into_iter().collect();
        connection.close();
        ends
    };
    (between(shared, fault, &limits, router, calls).await, shore)
}

/// Every third of those that tell something of parts.
fn some(bytes: &[u8]) -> Vec<usize> {
    borders(bytes).into_iter().step_by(3).collect()
}

/// Plays the session with `act` at each of `positions`, and judges what came of it.
fn each_byte(size: usize, act: Act, positions: impl Fn(&[u8]) -> Vec<usize>) {
    let runtime = runtime();
    for shared in [true, false] {
        let (recorded, _) = runtime.block_on(play(size, shared, None));
        assert_eq!(recorded.done, undisturbed(size));
        for place in PLACES {
            let bytes = match place {
                Place::ClientWrites | Place::ServerReads => &recorded.up.taken,
                Place::ClientReads | Place::ServerWrites => &recorded.down.taken,
            };
            for at in positions(bytes) {
                let (played, shore) = runtime.block_on(play(size, shared, Some(Fault { place, at, act })));
                judge(
                    &played,
                    &shore,
                    &undisturbed(size),
                    act,
                    &format!("{act:?} at {at} where {place:?}, shared: {shared}"),
                );
            }
        }
    }
}

fn judge(played: &Played<Ends>, shore: &Shore, whole: &Ends, act: Act, what: &str) {
    assert_eq!(played.written_after_failure, 0, "{what}: written behind half a frame");
    for (tag, handler) in &*shore.0.lock().unwrap() {
        assert_eq!((handler.started, handler.ended), (1, 1), "{what}: the producer or handler of {tag}");
    }
    if matches!(act, Act::Split | Act::NotReady) {
        assert_eq!(played.done, *whole, "{what}");
    }
    for (tag, end) in &played.done {
        let most = match whole[tag] {
            End::Value(_) => 0,
            End::Left(items) | End::Whole(items) | End::Torn(items) | End::Failure(items, _) => items,
        };
        match end {
            End::Failure(items, Code::Unavailable) => assert!(*items <= most, "{what}: {tag} has {end:?}"),
            end => assert_eq!(*end, whole[tag], "{what}: {tag}"),
        }
    }
}

/// A12, F6.
#[test]
fn a_transport_that_fails_at_any_byte_ends_each_stream_truly() {
    each_byte(1, Act::Fail, all);
}

/// A13, F6.
#[test]
fn a_transport_that_blocks_at_any_byte_holds_up_no_stream_for_ever() {
    each_byte(1, Act::Block, all);
}

/// G4.
#[test]
fn a_transfer_that_ends_at_any_byte_changes_no_stream() {
    each_byte(1, Act::Split, all);
}

/// G4.
#[test]
fn a_transport_that_is_once_not_ready_at_any_byte_changes_no_stream() {
    each_byte(1, Act::NotReady, all);
}

/// F6, F11: items in parts.
#[test]
fn a_transport_that_fails_or_blocks_around_a_part_of_an_item_ends_each_stream_truly() {
    each_byte(66_000, Act::Fail, some);
    each_byte(66_000, Act::Block, some);
}

/// G4, F11: items in parts.
#[test]
fn a_part_of_an_item_that_comes_in_pieces_is_the_same_part() {
    each_byte(66_000, Act::Split, some);
    each_byte(66_000, Act::NotReady, some);
}

/// What was recorded is what the tests above speak of.
#[test]
fn the_session_of_streams_has_everything_in_it() {
    let (played, _) = runtime().block_on(play(1, true, None));
    for bytes in [&played.up.taken, &played.down.taken] {
        let frames = session::frames(bytes, "recorded");
        for kind in ["message", "end", "credit", "cancel", "goaway"] {
            assert!(frames.kinds.iter().any(|seen| seen == kind), "no {kind}: {:?}", frames.kinds);
        }
    }
    let sizes = [played.up.taken.len(), played.down.taken.len()];
    assert!(sizes.iter().all(|size| (400..4_000).contains(size)), "{sizes:?}");
}

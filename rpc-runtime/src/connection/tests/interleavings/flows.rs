//! Calls with streams for these tests: a service whose producers and consumers know when they were dropped, and callers
//! that hold what comes against what was to come.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use rpc_macros::rpc_service;

use super::{
    one_in, up_to,
    world::{Book, Entry},
};
use crate::{
    call::{Ending, OutgoingRequest, Reception, ServiceName},
    codec::{CodecKind, Probe},
    connection::{CallId, Connection},
    status::{CallError, Code, Status},
    stream::{Place, Produced, Streaming},
};

/// Its number in the stream, and some length.
type Item = (u32, String);

/// What the streams of these tests are for.
#[rpc_service(crate = "crate")]
pub(super) trait Flows {
    fn numbers(&self, tag: u32, plan: Plan) -> impl Stream<Item = Result<Item, String>>;
    async fn opened(&self, tag: u32, plan: Plan) -> Result<impl Stream<Item = Result<Item, String>>, String>;
    /// How many there were, of which it takes so many at most.
    async fn total(&self, tag: u32, most: u32, values: Streaming<Item>) -> Result<u32, String>;
    fn echo(&self, tag: u32, most: u32, values: Streaming<Item>) -> impl Stream<Item = Result<Item, Status>>;
}

/// How many items, of which length, and how they end.
pub(super) type Plan = (u32, usize, u8);

/// They are complete, they fail, or nothing comes behind them.
const ENDS: u8 = 0;
const FAILS: u8 = 1;
const HANGS: u8 = 2;

/// The producer of a plan, sometimes slow.
pub(super) struct Numbers {
    _entry: Entry,
    next: u32,
    plan: Plan,
}

impl Stream for Numbers {
    type Item = Result<Item, String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (count, size, end) = self.plan;
        if one_in(4) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
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

/// The items that a caller sends.
struct Sent(Numbers);

impl Stream for Sent {
    type Item = Result<Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0)
            .poll_next(cx)
            .map(|item| item.map(|item| item.map_err(|text| Status::new(Code::Aborted, text))))
    }
}

struct Echo {
    _entry: Entry,
    values: Streaming<Item>,
    left: u32,
}

impl Stream for Echo {
    type Item = Result<Item, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let item = Pin::new(&mut self.values).poll_next(cx);
        self.left -= u32::from(matches!(item, Poll::Ready(Some(Ok(_)))));
        item
    }
}

impl Flows for Book {
    fn numbers(&self, tag: u32, plan: Plan) -> impl Stream<Item = Result<Item, String>> {
        Numbers { _entry: self.enter(tag), next: 0, plan }
    }

    async fn opened(&self, tag: u32, plan: Plan) -> Result<impl Stream<Item = Result<Item, String>>, String> {
        let entry = self.enter(tag);
        shuttle::future::yield_now().await;
        Ok(Numbers { _entry: entry, next: 0, plan })
    }

    async fn total(&self, tag: u32, most: u32, mut values: Streaming<Item>) -> Result<u32, String> {
        let _entry = self.enter(tag);
        let mut count = 0;
        if most == 0 {
            // Somebody else takes them, who outlives the call.
            let entry = self.enter(200 + tag);
            shuttle::future::spawn(async move {
                let _entry = entry;
                while values.next().await.is_some_and(|item| item.is_ok()) {}
            });
            return Ok(0);
        }
        while count < most {
            match values.next().await {
                Some(Ok(item)) => {
                    assert_eq!(item.0, count, "an item in the place of another");
                    count += 1;
                }
                Some(Err(_)) => return Err(count.to_string()),
                None => break,
            }
        }
        Ok(count)
    }

    fn echo(&self, tag: u32, most: u32, values: Streaming<Item>) -> impl Stream<Item = Result<Item, Status>> {
        Echo { _entry: self.enter(tag), values, left: most }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Numbers,
    Opened,
    Total,
    Echo,
}

/// A call with streams: what its producer does, and how much its consumers take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    kind: Kind,
    tag: u32,
    plan: Plan,
    /// The handler takes no more than these.
    most: u32,
    /// The caller goes away behind so many; 0: before it has its stream.
    patience: Option<u32>,
}

/// How much the caller got, and what came then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) items: u32,
    pub(super) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It went away.
    Gone,
    Whole,
    /// What the service says of its failure.
    Torn,
    Failure(Code),
}

impl Flow {
    /// Any that ends if nothing comes between. Items are up to so long.
    pub(super) fn any(tag: u32, longest: usize) -> Self {
        let kind = [Kind::Numbers, Kind::Opened, Kind::Total, Kind::Echo][up_to(3)];
        let (count, end) = (up_to(4) as u32, [ENDS, ENDS, FAILS, HANGS][up_to(3)]);
        let mut flow = Self { kind, tag, plan: (count, up_to(1) * longest, end), most: 9, patience: None };
        if one_in(3) {
            flow.most = up_to(4) as u32;
        }
        if one_in(3) {
            flow.patience = Some(up_to(4) as u32);
        }
        let (comes, end) = flow.ends();
        if end == End::Gone {
            flow.patience = Some(flow.patience.map_or(comes, |patience| patience.min(comes)));
        }
        flow
    }

    /// One that is whole, and read to its end.
    pub(super) fn whole(tag: u32, longest: usize) -> Self {
        Self { plan: (4, longest, ENDS), most: 9, patience: None, ..Self::any(tag, longest) }
    }

    /// One of which nothing comes behind its items.
    pub(super) fn endless(tag: u32, longest: usize) -> Self {
        Self { plan: (3, longest, HANGS), most: 9, patience: None, ..Self::any(tag, longest) }
    }

    pub(super) fn with_patience(self, patience: u32) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// How many items come, or are counted by the handler, and what then. `Gone`: nothing.
    fn ends(&self) -> (u32, End) {
        let (count, _, end) = self.plan;
        let handler_stops = matches!(self.kind, Kind::Total | Kind::Echo) && self.most <= count;
        let items = if handler_stops { self.most } else { count };
        let shown = if self.kind == Kind::Total { 0 } else { items };
        match end {
            _ if handler_stops => (shown, End::Whole),
            ENDS => (shown, End::Whole),
            FAILS if self.kind == Kind::Echo => (shown, End::Failure(Code::Aborted)),
            FAILS => (shown, End::Torn),
            _ => (shown, End::Gone),
        }
    }

    /// Makes the call and takes what comes. Fails with what came too much or in disorder.
    pub(super) fn run(self, connection: &Connection, book: &Book) -> Got {
        match self.begin(connection, book) {
            Ok(begun) => begun.run(),
            Err(status) => Got { items: 0, end: End::Failure(status.code()) },
        }
    }

    /// Puts the call on its way.
    pub(super) fn begin(self, connection: &Connection, book: &Book) -> Result<Begun, Status> {
        let (count, size, end) = self.plan;
        let sends = matches!(self.kind, Kind::Total | Kind::Echo);
        let body = match sends {
            true => format!("[{},{}]", self.tag, self.most),
            false => format!("[{},[{count},{size},{end}]]", self.tag),
        };
        let (method, reception) = match self.kind {
            Kind::Numbers => ("numbers", Reception::AtOnce),
            Kind::Opened => ("opened", Reception::Opened),
            Kind::Total => ("total", Reception::Value),
            Kind::Echo => ("echo", Reception::AtOnce),
        };
        let mut request = OutgoingRequest::unary("Flows", method, body.into_bytes());
        if sends {
            // Its stream is on a page of its own.
            let numbers = Numbers { _entry: book.enter(100 + self.tag), next: 0, plan: self.plan };
            request.items =
                Some(Produced::items(CodecKind::Json, 1 << 20, Sent(numbers), Probe::<Item>::NEW.encoder()));
        }
        (request.sends, request.reception) = (sends, reception);
        let id = connection.send(request, None, tokio::time::Instant::now(), None)?;
        Ok(Begun { flow: self, connection: connection.clone(), id: Some(id) })
    }

    /// Nothing came between: it is as it was to be.
    pub(super) fn is_right(self, got: Got) {
        let (comes, end) = self.ends();
        match self.patience {
            Some(0) => assert_eq!(got, Got { items: 0, end: End::Gone }, "{self:?}"),
            Some(patience) if patience <= comes => {
                assert_eq!(got, Got { items: patience, end: End::Gone }, "{self:?}");
            }
            _ => assert_eq!(got, Got { items: comes, end }, "{self:?}"),
        }
    }

    /// Something came between: what came is a beginning, and what is said of its end is true.
    pub(super) fn is_true(self, got: Got, codes: &[Code]) {
        let whole = self.ends();
        assert!(got.items <= whole.0, "{self:?}: {got:?}");
        match got.end {
            End::Gone => {}
            End::Failure(code) if codes.contains(&code) => {}
            // The handler of another end was told that the caller's items ended early.
            End::Torn if self.kind == Kind::Total => {}
            End::Whole | End::Torn | End::Failure(_) => assert_eq!((got.items, got.end), whole, "{self:?}"),
        }
    }
}

/// A call on its way: dropped, it is abandoned.
pub(super) struct Begun {
    flow: Flow,
    connection: Connection,
    id: Option<CallId>,
}

impl Begun {
    pub(super) fn run(mut self) -> Got {
        if self.flow.patience == Some(0) {
            if one_in(2) {
                // A look is no more than that.
                let _looked = Pin::new(&mut self).poll(&mut Context::from_waker(Waker::noop()));
            }
            return Got { items: 0, end: End::Gone };
        }
        let flow = self.flow;
        match shuttle::future::block_on(self) {
            Ok(Some(stream)) => take(flow, stream),
            Ok(None) => Got { items: 0, end: End::Whole },
            Err(CallError::Service(_)) => Got { items: 0, end: End::Torn },
            Err(CallError::Status(status)) => Got { items: 0, end: End::Failure(status.code()) },
        }
    }
}

impl Future for Begun {
    type Output = Result<Option<Streaming<Item, CallError<String>>>, CallError<String>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(id) = self.id else { panic!("a call is not asked again") };
        let Poll::Ready(answer) = self.connection.poll(id, cx) else { return Poll::Pending };
        self.id = None;
        let flow = self.flow;
        Poll::Ready(match answer.ending {
            Ending::Opened(items) => {
                let place = Place { service: ServiceName::Static("Flows"), method: "m", address: String::new() };
                let (decode, failure) = (Probe::<Item>::NEW.decoder(), Probe::<CallError<String>>::NEW.failure());
                Ok(Some(Streaming::encoded(items, CodecKind::Json, place, decode, failure)))
            }
            Ending::Ok => {
                let (count, _, _) = flow.plan;
                assert_eq!(answer.body, flow.most.min(count).to_string().into_bytes(), "{flow:?}");
                Ok(None)
            }
            Ending::ServiceError => Err(CallError::Service(String::new())),
            Ending::Status(status) => Err(CallError::Status(status)),
        })
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.connection.abandon(id);
        }
    }
}

fn take(flow: Flow, mut stream: Streaming<Item, CallError<String>>) -> Got {
    let mut items = 0;
    loop {
        if flow.patience.is_some_and(|patience| items >= patience) {
            return Got { items, end: End::Gone };
        }
        if one_in(4) {
            // With another waker, which is forgotten.
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(next) = Pin::new(&mut stream).poll_next(&mut cx) {
                match note(flow, items, next) {
                    Some(end) => return Got { items, end },
                    None => items += 1,
                }
                continue;
            }
        }
        let next = shuttle::future::block_on(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)));
        match note(flow, items, next) {
            Some(end) => return Got { items, end },
            None => items += 1,
        }
    }
}

/// How it ended, if it has.
fn note(flow: Flow, items: u32, next: Option<Result<Item, CallError<String>>>) -> Option<End> {
    match next {
        Some(Ok(next)) => {
            assert_eq!(next, item(items, flow.plan.1), "{flow:?}: an item in the place of another");
            None
        }
        Some(Err(CallError::Service(_))) => Some(End::Torn),
        Some(Err(CallError::Status(status))) => Some(End::Failure(status.code())),
        None => Some(End::Whole),
    }
}

//! The service whose streams are tested over real connections, and what a test sees of its handlers and of the streams
//! of their callers: how many are alive, and how many items were taken of them.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt, stream};
use rpc_runtime::{Status, Streaming, rpc_service};
use serde::{Deserialize, Serialize, Serializer, ser::Error};
use tokio::sync::watch;

/// Streams in all directions.
#[rpc_service]
pub(super) trait Tides {
    async fn add(&self, a: u64, b: u64) -> u64;
    async fn reply(&self, size: u64) -> Vec<u8>;
    /// The numbers below, as fast as they are taken.
    fn count(&self, below: u64) -> impl Stream<Item = u64>;
    fn nothings(&self, below: u64) -> impl Stream<Item = ()>;
    fn blocks(&self, count: u64, size: u64) -> impl Stream<Item = Vec<u8>>;
    /// The numbers below, and then nothing for ever.
    fn hang(&self, below: u64) -> impl Stream<Item = u64>;
    /// The numbers below, and then an error.
    fn torn(&self, below: u64) -> impl Stream<Item = Result<u64, Torn>>;
    /// The same with metadata and a stream that was waited for.
    async fn open(&self, below: u64) -> Result<impl Stream<Item = Result<u64, Torn>>, Torn>;
    /// Opens when the gate does.
    async fn late(&self, below: u64) -> Result<impl Stream<Item = u64>, Torn>;
    /// One that fails in the way it is asked to, after an item.
    fn fragile(&self, fault: Fault) -> impl Stream<Item = Fragile>;
    async fn total(&self, values: Streaming<u64>) -> Result<u64, Status>;
    /// Counts the bytes.
    async fn size(&self, blocks: Streaming<Vec<u8>>) -> Result<u64, Status>;
    /// How often something came, and why it ended.
    async fn fate(&self, values: Streaming<u64>) -> (u64, String);
    /// Answers behind the first.
    async fn first(&self, values: Streaming<u64>) -> u64;
    /// Drops the stream behind the first, and answers when the gate opens.
    async fn leave(&self, values: Streaming<u64>) -> u64;
    /// Looks at nothing until the gate opens; then counts the bytes.
    async fn stuck(&self, blocks: Streaming<Vec<u8>>) -> Result<u64, Status>;
    async fn fragiles(&self, values: Streaming<Fragile>) -> Result<u64, Status>;
    fn echo(&self, blocks: Streaming<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Status>>;
    /// Adds what another client's items are, at the server of this address.
    async fn elsewhere(&self, address: &str, values: Streaming<u64>) -> Result<u64, Status>;
    /// What the context says in each poll.
    fn scene(&self) -> impl Stream<Item = Seen>;
}

/// Why a stream of the service ends early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Torn(pub(super) String);

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What goes wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Fault {
    PollPanics,
    DropPanics,
    SerializePanics,
    SerializeFails,
}

/// An item that fails by itself.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Fragile(pub(super) Option<Fault>);

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(Fault::SerializePanics) => panic!("on purpose, in serialize"),
            Some(Fault::SerializeFails) => Err(S::Error::custom("on purpose")),
            fault => serializer.serialize_newtype_struct("Fragile", &fault),
        }
    }
}

/// A stream of one good item that then fails as it is asked to.
pub(super) struct Failing {
    fault: Fault,
    polls: u32,
}

impl Failing {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, polls: 0 }
    }
}

impl Stream for Failing {
    type Item = Fragile;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Fragile>> {
        self.polls += 1;
        match (self.polls, self.fault) {
            (1, _) => Poll::Ready(Some(Fragile(None))),
            // So that the first item leaves by itself.
            (2, _) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, Fault::PollPanics) => panic!("on purpose, in a poll"),
            (3, fault @ (Fault::SerializePanics | Fault::SerializeFails)) => Poll::Ready(Some(Fragile(Some(fault)))),
            _ => Poll::Ready(None),
        }
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        if self.fault == Fault::DropPanics {
            panic!("on purpose, in a drop");
        }
    }
}

/// What a context said: its method, and whether its call was over.
pub(super) type Seen = (Option<String>, bool);

/// The handlers, and what a test sees of them.
#[derive(Clone)]
pub(super) struct Here {
    gate: Arc<watch::Sender<bool>>,
    /// Streams and handlers that were begun and not dropped.
    live: Arc<watch::Sender<usize>>,
    taken: Arc<AtomicU64>,
    /// What the context said in the drop of a stream.
    dropped_in: Arc<watch::Sender<Option<Seen>>>,
}

pub(super) struct Live(Arc<watch::Sender<usize>>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.send_modify(|live| *live -= 1);
    }
}

impl Here {
    pub(super) fn new() -> Self {
        Self {
            gate: Arc::new(watch::Sender::new(false)),
            live: Arc::new(watch::Sender::new(0)),
            taken: Arc::default(),
            dropped_in: Arc::new(watch::Sender::new(None)),
        }
    }

    /// A stream of which it is known whether it is alive, and how many items were taken.
    pub(super) fn watched<S: Stream>(&self, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        let (live, taken) = (self.enter(), Arc::clone(&self.taken));
        stream.inspect(move |_| {
            let _live = &live;
            taken.fetch_add(1, Relaxed);
        })
    }

    pub(super) fn enter(&self) -> Live {
        self.live.send_modify(|live| *live += 1);
        Live(Arc::clone(&self.live))
    }

    pub(super) fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// How many items were ever taken of watched streams.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Relaxed)
    }

    pub(super) fn alive(&self) -> usize {
        *self.live.borrow()
    }

    /// Waits until exactly so many are alive.
    pub(super) async fn live(&self, count: usize) {
        let mut live = self.live.subscribe();
        let waiting = tokio::time::timeout(super::BOUND, live.wait_for(|live| *live == count)).await;
        assert!(waiting.is_ok(), "{} are alive, not {count}", self.alive());
    }

    /// What the context said in the drop of the stream of `scene`.
    pub(super) async fn dropped_in(&self) -> Seen {
        let mut dropped_in = self.dropped_in.subscribe();
        let seen = super::within("the drop", dropped_in.wait_for(Option::is_some)).await;
        let seen = seen.expect("the sender is here");
        seen.clone().expect("it is there")
    }

    async fn gate(&self) {
        self.gate.subscribe().wait_for(|open| *open).await.expect("the sender is here");
    }
}

fn scene() -> Seen {
    let context = rpc_runtime::Context::current();
    (context.method().map(|method| method.full_name.to_owned()), context.is_cancelled())
}

/// Says in its drop what the context is.
struct Witness(Arc<watch::Sender<Option<Seen>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.send_replace(Some(scene()));
    }
}

impl Tides for Here {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }
    async fn reply(&self, size: u64) -> Vec<u8> {
        vec![7; size as usize]
    }
    fn count(&self, below: u64) -> impl Stream<Item = u64> {
        self.watched(stream::iter(0..below))
    }
    fn nothings(&self, below: u64) -> impl Stream<Item = ()> {
        self.watched(stream::iter(0..below).map(|_| ()))
    }
    fn blocks(&self, count: u64, size: u64) -> impl Stream<Item = Vec<u8>> {
        self.watched(stream::iter(0..count).map(move |n| vec![n as u8; size as usize]))
    }
    fn hang(&self, below: u64) -> impl Stream<Item = u64> {
        self.watched(stream::iter(0..below).chain(stream::pending()))
    }
    fn torn(&self, below: u64) -> impl Stream<Item = Result<u64, Torn>> {
        self.watched(stream::iter((0..below).map(Ok).chain([Err(Torn("half way".to_owned())), Ok(99)])))
    }
    async fn open(&self, below: u64) -> Result<impl Stream<Item = Result<u64, Torn>>, Torn> {
        let context = rpc_runtime::Context::current();
        context.set_response_metadata("opened", "yes");
        if below == 0 {
            return Err(Torn("closed".to_owned()));
        }
        let end = stream::iter([()]).filter_map(move |()| {
            context.set_response_metadata("ended", "too");
            std::future::ready(None)
        });
        Ok(self.watched(stream::iter((0..below).map(Ok)).chain(end)))
    }
    async fn late(&self, below: u64) -> Result<impl Stream<Item = u64>, Torn> {
        let _live = self.enter();
        self.gate().await;
        Ok(stream::iter(0..below))
    }
    fn fragile(&self, fault: Fault) -> impl Stream<Item = Fragile> {
        self.watched(Failing::new(fault))
    }
    async fn total(&self, mut values: Streaming<u64>) -> Result<u64, Status> {
        let mut total = 0;
        while let Some(value) = values.next().await {
            total += value?;
        }
        Ok(total)
    }
    async fn size(&self, mut blocks: Streaming<Vec<u8>>) -> Result<u64, Status> {
        let mut size = 0;
        while let Some(block) = blocks.next().await {
            size += block?.len() as u64;
        }
        Ok(size)
    }
    async fn fate(&self, mut values: Streaming<u64>) -> (u64, String) {
        let mut count = 0;
        loop {
            match values.next().await {
                Some(Ok(_)) => count += 1,
                Some(Err(status)) => return (count, status.to_string()),
                None => return (count, "complete".to_owned()),
            }
        }
    }
    async fn first(&self, mut values: Streaming<u64>) -> u64 {
        values.next().await.expect("one comes").expect("it is whole")
    }
    async fn leave(&self, mut values: Streaming<u64>) -> u64 {
        let first = values.next().await.expect("one comes").expect("it is whole");
        drop(values);
        self.gate().await;
        first
    }
    async fn stuck(&self, blocks: Streaming<Vec<u8>>) -> Result<u64, Status> {
        let _live = self.enter();
        self.gate().await;
        self.size(blocks).await
    }
    async fn fragiles(&self, mut values: Streaming<Fragile>) -> Result<u64, Status> {
        let _live = self.enter();
        let mut count = 0;
        while let Some(value) = values.next().await {
            value?;
            count += 1;
        }
        Ok(count)
    }
    fn echo(&self, blocks: Streaming<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Status>> {
        self.watched(blocks)
    }
    async fn elsewhere(&self, address: &str, values: Streaming<u64>) -> Result<u64, Status> {
        TidesClient::new(rpc_runtime::Channel::connect(address).await?).total(values).await
    }
    fn scene(&self) -> impl Stream<Item = Seen> {
        let witness = Witness(Arc::clone(&self.dropped_in));
        self.watched(stream::repeat_with(move || {
            let _witness = &witness;
            scene()
        }))
    }
}

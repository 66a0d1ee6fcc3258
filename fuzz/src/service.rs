//! The service that both ends offer: calls, streams in every direction, and calls back. No method has a panic in it, so
//! that every panic is a find; and of every handler and stream it is known whether it is still there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use rpc_runtime::{Channel, Status, Streaming, rpc_service};
use serde::{Deserialize, Serialize};

/// The longest reply, in bytes: several parts.
const LONGEST: u64 = 200_000;
/// The longest stream, in items.
const ITEMS: u64 = 5_000;

/// All methods but one have the same arguments. Some are run where their attribute says, the others wherever they have
/// shown themselves to belong.
#[rpc_service]
pub(crate) trait Probe {
    #[rpc(inline)]
    async fn add(&self, a: u64, b: u64) -> u64;
    /// How many bytes there are.
    #[rpc(inline)]
    async fn weigh(&self, bytes: Vec<u8>, b: u64) -> u64;
    /// So many bytes.
    async fn fill(&self, size: u64, byte: u64) -> Vec<u8>;
    #[rpc(inline)]
    async fn sleep(&self, ms: u64, value: u64) -> Result<u64, Torn>;
    /// Never ends by itself.
    #[rpc(task)]
    async fn wait(&self, a: u64, b: u64) -> u64;
    fn count(&self, below: u64, from: u64) -> impl Stream<Item = u64>;
    /// Never ends by itself.
    fn hang(&self, below: u64, from: u64) -> impl Stream<Item = u64>;
    async fn open(&self, below: u64, from: u64) -> Result<impl Stream<Item = Result<u64, Torn>>, Torn>;
    async fn total(&self, start: u64, most: u64, values: Streaming<u64>) -> Result<u64, Status>;
    /// Drops the stream behind the first item.
    async fn first(&self, ms: u64, value: u64, values: Streaming<u64>) -> u64;
    /// Never takes an item.
    async fn stuck(&self, ms: u64, value: u64, values: Streaming<u64>) -> u64;
    fn relay(&self, a: u64, b: u64, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>>;
    /// Has the caller do it.
    #[rpc(inline)]
    async fn back(&self, a: u64, b: u64) -> Result<u64, Status>;
    /// Has the caller count, and add up what is counted here.
    async fn back_streams(&self, below: u64, from: u64) -> Result<u64, Status>;
}

/// A service's own error.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Torn(u64);

impl std::fmt::Display for Torn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "torn at {}", self.0)
    }
}

/// The handlers.
#[derive(Clone, Default)]
pub(crate) struct Here {
    live: Arc<AtomicUsize>,
}

struct Live(Arc<AtomicUsize>);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Here {
    pub(crate) fn service(&self) -> ProbeServer<Self> {
        ProbeServer::new(self.clone())
    }

    /// Handlers and streams that have begun and were not dropped.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    fn enter(&self) -> Live {
        self.live.fetch_add(1, Relaxed);
        Live(Arc::clone(&self.live))
    }

    pub(crate) fn watched<S: Stream>(&self, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        let live = self.enter();
        stream.inspect(move |_| {
            let _live = &live;
        })
    }
}

/// At most [`ITEMS`] numbers.
pub(crate) fn numbers(from: u64, below: u64) -> impl Stream<Item = u64> + Send + 'static {
    stream::iter(from..below.min(from.saturating_add(ITEMS)))
}

impl Probe for Here {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a.wrapping_add(b)
    }

    async fn weigh(&self, bytes: Vec<u8>, b: u64) -> u64 {
        b.wrapping_add(bytes.len() as u64)
    }

    async fn fill(&self, size: u64, byte: u64) -> Vec<u8> {
        vec![byte as u8; (size % LONGEST) as usize]
    }

    async fn sleep(&self, ms: u64, value: u64) -> Result<u64, Torn> {
        let _live = self.enter();
        tokio::time::sleep(Duration::from_millis(ms % 100_000)).await;
        if value % 2 == 0 { Ok(value) } else { Err(Torn(value)) }
    }

    async fn wait(&self, _a: u64, _b: u64) -> u64 {
        let _live = self.enter();
        std::future::pending().await
    }

    fn count(&self, below: u64, from: u64) -> impl Stream<Item = u64> {
        self.watched(numbers(from, below))
    }

    fn hang(&self, below: u64, from: u64) -> impl Stream<Item = u64> {
        self.watched(numbers(from, below).chain(stream::pending()))
    }

    async fn open(&self, below: u64, from: u64) -> Result<impl Stream<Item = Result<u64, Torn>>, Torn> {
        if below == 0 {
            return Err(Torn(from));
        }
        Ok(self.watched(numbers(from, below).map(Ok).chain(stream::iter([Err(Torn(below))]))))
    }

    async fn total(&self, start: u64, most: u64, mut values: Streaming<u64>) -> Result<u64, Status> {
        let _live = self.enter();
        let mut total = start;
        for _ in 0..most {
            match values.next().await {
                Some(value) => total = total.wrapping_add(value?),
                None => break,
            }
        }
        Ok(total)
    }

    async fn first(&self, ms: u64, value: u64, mut values: Streaming<u64>) -> u64 {
        let _live = self.enter();
        let first = values.next().await;
        drop(values);
        tokio::time::sleep(Duration::from_millis(ms % 100_000)).await;
        first.and_then(Result::ok).unwrap_or(value)
    }

    async fn stuck(&self, ms: u64, value: u64, values: Streaming<u64>) -> u64 {
        let _live = self.enter();
        tokio::time::sleep(Duration::from_millis(ms % 100_000)).await;
        drop(values);
        value
    }

    fn relay(&self, _a: u64, _b: u64, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>> {
        self.watched(values)
    }

    async fn back(&self, a: u64, b: u64) -> Result<u64, Status> {
        let _live = self.enter();
        ProbeClient::new(Channel::caller()).add(a, b).await
    }

    async fn back_streams(&self, below: u64, from: u64) -> Result<u64, Status> {
        let _live = self.enter();
        let caller = ProbeClient::new(Channel::caller());
        let mut counted = caller.count(below, from).await?;
        let mut total = caller.total(from, below, self.watched(numbers(from, below))).await?;
        while let Some(value) = counted.next().await {
            total = total.wrapping_add(value?);
        }
        Ok(total)
    }
}

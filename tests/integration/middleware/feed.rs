//! A service of streams for the tests of layers and of clients in the same process.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future, stream};
use rpc_runtime::{
    Channel, ChannelBuilder, Context, Server, ServerBuilder, Status, Streaming,
    prelude::Stream,
    rpc_service,
    testing::{self, Link},
};
use tokio::sync::watch;

use super::Reason;

#[rpc_service]
pub(super) trait Feed {
    fn count(&self, below: u64) -> impl Stream<Item = u64>;
    /// So many items, each a text of so many bytes.
    fn texts(&self, items: u64, bytes: u64) -> impl Stream<Item = String>;
    /// 7, and then how it ends.
    fn torn(&self, how: String) -> impl Stream<Item = Result<u64, Reason>>;
    fn torn_at_length(&self, bytes: u64) -> impl Stream<Item = Result<u64, Reason>>;
    fn refused_later(&self) -> impl Stream<Item = Result<u64, Status>>;
    /// 7, and then nothing more for ever.
    fn ever(&self) -> impl Stream<Item = u64>;
    fn panic_later(&self) -> impl Stream<Item = u64>;
    /// Leaves metadata at the end.
    fn told(&self) -> impl Stream<Item = u64>;
    async fn open(&self, name: String) -> Result<impl Stream<Item = String>, Reason>;
    /// Never opens.
    async fn never(&self) -> Result<impl Stream<Item = u64>, Status>;
    async fn sum(&self, values: Streaming<u64>) -> Result<u64, Status>;
    async fn first(&self, values: Streaming<u64>) -> Option<u64>;
    async fn sizes(&self, texts: Streaming<String>) -> Result<(u64, u64), Status>;
    fn echo(&self, texts: Streaming<String>) -> impl Stream<Item = String>;
    async fn ready(&self) -> bool;
}

/// The handlers, and how many of the streams that never end are there.
#[derive(Clone)]
pub(super) struct Source(pub(super) Arc<watch::Sender<usize>>);

impl Source {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// Waits until exactly so many streams, or handlers, that never end are there.
    pub(super) async fn alive(&self, count: usize) {
        let mut alive = self.0.subscribe();
        let reached = alive.wait_for(|alive| *alive == count);
        tokio::time::timeout(Duration::from_secs(100), reached).await.expect("in time").expect("the sender is here");
    }

    fn live(&self) -> Alive {
        self.0.send_modify(|alive| *alive += 1);
        Alive(Arc::clone(&self.0))
    }
}

struct Alive(Arc<watch::Sender<usize>>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive -= 1);
    }
}

impl Feed for Source {
    fn count(&self, below: u64) -> impl Stream<Item = u64> {
        stream::iter(0..below)
    }
    fn texts(&self, items: u64, bytes: u64) -> impl Stream<Item = String> {
        stream::iter(0..items).map(move |_| "x".repeat(bytes as usize))
    }
    fn torn(&self, how: String) -> impl Stream<Item = Result<u64, Reason>> {
        stream::iter([Ok(7), Err(Reason(how))])
    }
    fn torn_at_length(&self, bytes: u64) -> impl Stream<Item = Result<u64, Reason>> {
        self.torn("x".repeat(bytes as usize))
    }
    fn refused_later(&self) -> impl Stream<Item = Result<u64, Status>> {
        stream::iter([Ok(7), Err(Status::not_found("no more").with_details([9]))])
    }
    fn ever(&self) -> impl Stream<Item = u64> {
        let alive = self.live();
        stream::iter([7]).chain(stream::pending()).inspect(move |_| {
            let _kept = &alive;
        })
    }
    fn panic_later(&self) -> impl Stream<Item = u64> {
        stream::iter(0..2).inspect(|item| assert_eq!(*item, 0, "on purpose"))
    }
    fn told(&self) -> impl Stream<Item = u64> {
        stream::iter([7]).chain(stream::poll_fn(|_| {
            Context::current().set_response_metadata("rows", "1");
            std::task::Poll::Ready(None)
        }))
    }
    async fn open(&self, name: String) -> Result<impl Stream<Item = String>, Reason> {
        if name.is_empty() {
            return Err(Reason("no name".to_owned()));
        }
        Ok(stream::iter([name]))
    }
    async fn never(&self) -> Result<impl Stream<Item = u64>, Status> {
        let _alive = self.live();
        future::pending::<()>().await;
        Ok(stream::empty())
    }
    async fn sum(&self, mut values: Streaming<u64>) -> Result<u64, Status> {
        let mut sum = 0;
        while let Some(value) = values.next().await {
            sum += value?;
        }
        Ok(sum)
    }
    async fn first(&self, mut values: Streaming<u64>) -> Option<u64> {
        values.next().await?.ok()
    }
    async fn sizes(&self, mut texts: Streaming<String>) -> Result<(u64, u64), Status> {
        let mut sizes = (0, 0);
        while let Some(text) = texts.next().await {
            sizes = (sizes.0 + 1, sizes.1 + text?.len() as u64);
        }
        Ok(sizes)
    }
    fn echo(&self, texts: Streaming<String>) -> impl Stream<Item = String> {
        texts.filter_map(|text| future::ready(text.ok()))
    }
    async fn ready(&self) -> bool {
        true
    }
}

pub(super) fn server(source: &Source) -> ServerBuilder {
    Server::builder().service(FeedServer::new(source.clone()))
}

pub(super) fn in_process(channel: ChannelBuilder, source: &Source) -> FeedClient {
    FeedClient::new(channel.in_process(FeedServer::new(source.clone())))
}

pub(super) async fn linked(server: ServerBuilder, channel: ChannelBuilder) -> (FeedClient, Link) {
    let (channel, link) = testing::link(server, channel).await.expect("the handshake succeeds");
    (FeedClient::new(channel), link)
}

/// A client over a link, and one in the same process, with the same settings.
pub(super) async fn both(source: &Source, channel: impl Fn() -> ChannelBuilder) -> (Vec<FeedClient>, Link) {
    let (over_link, link) = linked(server(source), channel()).await;
    (vec![over_link, in_process(channel(), source)], link)
}

pub(super) fn plain() -> ChannelBuilder {
    Channel::builder()
}

/// All items, and the error that ended them if one did.
pub(super) async fn collect<T, E: From<Status>>(mut stream: Streaming<T, E>) -> (Vec<T>, Option<E>) {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

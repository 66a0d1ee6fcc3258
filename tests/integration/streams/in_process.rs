//! Streams of a call in the same process end as they do over a connection.

use futures_util::{Stream, stream};
use rpc_runtime::{Channel, Code, Server, Streaming, rpc_service, testing};
use tokio::sync::mpsc;

use super::{Here, collect, then_silence, within};

#[rpc_service]
trait Keeper {
    /// Hands its argument on, and answers.
    async fn keep(&self, values: Streaming<u64>);
    /// Hands its argument on, and never answers.
    async fn hang(&self, values: Streaming<u64>);
    /// Fails with an error of so many bytes.
    fn fail(&self, size: u64) -> impl Stream<Item = Result<u64, String>>;
}

#[derive(Clone)]
struct Keeping(mpsc::Sender<Streaming<u64>>);

impl Keeper for Keeping {
    async fn keep(&self, values: Streaming<u64>) {
        self.0.send(values).await.unwrap();
    }
    async fn hang(&self, values: Streaming<u64>) {
        self.0.send(values).await.unwrap();
        std::future::pending::<()>().await;
    }
    fn fail(&self, size: u64) -> impl Stream<Item = Result<u64, String>> {
        stream::iter([Ok(1), Err("x".repeat(size as usize))])
    }
}

/// A client over a connection, and one without.
async fn both() -> ([KeeperClient; 2], testing::Link, mpsc::Receiver<Streaming<u64>>) {
    let (sender, kept) = mpsc::channel(1);
    let server = Server::builder().service(KeeperServer::new(Keeping(sender.clone())));
    let (channel, link) = testing::link(server, Channel::builder()).await.unwrap();
    let here = Channel::in_process(KeeperServer::new(Keeping(sender)));
    ([channel, here].map(KeeperClient::new), link, kept)
}

#[tokio::test]
async fn what_a_client_sends_is_over_with_its_call_for_a_task_that_still_has_it() {
    let (clients, _link, mut kept) = both().await;
    for client in clients {
        let here = Here::new();
        within("the answer", client.keep(here.watched(then_silence(0..0)))).await.unwrap();
        // Dropped without being asked for.
        here.live(0).await;
        let values = kept.recv().await.unwrap();
        let (values, status) = within("the end", collect(values)).await;
        assert_eq!((values, status.map(|status| status.code())), (vec![], Some(Code::Cancelled)));
    }
}

#[tokio::test]
async fn a_task_that_waits_for_what_a_client_sends_is_told_when_the_call_is_given_up() {
    let (clients, _link, mut kept) = both().await;
    for client in clients {
        let here = Here::new();
        let mut call = Box::pin(client.hang(here.watched(then_silence(0..1))).into_future());
        let mut values = tokio::select! {
            _ = &mut call => panic!("it never answers"),
            values = kept.recv() => values.unwrap(),
        };
        let (told, mut first) = mpsc::channel(1);
        let waiting = super::spawn(async move {
            told.send(values.next().await.unwrap().unwrap()).await.unwrap();
            values.next().await
        });
        tokio::select! {
            _ = &mut call => panic!("it never answers"),
            value = first.recv() => assert_eq!(value, Some(0)),
        }
        drop(call);
        let status = within("the end", waiting).await.unwrap().unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Cancelled);
        here.live(0).await;
    }
}

#[tokio::test]
async fn the_error_that_ends_a_stream_has_the_same_bound_without_a_connection() {
    let (clients, _link, _kept) = both().await;
    for client in clients {
        let (_, error) = within("the end", collect(client.fail(60_000).await.unwrap())).await;
        assert!(matches!(error, Some(rpc_runtime::CallError::Service(_))), "{error:?}");
        let (items, error) = within("the end", collect(client.fail(70_000).await.unwrap())).await;
        let Some(rpc_runtime::CallError::Status(status)) = error else { panic!("{error:?}") };
        assert_eq!((items, status.code()), (vec![1], Code::ResourceExhausted), "{status}");
        assert!(status.message().contains("it may have 65536"), "{status}");
    }
}

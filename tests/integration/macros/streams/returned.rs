//! Methods that return `impl Stream`.

use std::fmt;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rpc_runtime::{CallError, Code, Status, prelude::*};
use serde::{Deserialize, Serialize};

use super::{collect, complete, items};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Missing(u64);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing", self.0)
    }
}

mod alias {
    pub(super) type Result<T, E = super::Missing> = std::result::Result<T, E>;
    pub(super) type ItemResult = std::result::Result<u64, super::Missing>;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SearchResult {
    hits: u64,
}

#[rpc_service]
trait Numbers {
    fn below(&self, limit: u64) -> impl Stream<Item = u64>;
    fn nothing(&self) -> impl Stream<Item = ()> + Send;
    fn of_path(&self, from: &str, to: &str) -> impl Stream<Item = String> + '_;
    fn own(&self) -> impl Stream<Item = String>;
    fn lent<'a>(&'a self, words: &'a [String], skipped: Option<&'a str>) -> impl Stream<Item = String> + Send + 'a;
    fn until(&self, missing: u64) -> impl Stream<Item = Result<u64, Missing>>;
    fn until_status(&self, missing: u64) -> impl Stream<Item = Result<u64, Status>>;
    fn through_an_alias(&self) -> impl Stream<Item = alias::Result<u64>>;
    fn through_an_alias_of_another_name(&self) -> impl Stream<Item = alias::ItemResult>;
    fn no_alias(&self) -> impl Stream<Item = SearchResult>;
    fn chunks(&self) -> impl Stream<Item = Vec<u8>>;
    fn shared_chunks(&self) -> impl Stream<Item = Bytes>;
    fn chunks_or_error(&self) -> impl Stream<Item = Result<Vec<u8>, Missing>>;
    fn shared_chunks_or_status(&self) -> impl Stream<Item = Result<Bytes, Status>>;
    async fn awaited(&self, limit: u64) -> impl Stream<Item = u64>;
    fn with_a_body(&self, limit: u64) -> impl Stream<Item = u64> {
        self.below(limit).map(|number| number * 10)
    }
    async fn awaited_with_a_body(&self) -> impl Stream<Item = String> {
        let names = self.own();
        names.take(1)
    }
}

#[derive(Default)]
struct Here {
    names: Vec<String>,
}

impl Numbers for Here {
    fn below(&self, limit: u64) -> impl Stream<Item = u64> {
        items(0..limit)
    }
    fn nothing(&self) -> impl Stream<Item = ()> + Send {
        items([(), ()])
    }
    fn of_path(&self, from: &str, to: &str) -> impl Stream<Item = String> + '_ {
        items([from.to_owned(), to.to_owned()])
    }
    fn own(&self) -> impl Stream<Item = String> {
        stream::iter(&self.names).map(Clone::clone)
    }
    fn lent<'a>(&'a self, words: &'a [String], skipped: Option<&'a str>) -> impl Stream<Item = String> + Send + 'a {
        items(words.iter().chain(&self.names).filter(move |word| Some(&***word) != skipped).cloned())
    }
    fn until(&self, missing: u64) -> impl Stream<Item = Result<u64, Missing>> {
        items((0..5).map(move |number| if number == missing { Err(Missing(number)) } else { Ok(number) }))
    }
    fn until_status(&self, missing: u64) -> impl Stream<Item = Result<u64, Status>> {
        self.until(missing).map(|item| item.map_err(|missing| Status::not_found(missing.to_string())))
    }
    fn through_an_alias(&self) -> impl Stream<Item = alias::Result<u64>> {
        self.until(1)
    }
    fn through_an_alias_of_another_name(&self) -> impl Stream<Item = alias::ItemResult> {
        self.until(2)
    }
    fn no_alias(&self) -> impl Stream<Item = SearchResult> {
        items([SearchResult { hits: 3 }])
    }
    fn chunks(&self) -> impl Stream<Item = Vec<u8>> {
        items([vec![0, 255], vec![], vec![7; 1_000]])
    }
    fn shared_chunks(&self) -> impl Stream<Item = Bytes> {
        items([Bytes::from_static(b"a"), Bytes::from_static(b"bc")])
    }
    fn chunks_or_error(&self) -> impl Stream<Item = Result<Vec<u8>, Missing>> {
        items([Ok(vec![1, 2]), Err(Missing(9)), Ok(vec![3])])
    }
    fn shared_chunks_or_status(&self) -> impl Stream<Item = Result<Bytes, Status>> {
        items([Ok(Bytes::from_static(b"a")), Err(Status::not_found("b"))])
    }
    async fn awaited(&self, limit: u64) -> impl Stream<Item = u64> {
        tokio::task::yield_now().await;
        self.below(limit)
    }
}

fn client() -> NumbersClient {
    let names = vec!["ada".to_owned(), "bob".to_owned()];
    NumbersClient::from_service(Here { names })
}

#[tokio::test]
async fn plain_items_arrive_in_order_and_then_the_end() {
    let client = client();
    let stream: Result<Streaming<u64>, Status> = client.below(4).await;
    assert_eq!(complete(stream.unwrap()).await, [0, 1, 2, 3]);
    assert_eq!(complete(client.below(0).await.unwrap()).await, [0; 0]);
    assert_eq!(complete(client.nothing().await.unwrap()).await, [(), ()]);
    assert_eq!(complete(client.no_alias().await.unwrap()).await, [SearchResult { hits: 3 }]);
}

#[tokio::test]
async fn a_stream_may_borrow_from_the_service_and_from_its_arguments() {
    let client = client();
    assert_eq!(complete(client.own().await.unwrap()).await, ["ada", "bob"]);
    assert_eq!(complete(client.of_path("a", "b").await.unwrap()).await, ["a", "b"]);
    let words = ["x".to_owned(), "y".to_owned()];
    assert_eq!(complete(client.lent(&words, Some("ada")).await.unwrap()).await, ["x", "y", "bob"]);
    assert_eq!(complete(client.lent(&[], None).await.unwrap()).await, ["ada", "bob"]);
}

#[tokio::test]
async fn the_first_error_among_the_items_ends_the_stream_and_comes_typed() {
    let stream: Result<Streaming<u64, CallError<Missing>>, Status> = client().until(2).await;
    let (numbers, error) = collect(stream.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![0, 1], Some(&Missing(2))));
    assert_eq!(complete(client().until(9).await.unwrap()).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_status_among_the_items_is_the_streams_status() {
    let stream: Streaming<u64, Status> = client().until_status(1).await.unwrap();
    let (numbers, status) = collect(stream).await;
    let status = status.unwrap();
    assert_eq!((numbers, status.code(), status.message()), (vec![0], Code::NotFound, "1 is missing"));
}

#[tokio::test]
async fn an_alias_of_result_is_a_result_as_an_item_too() {
    let (numbers, error) = collect(client().through_an_alias().await.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![0], Some(&Missing(1))));
    let (numbers, error) = collect(client().through_an_alias_of_another_name().await.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![0, 1], Some(&Missing(2))));
}

#[tokio::test]
async fn bytes_are_items_in_one_piece_also_within_a_result() {
    let client = client();
    assert_eq!(complete(client.chunks().await.unwrap()).await, [vec![0, 255], vec![], vec![7; 1_000]]);
    assert_eq!(complete(client.shared_chunks().await.unwrap()).await, ["a", "bc"]);
    let (chunks, error) = collect(client.chunks_or_error().await.unwrap()).await;
    assert_eq!((chunks, error.unwrap().service()), (vec![vec![1, 2]], Some(&Missing(9))));
    let (chunks, status) = collect(client.shared_chunks_or_status().await.unwrap()).await;
    assert_eq!((chunks, status.unwrap().message()), (vec![Bytes::from_static(b"a")], "b"));
}

#[tokio::test]
async fn a_method_may_wait_before_it_returns_its_stream() {
    let stream: Result<Streaming<u64>, Status> = client().awaited(2).await;
    assert_eq!(complete(stream.unwrap()).await, [0, 1]);
}

#[tokio::test]
async fn a_streaming_method_may_have_a_body_in_the_trait() {
    assert_eq!(complete(client().with_a_body(3).await.unwrap()).await, [0, 10, 20]);
    assert_eq!(complete(client().awaited_with_a_body().await.unwrap()).await, ["ada"]);
}

#[tokio::test]
async fn an_implementation_can_be_called_without_any_server() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let here = Here::default();
    assert_eq!(is_send(here.below(2)).collect::<Vec<_>>().await, [0, 1]);
    assert_eq!(is_send(here.awaited(2)).await.collect::<Vec<_>>().await, [0, 1]);
}

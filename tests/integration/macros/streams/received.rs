//! Methods that take a `Streaming`.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use futures_util::StreamExt;
use rpc_runtime::{CallError, Code, Status, prelude::*, stream};
use serde::{Deserialize, Serialize};

use super::items;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Negative(i64);

impl fmt::Display for Negative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is negative", self.0)
    }
}

#[rpc_service]
trait Sums {
    async fn total(&self, values: Streaming<i64>) -> i64;
    async fn first(&self, values: Streaming<i64>, by: i64, label: &str) -> String;
    async fn middle(&self, by: i64, values: Streaming<i64>, label: &str) -> String;
    async fn last(&self, by: i64, label: &str, mut values: Streaming<i64>) -> String {
        let first = values.next().await;
        format!("{label} {:?}", first.map(|value| value.map(|value| value * by).ok()))
    }
    async fn checked(&self, values: Streaming<i64>) -> Result<i64, Negative>;
    async fn quiet(&self, values: Streaming<BTreeMap<String, u8>>);
    async fn join(&self, chunks: Streaming<Vec<u8>>) -> Vec<u8>;
    async fn sizes(&self, chunks: Streaming<Bytes>, before: &[u8]) -> Result<Bytes, Status>;
    async fn no_alias(&self, values: Streaming<Result<u8, String>>) -> Vec<Result<u8, String>>;
    async fn generic<'a>(&'a self, label: &'a str, values: Streaming<i64>) -> String;
}

struct Here;

impl Sums for Here {
    async fn total(&self, mut values: Streaming<i64>) -> i64 {
        let mut total = 0;
        while let Some(Ok(value)) = values.next().await {
            total += value;
        }
        total
    }
    async fn first(&self, values: Streaming<i64>, by: i64, label: &str) -> String {
        format!("{label} {}", self.total(values).await * by)
    }
    async fn middle(&self, by: i64, values: Streaming<i64>, label: &str) -> String {
        self.first(values, by, label).await
    }
    async fn checked(&self, mut values: Streaming<i64>) -> Result<i64, Negative> {
        let mut total = 0;
        while let Some(Ok(value)) = values.next().await {
            if value < 0 {
                return Err(Negative(value));
            }
            total += value;
        }
        Ok(total)
    }
    async fn quiet(&self, _: Streaming<BTreeMap<String, u8>>) {}
    async fn join(&self, chunks: Streaming<Vec<u8>>) -> Vec<u8> {
        chunks.map(Result::unwrap).concat().await
    }
    async fn sizes(&self, chunks: Streaming<Bytes>, before: &[u8]) -> Result<Bytes, Status> {
        let mut chunks = chunks;
        let mut sizes = before.to_vec();
        while let Some(chunk) = chunks.next().await {
            sizes.push(chunk?.len() as u8);
        }
        Ok(sizes.into())
    }
    async fn no_alias(&self, values: Streaming<Result<u8, String>>) -> Vec<Result<u8, String>> {
        values.map(Result::unwrap).collect().await
    }
    async fn generic<'a>(&'a self, label: &'a str, values: Streaming<i64>) -> String {
        self.first(values, 1, label).await
    }
}

fn client() -> SumsClient {
    SumsClient::from_service(Here)
}

#[tokio::test]
async fn a_client_passes_any_stream_of_the_items() {
    let total: Result<i64, Status> = client().total(items([1, 2, 3])).await;
    assert_eq!(total.unwrap(), 6);
    assert_eq!(client().total(items::<i64>([])).await.unwrap(), 0);
    client().quiet(items([BTreeMap::new()])).await.unwrap();
}

#[tokio::test]
async fn a_client_may_push_the_items() {
    let (sender, receiver) = stream::channel(1);
    let sending = async {
        for value in [1, 2, 3] {
            sender.send(value).await.unwrap();
        }
        drop(sender);
    };
    let client = client();
    let (total, ()) = tokio::join!(client.total(receiver), sending);
    assert_eq!(total.unwrap(), 6);
}

#[tokio::test]
async fn plain_arguments_may_stand_before_and_behind_the_stream() {
    let client = client();
    assert_eq!(client.first(items([1, 2]), 10, "a").await.unwrap(), "a 30");
    assert_eq!(client.middle(10, items([1, 2]), "b").await.unwrap(), "b 30");
    assert_eq!(client.last(10, "c", items([1, 2])).await.unwrap(), "c Some(Some(10))");
    assert_eq!(client.generic("d", items([1, 2])).await.unwrap(), "d 3");
}

#[tokio::test]
async fn a_method_that_takes_a_stream_may_fail_and_may_answer_early() {
    let error: CallError<Negative> = client().checked(items([1, -1, 2])).await.unwrap_err();
    assert_eq!(error.service(), Some(&Negative(-1)));
    let endless = futures_util::stream::repeat(7);
    assert_eq!(client().last(2, "", endless).await.unwrap(), " Some(Some(14))");
}

#[tokio::test]
async fn bytes_are_received_as_items_in_one_piece() {
    let client = client();
    assert_eq!(client.join(items([vec![1, 2], vec![], vec![3]])).await.unwrap(), [1, 2, 3]);
    let sizes = client.sizes(items([Bytes::from_static(b"ab"), Bytes::new()]), &[9]).await.unwrap();
    assert_eq!(sizes, [9, 2, 0][..]);
}

#[tokio::test]
async fn what_a_client_sends_may_fail_and_the_handler_sees_why() {
    let chunks = items([Ok(Bytes::from_static(b"ab")), Err(Status::new(Code::DataLoss, "torn"))]);
    let status = client().sizes(chunks, &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::DataLoss);
}

#[tokio::test]
async fn a_result_is_an_item_like_any_other_where_it_is_received() {
    let values = [Ok(1), Err("why".to_owned()), Ok(2)];
    assert_eq!(client().no_alias(items(values.clone())).await.unwrap(), values);
}

#[tokio::test]
async fn a_handler_can_be_tested_with_a_stream_of_its_own() {
    assert_eq!(Here.total(Streaming::from_stream(items([1, 2]))).await, 3);
}

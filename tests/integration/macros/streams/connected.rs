//! The three kinds over a connection, with what tells them apart for generated code: bytes, errors, and the opening.

use futures_util::StreamExt;
use rpc_runtime::{Code, Status, prelude::*};

use super::{super::serve, collect, complete, items};

#[rpc_service]
trait Wired {
    fn below(&self, limit: u64) -> impl Stream<Item = Result<u64, String>>;
    async fn chunks(&self, from: &str) -> Result<impl Stream<Item = Vec<u8>>, Status>;
    async fn total(&self, by: u64, values: Streaming<u64>, label: &str) -> Result<String, String>;
    fn echo(&self, chunks: Streaming<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Status>>;
}

struct Here(Vec<u8>);

impl Wired for Here {
    fn below(&self, limit: u64) -> impl Stream<Item = Result<u64, String>> {
        items((0..).map(move |number| if number < limit { Ok(number) } else { Err(limit.to_string()) }))
    }
    async fn chunks(&self, from: &str) -> Result<impl Stream<Item = Vec<u8>>, Status> {
        if from.is_empty() {
            return Err(Status::not_found("nowhere"));
        }
        Ok(items(self.0.chunks(2)).map(<[u8]>::to_vec))
    }
    async fn total(&self, by: u64, mut values: Streaming<u64>, label: &str) -> Result<String, String> {
        let mut total = 0;
        while let Some(value) = values.next().await {
            total += value.map_err(|status| status.message().to_owned())? * by;
        }
        Ok(format!("{label}{total}"))
    }
    fn echo(&self, chunks: Streaming<Vec<u8>>) -> impl Stream<Item = Result<Vec<u8>, Status>> {
        chunks
    }
}

async fn client(address: &str) -> WiredClient {
    WiredClient::new(serve(address, WiredServer::new(Here(vec![1, 2, 3]))).await)
}

#[tokio::test]
async fn a_returned_stream_comes_over_a_connection() {
    let client = client("mem://macros-stream-returned").await;
    let (numbers, error) = collect(client.below(1_000).await.unwrap()).await;
    assert_eq!((numbers.len(), error.unwrap().service()), (1_000, Some(&"1000".to_owned())));
    assert_eq!(complete(client.chunks("a").await.unwrap()).await, [vec![1, 2], vec![3]]);
    assert_eq!(client.chunks("").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_sent_stream_goes_over_a_connection() {
    let client = client("mem://macros-stream-sent").await;
    assert_eq!(client.total(2, items(0..1_000), "=").await.unwrap(), "=999000");
    let torn = items([Ok(1), Err(Status::not_found("torn"))]);
    assert_eq!(client.total(2, torn, "").await.unwrap_err().service(), Some(&"torn".to_owned()));
}

#[tokio::test]
async fn streams_go_both_ways_over_a_connection() {
    let client = client("mem://macros-stream-both").await;
    let (sender, receiver) = rpc_runtime::stream::channel(1);
    let mut echo = client.echo(receiver).await.unwrap();
    for size in [0, 1, 100_000] {
        sender.send(vec![7; size]).await.unwrap();
        assert_eq!(echo.next().await.unwrap().unwrap().len(), size);
    }
    drop(sender);
    assert!(echo.next().await.is_none());
}

//! Methods that take a stream and return one.

use futures_util::{Stream, StreamExt, future};
use rpc_runtime::{CallError, Status, Streaming, rpc_service, stream};

use super::{collect, complete, items};

#[rpc_service]
trait Chat {
    fn echo(&self, values: Streaming<i64>) -> impl Stream<Item = i64>;
    fn scaled<'a>(&'a self, by: i64, values: Streaming<i64>, label: &'a str) -> impl Stream<Item = String>;
    fn forward(&self, values: Streaming<i64>) -> impl Stream<Item = Result<i64, Status>> {
        values
    }
    async fn join(&self, room: &str, lines: Streaming<Vec<u8>>) -> Result<impl Stream<Item = Vec<u8>>, String>;
    async fn after_the_first(&self, values: Streaming<i64>) -> impl Stream<Item = i64>;
}

struct Here;

impl Chat for Here {
    fn echo(&self, values: Streaming<i64>) -> impl Stream<Item = i64> {
        values.filter_map(|value| future::ready(value.ok()))
    }
    fn scaled<'a>(&'a self, by: i64, values: Streaming<i64>, label: &'a str) -> impl Stream<Item = String> {
        self.echo(values).map(move |value| format!("{label}{}", value * by))
    }
    async fn join(&self, room: &str, lines: Streaming<Vec<u8>>) -> Result<impl Stream<Item = Vec<u8>>, String> {
        if room.is_empty() {
            return Err("no room".to_owned());
        }
        Ok(lines.filter_map(|line| future::ready(line.ok())))
    }
    async fn after_the_first(&self, mut values: Streaming<i64>) -> impl Stream<Item = i64> {
        let first = values.next().await.and_then(Result::ok).unwrap_or_default();
        self.echo(values).map(move |value| value + first)
    }
}

fn client() -> ChatClient {
    ChatClient::from_service(Here)
}

#[tokio::test]
async fn items_go_both_ways_one_at_a_time() {
    let (sender, receiver) = stream::channel(1);
    let mut echo: Streaming<i64> = client().echo(receiver).await.unwrap();
    for value in 0..10 {
        sender.send(value).await.unwrap();
        assert_eq!(echo.next().await.unwrap().unwrap(), value);
    }
    drop(sender);
    assert!(echo.next().await.is_none());
}

#[tokio::test]
async fn plain_arguments_stand_beside_both_streams() {
    let scaled = client().scaled(10, items([1, 2]), "x").await.unwrap();
    assert_eq!(complete(scaled).await, ["x10", "x20"]);
}

#[tokio::test]
async fn what_a_client_receives_it_can_send() {
    let first = client().echo(items([1, 2, 3])).await.unwrap();
    let second = client().forward(first).await.unwrap();
    assert_eq!(complete(second).await, [1, 2, 3]);
    let torn = items([Ok(1), Err(Status::not_found("torn"))]);
    let (values, status) = collect(client().forward(torn).await.unwrap()).await;
    assert_eq!((values, status.unwrap().message()), (vec![1], "torn"));
}

#[tokio::test]
async fn a_method_of_two_streams_may_refuse_to_begin() {
    let lines = || items([vec![1], vec![2, 3]]);
    let joined: Result<Streaming<Vec<u8>>, CallError<String>> = client().join("a", lines()).await;
    assert_eq!(complete(joined.unwrap()).await, [vec![1], vec![2, 3]]);
    assert_eq!(client().join("", lines()).await.unwrap_err().service(), Some(&"no room".to_owned()));
}

#[tokio::test]
async fn a_method_may_take_items_before_it_returns_its_own() {
    let stream = client().after_the_first(items([10, 1, 2])).await.unwrap();
    assert_eq!(complete(stream).await, [11, 12]);
}

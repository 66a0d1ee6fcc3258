//! Streams in boxes, with which a trait can be used as `dyn`.

use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use rpc_runtime::prelude::*;

use super::{collect, complete, items};

#[rpc_service]
#[async_trait]
trait Words {
    fn own(&self) -> BoxStream<'_, String>;
    fn lent<'a>(&'a self, words: &'a [String]) -> Pin<Box<dyn Stream<Item = String> + Send + 'a>>;
    fn until(&self, last: u8) -> BoxStream<'static, Result<u8, String>>;
    async fn open(&self, door: &str) -> Result<BoxStream<'_, String>, String>;
    async fn awaited(&self) -> Pin<Box<dyn Stream<Item = Vec<u8>> + Send + '_>>;
    async fn count(&self, words: Streaming<String>, by: usize) -> usize;
    fn echo(&self, words: Streaming<String>) -> BoxStream<'_, String>;
    fn with_a_body(&self) -> BoxStream<'_, String> {
        self.own().map(|word| word + "!").boxed()
    }
}

struct Here(Vec<String>);

#[async_trait]
impl Words for Here {
    fn own(&self) -> BoxStream<'_, String> {
        items(&self.0).map(Clone::clone).boxed()
    }
    fn lent<'a>(&'a self, words: &'a [String]) -> Pin<Box<dyn Stream<Item = String> + Send + 'a>> {
        Box::pin(items(words).map(Clone::clone).chain(self.own()))
    }
    fn until(&self, last: u8) -> BoxStream<'static, Result<u8, String>> {
        items((0..9).map(move |number| if number > last { Err("over".to_owned()) } else { Ok(number) })).boxed()
    }
    async fn open(&self, door: &str) -> Result<BoxStream<'_, String>, String> {
        if door.is_empty() { Err("no door".to_owned()) } else { Ok(self.own()) }
    }
    async fn awaited(&self) -> Pin<Box<dyn Stream<Item = Vec<u8>> + Send + '_>> {
        Box::pin(self.own().map(String::into_bytes))
    }
    async fn count(&self, words: Streaming<String>, by: usize) -> usize {
        words.count().await * by
    }
    fn echo(&self, words: Streaming<String>) -> BoxStream<'_, String> {
        words.filter_map(|word| async { word.ok() }).boxed()
    }
}

fn words() -> WordsClient {
    let service: Arc<dyn Words> = Arc::new(Here(vec!["a".into(), "b".into()]));
    WordsClient::new(Channel::in_process(WordsServer::from_arc(service)))
}

#[tokio::test]
async fn an_implementation_behind_dyn_returns_streams() {
    let words = words();
    assert_eq!(complete(words.own().await.unwrap()).await, ["a", "b"]);
    assert_eq!(complete(words.lent(&["x".to_owned()]).await.unwrap()).await, ["x", "a", "b"]);
    assert_eq!(complete(words.awaited().await.unwrap()).await, [b"a", b"b"]);
    assert_eq!(complete(words.with_a_body().await.unwrap()).await, ["a!", "b!"]);
    let (numbers, error) = collect(words.until(1).await.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![0, 1], Some(&"over".to_owned())));
}

#[tokio::test]
async fn an_implementation_behind_dyn_may_refuse_to_begin() {
    assert_eq!(complete(words().open("x").await.unwrap()).await, ["a", "b"]);
    assert_eq!(words().open("").await.unwrap_err().service(), Some(&"no door".to_owned()));
}

#[tokio::test]
async fn an_implementation_behind_dyn_takes_streams() {
    let sent = || items(["x".to_owned(), "y".to_owned()]);
    assert_eq!(words().count(sent(), 10).await.unwrap(), 20);
    assert_eq!(complete(words().echo(sent()).await.unwrap()).await, ["x", "y"]);
}

#[rpc_service]
trait Plain {
    fn own(&self) -> BoxStream<'_, String>;
    fn until(&self) -> Pin<Box<dyn Stream<Item = Result<u8, String>> + Send + '_>>;
    async fn open(&self, door: &str) -> Result<BoxStream<'_, String>, String> {
        if door.is_empty() { Err("no door".to_owned()) } else { Ok(self.own()) }
    }
    async fn awaited(&self) -> BoxStream<'_, String> {
        self.own()
    }
}

impl Plain for String {
    fn own(&self) -> BoxStream<'_, String> {
        items([self.clone()]).boxed()
    }
    fn until(&self) -> Pin<Box<dyn Stream<Item = Result<u8, String>> + Send + '_>> {
        Box::pin(items([Ok(0), Err(self.clone())]))
    }
}

#[tokio::test]
async fn streams_in_boxes_need_no_async_trait() {
    let plain = PlainClient::from_service("a".to_owned());
    assert_eq!(complete(plain.own().await.unwrap()).await, ["a"]);
    assert_eq!(complete(plain.awaited().await.unwrap()).await, ["a"]);
    assert_eq!(complete(plain.open("x").await.unwrap()).await, ["a"]);
    assert_eq!(plain.open("").await.unwrap_err().service(), Some(&"no door".to_owned()));
    let (numbers, error) = collect(plain.until().await.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![0], Some(&"a".to_owned())));
}

//! Methods that return a `Result` of a stream: what fails before the first item is the call's error.

use std::{fmt, num::ParseIntError};

use futures_util::StreamExt;
use rpc_runtime::{CallError, Code, Status, prelude::*};
use serde::{Deserialize, Serialize};

use super::{collect, complete, items};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoLog(String);

impl fmt::Display for NoLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no log {}", self.0)
    }
}

impl From<ParseIntError> for NoLog {
    fn from(error: ParseIntError) -> Self {
        Self(error.to_string())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Torn;

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log is torn")
    }
}

mod alias {
    pub(super) type Result<T, E = super::NoLog> = std::result::Result<T, E>;
    pub(super) type OpenResult<T> = std::result::Result<T, super::NoLog>;
}

#[rpc_service]
trait Log {
    async fn tail(&self, log: &str) -> Result<impl Stream<Item = String>, NoLog>;
    async fn with_status(&self, log: &str) -> Result<impl Stream<Item = String> + '_, Status>;
    async fn through_an_alias(&self, log: &str) -> alias::Result<impl Stream<Item = String>>;
    async fn through_an_alias_of_another_name(&self, log: &str) -> alias::OpenResult<impl Stream<Item = String>>;
    async fn two_errors(&self, log: &str) -> Result<impl Stream<Item = Result<u8, Torn>>, NoLog>;
    async fn bulk(&self, log: &str) -> Result<impl Stream<Item = Result<Vec<u8>, Torn>>, NoLog>;
    async fn default(&self, count: &str) -> Result<impl Stream<Item = u64>, NoLog> {
        let count = count.parse::<u64>()?;
        let _ = self.tail("a").await?;
        Ok(items(0..count))
    }
}

struct Here(Vec<String>);

impl Here {
    fn find(&self, log: &str) -> Result<&[String], NoLog> {
        if log == "a" { Ok(&self.0) } else { Err(NoLog(log.to_owned())) }
    }
}

impl Log for Here {
    async fn tail(&self, log: &str) -> Result<impl Stream<Item = String>, NoLog> {
        tokio::task::yield_now().await;
        Ok(items(self.find(log)?).map(|line| line.clone()))
    }
    async fn with_status(&self, log: &str) -> Result<impl Stream<Item = String> + '_, Status> {
        let lines = self.find(log).map_err(|error| Status::not_found(error.to_string()))?;
        Ok(items(lines).map(|line| line.clone()))
    }
    async fn through_an_alias(&self, log: &str) -> alias::Result<impl Stream<Item = String>> {
        self.tail(log).await
    }
    async fn through_an_alias_of_another_name(&self, log: &str) -> alias::OpenResult<impl Stream<Item = String>> {
        self.tail(log).await
    }
    async fn two_errors(&self, log: &str) -> Result<impl Stream<Item = Result<u8, Torn>>, NoLog> {
        self.find(log)?;
        Ok(items([Ok(1), Err(Torn)]))
    }
    async fn bulk(&self, log: &str) -> Result<impl Stream<Item = Result<Vec<u8>, Torn>>, NoLog> {
        self.find(log)?;
        Ok(items([Ok(vec![1, 2]), Err(Torn)]))
    }
}

fn client() -> LogClient {
    LogClient::from_service(Here(vec!["one".into(), "two".into()]))
}

#[tokio::test]
async fn a_stream_that_begins_has_its_items() {
    let stream: Result<Streaming<String>, CallError<NoLog>> = client().tail("a").await;
    assert_eq!(complete(stream.unwrap()).await, ["one", "two"]);
    assert_eq!(complete(client().with_status("a").await.unwrap()).await, ["one", "two"]);
}

#[tokio::test]
async fn an_error_before_the_first_item_is_the_error_of_the_call() {
    let error = client().tail("b").await.unwrap_err();
    assert_eq!(error.service(), Some(&NoLog("b".into())));
    let status: Status = client().with_status("b").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "there is no log b"));
}

#[tokio::test]
async fn an_alias_of_result_may_hold_the_stream() {
    let stream: Result<Streaming<String>, CallError<NoLog>> = client().through_an_alias("a").await;
    assert_eq!(complete(stream.unwrap()).await, ["one", "two"]);
    assert_eq!(client().through_an_alias("b").await.unwrap_err().service(), Some(&NoLog("b".into())));
    let of_another_name = client().through_an_alias_of_another_name("a").await.unwrap();
    assert_eq!(complete(of_another_name).await, ["one", "two"]);
    let error = client().through_an_alias_of_another_name("b").await.unwrap_err();
    assert_eq!(error.service(), Some(&NoLog("b".into())));
}

#[tokio::test]
async fn the_errors_of_the_opening_and_of_the_items_are_of_two_types() {
    let stream: Result<Streaming<u8, CallError<Torn>>, CallError<NoLog>> = client().two_errors("a").await;
    let (numbers, error) = collect(stream.unwrap()).await;
    assert_eq!((numbers, error.unwrap().service()), (vec![1], Some(&Torn)));
    assert_eq!(client().two_errors("b").await.unwrap_err().service(), Some(&NoLog("b".into())));
    let (chunks, error) = collect(client().bulk("a").await.unwrap()).await;
    assert_eq!((chunks, error.unwrap().service()), (vec![vec![1, 2]], Some(&Torn)));
}

#[tokio::test]
async fn a_method_with_a_body_in_the_trait_may_fail_to_begin() {
    assert_eq!(complete(client().default("2").await.unwrap()).await, [0, 1]);
    let error = client().default("x").await.unwrap_err();
    assert_eq!(error.service(), Some(&NoLog("invalid digit found in string".into())));
}

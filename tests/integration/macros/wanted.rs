//! What a trait should be able to have and has not yet.

use std::borrow::Cow;

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Borrowing<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    name: &'a str,
}

#[rpc_service]
trait Borrowed {
    async fn moved(&self, value: Borrowing<'_>) -> usize;
    async fn with_a_name<'a>(&self, value: Borrowing<'a>, other: &'a str) -> usize;
    async fn lent(&self, value: &Borrowing<'_>) -> usize;
    async fn list(&self, values: &[Borrowing<'_>]) -> usize;
    async fn optional(&self, value: Option<Borrowing<'_>>, lent: Option<&Borrowing<'_>>) -> usize;
    async fn inside(&self, values: Vec<(u8, Borrowing<'_>)>) -> usize;
    fn of_a_stream(&self, value: Borrowing<'_>) -> impl Stream<Item = usize>;
}

impl Borrowed for () {
    async fn moved(&self, value: Borrowing<'_>) -> usize {
        value.text.len() + value.name.len()
    }
    async fn with_a_name<'a>(&self, value: Borrowing<'a>, other: &'a str) -> usize {
        std::cmp::max(value.name, other).len()
    }
    async fn lent(&self, value: &Borrowing<'_>) -> usize {
        tokio::task::yield_now().await;
        value.text.len()
    }
    async fn list(&self, values: &[Borrowing<'_>]) -> usize {
        values.len()
    }
    async fn optional(&self, value: Option<Borrowing<'_>>, lent: Option<&Borrowing<'_>>) -> usize {
        value.map_or(0, |value| value.name.len()) + lent.map_or(0, |value| value.text.len())
    }
    async fn inside(&self, values: Vec<(u8, Borrowing<'_>)>) -> usize {
        values.len()
    }
    fn of_a_stream(&self, value: Borrowing<'_>) -> impl Stream<Item = usize> {
        futures_util::stream::iter([value.name.len()])
    }
}

#[tokio::test]
async fn an_argument_may_be_of_a_type_that_borrows() {
    let client = BorrowedClient::from_service(());
    let text = String::from("abc");
    let value = || Borrowing { text: Cow::Borrowed(&text), name: "de" };
    assert_eq!(client.moved(value()).await.unwrap(), 5);
    assert_eq!(client.with_a_name(value(), "f").await.unwrap(), 1);
    assert_eq!(client.lent(&value()).await.unwrap(), 3);
    assert_eq!(client.list(&[value()]).await.unwrap(), 1);
    assert_eq!(client.optional(Some(value()), Some(&value())).await.unwrap(), 5);
    assert_eq!(client.inside(vec![(1, value())]).await.unwrap(), 1);
    assert_eq!(client.of_a_stream(value()).await.unwrap().next().await.unwrap().unwrap(), 2);
}

#[rpc_service]
trait Conditional {
    async fn here(&self) -> u8;
    #[cfg_attr(test, cfg(not(test)))]
    async fn gone(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg(not(test)), doc = "More than cfg.")]
    async fn gone_with_docs(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg_attr(test, cfg(not(test))))]
    async fn gone_twice(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg(not(test)))]
    fn stream_gone(&self, of: Streaming<Nothing>) -> impl Stream<Item = Nothing>;
}

impl Conditional for () {
    async fn here(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn a_cfg_may_itself_depend_on_cfg() {
    assert_eq!(ConditionalClient::from_service(()).here().await.unwrap(), 1);
    assert_eq!(ConditionalClient::DESCRIPTOR.methods.len(), 1);
}

#[rpc_service]
trait Qualified {
    async fn lent(&self, text: &::core::primitive::str, optional: Option<&std::primitive::str>) -> usize;
}

impl Qualified for () {
    async fn lent(&self, text: &str, optional: Option<&str>) -> usize {
        text.len() + optional.map_or(0, str::len)
    }
}

#[tokio::test]
async fn text_may_be_lent_by_its_full_path() {
    assert_eq!(QualifiedClient::from_service(()).lent("a", Some("bc")).await.unwrap(), 3);
}

//! Supertraits, whose methods are not the service's, and methods with a body, which are.

use std::{
    borrow::Cow,
    fmt::{Debug, Display, Formatter, Result as Formatted},
};

use rpc_runtime::prelude::*;

trait Named {
    fn name(&self) -> String;
    async fn not_of_the_service(&self) -> u8;
}

#[rpc_service]
trait Base {
    async fn base(&self) -> u8;
}

#[rpc_service]
trait Derived: Named + Base + Debug + Display + 'static {
    async fn own(&self) -> String {
        format!("{} {} {self} {self:?}", self.name(), self.base().await)
    }
    async fn borrowed(&self, text: &str, list: &[String], optional: Option<&str>) -> usize {
        self.own().await;
        text.len() + list.len() + optional.map_or(0, str::len)
    }
    async fn cow(&self, text: Cow<'_, str>) -> Cow<'static, str> {
        text.into_owned().into()
    }
    #[rpc(client = "with_names")]
    async fn named<'a>(&'a self, first: &'a str, second: &'a str) -> usize {
        std::cmp::max(first, second).len()
    }
    async fn changed(&self, mut number: u8) -> u8 {
        number += 1;
        number
    }
    fn numbers(&self, below: u64) -> impl Stream<Item = u64> {
        futures_util::stream::iter(0..below)
    }
    fn letters(&self, text: &str) -> impl Stream<Item = u8> {
        futures_util::stream::iter(text.bytes())
    }
    async fn open(&self, text: &str) -> Result<impl Stream<Item = char>, String> {
        if text.is_empty() { Err(self.name()) } else { Ok(futures_util::stream::iter(text.chars())) }
    }
    async fn total(&self, mut values: Streaming<u64>) -> u64 {
        let mut total = 0;
        while let Some(Ok(value)) = values.next().await {
            total += value;
        }
        total
    }
}

#[derive(Debug)]
struct Here;

impl Display for Here {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Formatted {
        formatter.write_str("here")
    }
}

impl Named for Here {
    fn name(&self) -> String {
        "name".into()
    }
    async fn not_of_the_service(&self) -> u8 {
        1
    }
}

impl Base for Here {
    async fn base(&self) -> u8 {
        7
    }
}

impl Derived for Here {
    async fn changed(&self, number: u8) -> u8 {
        number * 2
    }
}

#[tokio::test]
async fn a_server_may_leave_what_has_a_body_and_a_client_calls_it_like_any_other() {
    let client = DerivedClient::from_service(Here);
    assert_eq!(client.own().await.unwrap(), "name 7 here Here");
    assert_eq!(client.borrowed("a", &[String::new()], Some("bc")).await.unwrap(), 4);
    assert_eq!(client.cow("cow".into()).await.unwrap(), "cow");
    assert_eq!(client.with_names("a", "bc").await.unwrap(), 2);
    assert_eq!(client.changed(4).await.unwrap(), 8);
}

#[tokio::test]
async fn what_has_a_body_may_have_streams() {
    let client = DerivedClient::from_service(Here);
    assert_eq!(client.numbers(1).await.unwrap().next().await.unwrap().unwrap(), 0);
    assert_eq!(client.letters("ab").await.unwrap().next().await.unwrap().unwrap(), b'a');
    assert_eq!(client.open("ß").await.unwrap().next().await.unwrap().unwrap(), 'ß');
    assert_eq!(client.open("").await.err().unwrap().service(), Some(&"name".to_owned()));
    assert_eq!(client.total(futures_util::stream::iter([1, 2])).await.unwrap(), 3);
}

#[tokio::test]
async fn the_methods_of_a_supertrait_are_not_the_services() {
    let names: Vec<_> = DerivedClient::DESCRIPTOR.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["own", "borrowed", "cow", "named", "changed", "numbers", "letters", "open", "total"]);
    assert_eq!(Here.not_of_the_service().await, 1);
}

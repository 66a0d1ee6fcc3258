//! Arguments that borrow: a client lends what it has, and a handler gets what lies in the body.

use std::borrow::Cow;

use rpc_runtime::{prelude::*, testing};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line<'a> {
    text: &'a str,
    #[serde(borrow)]
    origin: Option<&'a str>,
}

#[rpc_service]
trait Lines {
    async fn moved(&self, line: Line<'_>, times: usize) -> String;
    async fn lent<'a>(&self, prefix: Cow<'a, str>, line: &Line<'a>) -> usize;
    async fn many(&self, lines: &[Line<'_>]) -> Result<Vec<String>, Status>;
    async fn with_a_stream(&self, line: Line<'_>, more: Streaming<String>) -> String;
    fn words<'a>(&'a self, line: Line<'a>) -> impl Stream<Item = String>;
}

struct Here;

impl Lines for Here {
    async fn moved(&self, line: Line<'_>, times: usize) -> String {
        tokio::task::yield_now().await;
        line.text.repeat(times)
    }

    async fn lent<'a>(&self, prefix: Cow<'a, str>, line: &Line<'a>) -> usize {
        prefix.len() + line.text.len()
    }

    async fn many(&self, lines: &[Line<'_>]) -> Result<Vec<String>, Status> {
        lines.iter().map(|line| line.origin.map(str::to_owned).ok_or_else(|| Status::not_found("an origin"))).collect()
    }

    async fn with_a_stream(&self, line: Line<'_>, mut more: Streaming<String>) -> String {
        let mut text = line.text.to_owned();
        while let Some(Ok(more)) = more.next().await {
            text += &more;
        }
        text
    }

    fn words<'a>(&'a self, line: Line<'a>) -> impl Stream<Item = String> {
        futures_util::stream::iter(line.text.split(' ').map(str::to_owned))
    }
}

async fn lines(codec: CodecKind) -> (LinesClient, testing::Link) {
    let builder = Server::builder().service(LinesServer::new(Here));
    let (channel, server) =
        testing::link(builder, Channel::builder().codec(codec)).await.expect("they are of one make");
    (LinesClient::new(channel), server)
}

#[tokio::test]
async fn a_type_that_borrows_is_an_argument_with_every_codec() {
    for codec in CodecKind::available() {
        let (lines, _server) = lines(*codec).await;
        let text = String::from("a bc");
        let line = Line { text: &text, origin: Some("here") };
        assert_eq!(lines.moved(line, 2).await.unwrap(), "a bca bc", "{codec:?}");
        assert_eq!(lines.lent(Cow::Borrowed("> "), &line).await.unwrap(), 6, "{codec:?}");
        assert_eq!(lines.many(&[line, line]).await.unwrap(), ["here", "here"], "{codec:?}");
        let nowhere = lines.many(&[Line { origin: None, ..line }]).await.unwrap_err();
        assert_eq!(nowhere.code(), Code::NotFound, "{codec:?}");
        let more = futures_util::stream::iter(["d".to_owned()]);
        assert_eq!(lines.with_a_stream(line, more).await.unwrap(), "a bcd", "{codec:?}");
        let mut words = lines.words(line).await.unwrap();
        assert_eq!(words.next().await.unwrap().unwrap(), "a", "{codec:?}");
        assert_eq!(words.next().await.unwrap().unwrap(), "bc", "{codec:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_lent_out_of_the_body_is_refused_before_the_method_runs() {
    let (lines, _server) = lines(CodecKind::Json).await;
    // JSON writes a quotation mark as two letters, so that the text does not lie in the body.
    let refused = lines.moved(Line { text: "\"", origin: None }, 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(!refused.may_have_run());
    assert!(refused.message().contains("Lines.moved"), "{refused}");
}

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
trait Qualified {
    async fn lent(&self, text: &::core::primitive::str, optional: Option<&::core::primitive::str>) -> usize;
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

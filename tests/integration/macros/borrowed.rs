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

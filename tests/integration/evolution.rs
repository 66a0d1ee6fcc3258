//! What becomes of a call when one side has a newer version of a type: the table in README.md, line by line.

use rpc_runtime::{Channel, Code, CodecKind, Server, Status, rpc_service};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

/// The server as it is: it gives back the record that it understood, as text.
#[rpc_service(name = "Shape")]
trait Shape {
    async fn area(&self, square: Square) -> String;
    async fn flat(&self, flat: Flat) -> String;
    async fn either(&self, either: Either) -> String;
    async fn sparse(&self, sparse: Sparse) -> String;
    async fn variant(&self, color: Color) -> String;
    async fn list(&self, square: Square, more: Vec<u32>) -> String;
}

#[derive(Debug, Serialize, Deserialize)]
struct Square {
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    square: Square,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u32),
    Text(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Sparse {
    first: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second: Option<u32>,
    third: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum Color {
    Red,
    Green,
}

struct Shapes;

impl Shape for Shapes {
    async fn area(&self, square: Square) -> String {
        format!("{square:?}")
    }
    async fn flat(&self, flat: Flat) -> String {
        format!("{flat:?}")
    }
    async fn either(&self, either: Either) -> String {
        format!("{either:?}")
    }
    async fn sparse(&self, sparse: Sparse) -> String {
        format!("{sparse:?}")
    }
    async fn variant(&self, color: Color) -> String {
        format!("{color:?}")
    }
    async fn list(&self, square: Square, more: Vec<u32>) -> String {
        format!("{square:?} {more:?}")
    }
}

/// A client whose method takes a type of its own.
macro_rules! clients {
    ($($name:ident.$method:ident($type:ident))*) => {$(
        #[rpc_service(name = "Shape")]
        trait $name {
            async fn $method(&self, value: $type) -> String;
        }
    )*};
}

clients! {
    Added.area(SquareWithDepth)
    Removed.area(SquareWithoutHeight)
    Renamed.area(SquareWithBreadth)
    Reordered.area(SquareTheOtherWay)
    Wider.area(SquareOfU64)
    MoreVariants.variant(MoreColors)
    Shuffled.variant(ShuffledColors)
}

#[rpc_service(name = "Shape")]
trait AddedBefore {
    async fn list(&self, square: SquareWithDepth, more: Vec<u32>) -> String;
}

#[derive(Serialize, Deserialize)]
struct SquareWithDepth {
    width: u32,
    height: u32,
    depth: u32,
}

#[derive(Serialize, Deserialize)]
struct SquareWithoutHeight {
    width: u32,
}

#[derive(Serialize, Deserialize)]
struct SquareWithBreadth {
    breadth: u32,
    height: u32,
}

#[derive(Serialize, Deserialize)]
struct SquareTheOtherWay {
    height: u32,
    width: u32,
}

#[derive(Serialize, Deserialize)]
struct SquareOfU64 {
    width: u64,
    height: u64,
}

#[derive(Serialize, Deserialize)]
enum MoreColors {
    Red,
    Green,
    Blue,
}

#[derive(Serialize, Deserialize)]
enum ShuffledColors {
    Green,
    Red,
}

/// What the server understood, by what the client sent; `None` when it was refused before it ran, by either side.
async fn outcomes(codec: CodecKind) -> Vec<(&'static str, Option<String>)> {
    let address = format!("mem://evolution-{}", codec.name());
    let server = Server::builder().service(ShapeServer::new(Shapes)).bind(&address).await.expect("the name is free");
    let handle = server.handle();
    let mut serving = JoinSet::new();
    serving.spawn(server.serve());
    let channel = Channel::builder().codec(codec).connect(&address).await.expect("it listens");
    let shape = ShapeClient::new(channel.clone());
    let c = || channel.clone();
    let square = Square { width: 2, height: 3 };
    let cube = || SquareWithDepth { width: 2, height: 3, depth: 1 };
    let outcomes = [
        ("same", shape.area(square).await),
        ("added", AddedClient::new(c()).area(cube()).await),
        ("added, more follows", AddedBeforeClient::new(c()).list(cube(), Vec::new()).await),
        ("removed", RemovedClient::new(c()).area(SquareWithoutHeight { width: 2 }).await),
        ("renamed", RenamedClient::new(c()).area(SquareWithBreadth { breadth: 2, height: 3 }).await),
        ("reordered", ReorderedClient::new(c()).area(SquareTheOtherWay { width: 2, height: 3 }).await),
        ("wider, small", WiderClient::new(c()).area(SquareOfU64 { width: 2, height: 3 }).await),
        ("wider, large", WiderClient::new(c()).area(SquareOfU64 { width: 1 << 40, height: 3 }).await),
        ("new variant", MoreVariantsClient::new(c()).variant(MoreColors::Blue).await),
        ("old variant", MoreVariantsClient::new(c()).variant(MoreColors::Green).await),
        ("reordered variants", ShuffledClient::new(c()).variant(ShuffledColors::Red).await),
        ("flatten", shape.flat(Flat { name: "a".into(), square: Square { width: 2, height: 3 } }).await),
        ("untagged", shape.either(Either::Number(7)).await),
        ("skipped", shape.sparse(Sparse { first: 1, second: None, third: 3 }).await),
        ("not skipped", shape.sparse(Sparse { first: 1, second: Some(2), third: 3 }).await),
    ];
    handle.stop();
    let ended = serving.join_next().await.expect("it serves");
    ended.expect("no panic").expect("an orderly end");
    let understood = |outcome: Result<String, Status>| match outcome {
        Ok(text) => Some(text),
        Err(status) => {
            assert_eq!((status.code(), status.may_have_run()), (Code::InvalidArgument, false), "{status}");
            None
        }
    };
    outcomes.into_iter().map(|(name, outcome)| (name, understood(outcome))).collect()
}

fn expect(outcomes: &[(&str, Option<String>)], expected: &[(&str, Option<&str>)]) {
    let outcomes: Vec<_> = outcomes.iter().map(|(name, outcome)| (*name, outcome.as_deref())).collect();
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn json_and_messagepack_go_by_names() {
    let expected = [
        ("same", Some("Square { width: 2, height: 3 }")),
        ("added", Some("Square { width: 2, height: 3 }")),
        ("added, more follows", Some("Square { width: 2, height: 3 } []")),
        ("removed", None),
        ("renamed", None),
        ("reordered", Some("Square { width: 2, height: 3 }")),
        ("wider, small", Some("Square { width: 2, height: 3 }")),
        ("wider, large", None),
        ("new variant", None),
        ("old variant", Some("Green")),
        ("reordered variants", Some("Red")),
        ("flatten", Some("Flat { name: \"a\", square: Square { width: 2, height: 3 } }")),
        ("untagged", Some("Number(7)")),
        ("skipped", Some("Sparse { first: 1, second: None, third: 3 }")),
        ("not skipped", Some("Sparse { first: 1, second: Some(2), third: 3 }")),
    ];
    expect(&outcomes(CodecKind::Json).await, &expected);
    expect(&outcomes(CodecKind::MessagePack).await, &expected);
}

#[tokio::test]
async fn bincode_and_postcard_go_by_order_and_take_another_type_without_notice_when_the_bytes_fit() {
    let expected = [
        ("same", Some("Square { width: 2, height: 3 }")),
        ("added", None),
        ("added, more follows", Some("Square { width: 2, height: 3 } [0]")),
        ("removed", None),
        ("renamed", Some("Square { width: 2, height: 3 }")),
        ("reordered", Some("Square { width: 3, height: 2 }")),
        ("wider, small", Some("Square { width: 2, height: 3 }")),
        ("wider, large", None),
        ("new variant", None),
        ("old variant", Some("Green")),
        ("reordered variants", Some("Green")),
        ("flatten", None),
        ("untagged", None),
        ("skipped", None),
        ("not skipped", Some("Sparse { first: 1, second: Some(2), third: 3 }")),
    ];
    expect(&outcomes(CodecKind::Bincode).await, &expected);
    expect(&outcomes(CodecKind::Postcard).await, &expected);
}

#[derive(Serialize, Deserialize)]
struct SquareWithDefault {
    width: u32,
    height: u32,
    #[serde(default)]
    depth: u32,
}

/// A server with a newer type than the client's.
#[rpc_service(name = "Shape")]
trait Newer {
    async fn area(&self, square: SquareWithDefault) -> u32;
    async fn added_to_the_first(&self, square: SquareWithDefault, factor: u32) -> u32;
}

#[rpc_service(name = "Shape")]
trait Older {
    async fn area(&self, square: Square) -> u32;
    async fn added_to_the_first(&self, square: Square, factor: u32) -> u32;
    async fn gone(&self) -> u32;
}

struct NewerShapes;

impl Newer for NewerShapes {
    async fn area(&self, square: SquareWithDefault) -> u32 {
        square.width * square.height + square.depth
    }
    async fn added_to_the_first(&self, square: SquareWithDefault, factor: u32) -> u32 {
        square.width * square.height * factor + square.depth
    }
}

#[tokio::test]
async fn a_field_with_a_default_may_be_added_where_names_travel_and_methods_come_and_go_with_every_codec() {
    for (codec, with_default) in [
        (CodecKind::Json, Ok(6)),
        (CodecKind::MessagePack, Ok(6)),
        (CodecKind::Bincode, Err(Code::InvalidArgument)),
        (CodecKind::Postcard, Err(Code::InvalidArgument)),
    ] {
        let address = format!("mem://newer-{}", codec.name());
        let server = Server::builder().service(NewerServer::new(NewerShapes)).bind(&address).await.unwrap();
        let handle = server.handle();
        let mut serving = JoinSet::new();
        serving.spawn(server.serve());
        let older = OlderClient::new(Channel::builder().codec(codec).connect(&address).await.unwrap());
        let square = || Square { width: 2, height: 3 };
        assert_eq!(older.area(square()).await.map_err(|status| status.code()), with_default);
        let first = older.added_to_the_first(square(), 1).await.map_err(|status| status.code());
        assert_eq!(first, with_default);
        let gone = older.gone().await.unwrap_err();
        assert_eq!((gone.code(), gone.may_have_run()), (Code::Unimplemented, false));
        handle.stop();
        serving.join_next().await.unwrap().unwrap().unwrap();
    }
}

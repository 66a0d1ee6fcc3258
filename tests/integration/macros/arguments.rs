//! Every shape of argument, owned and borrowed.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rpc_runtime::rpc_service;
use serde::{Deserialize, Serialize};

use super::serve;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i32,
}

// Neither Clone nor Debug: an argument needs nothing but serde.
#[derive(Serialize, Deserialize)]
struct Bare(u8);

#[derive(Serialize, Deserialize)]
struct Label<'a> {
    text: Cow<'a, str>,
}

#[rpc_service]
trait Shapes {
    async fn none(&self) -> u8;
    async fn owned(&self, text: String, point: Point) -> String;
    async fn text(&self, text: &str) -> usize;
    async fn slice(&self, by: f64, values: &[f64]) -> Vec<f64>;
    async fn reference(&self, point: &Point, bare: &Bare) -> i32;
    async fn array(&self, values: &[u16; 3]) -> u16;
    async fn optional(&self, text: Option<&str>, point: Option<&Point>, values: Option<&[u8]>) -> (usize, i32, usize);
    async fn optional_owned(&self, text: Option<String>) -> Option<usize>;
    async fn cow(&self, text: Cow<'_, str>, values: Cow<'_, [u8]>, label: Label<'_>) -> String;
    async fn paths(&self, path: &Path, os: &OsStr, or: Option<&Path>) -> PathBuf;
    async fn lifetimes<'a, 'b: 'a>(&'a self, longer: &'b str, label: &'a Label<'b>) -> String;
    #[expect(clippy::ptr_arg, reason = "it is allowed")]
    async fn bytes(&self, lent: &[u8], vec: Vec<u8>, shared: Bytes, lent_vec: &Vec<u8>, lent_shared: &Bytes) -> u64;
    async fn unit(&self, unit: ()) -> bool;
    async fn map(&self, map: BTreeMap<String, Vec<Point>>, tuple: (u8, (i64, bool))) -> (usize, i64);
    async fn nested(&self, outcome: Result<u8, String>, deep: &[Option<(u8, String)>]) -> usize;
    #[expect(clippy::too_many_arguments, reason = "nine are allowed")]
    async fn nine(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: &str) -> String;
    #[expect(clippy::too_many_arguments, reason = "sixteen are the most")]
    async fn sixteen(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
    ) -> u32;
    async fn same_names_as_generated(&self, service: u8, request: &str, codec: u8, outcome: u8, client: u8) -> String;
}

struct Here;

impl Shapes for Here {
    async fn none(&self) -> u8 {
        7
    }
    async fn owned(&self, text: String, point: Point) -> String {
        format!("{text} {point:?}")
    }
    async fn text(&self, text: &str) -> usize {
        tokio::task::yield_now().await;
        text.len()
    }
    async fn slice(&self, by: f64, values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| by * value).collect()
    }
    async fn reference(&self, point: &Point, bare: &Bare) -> i32 {
        tokio::task::yield_now().await;
        point.x + point.y + i32::from(bare.0)
    }
    async fn array(&self, values: &[u16; 3]) -> u16 {
        values.iter().sum()
    }
    async fn optional(&self, text: Option<&str>, point: Option<&Point>, values: Option<&[u8]>) -> (usize, i32, usize) {
        tokio::task::yield_now().await;
        (text.map_or(99, str::len), point.map_or(99, |point| point.x), values.map_or(99, <[u8]>::len))
    }
    async fn optional_owned(&self, text: Option<String>) -> Option<usize> {
        text.map(|text| text.len())
    }
    async fn cow(&self, text: Cow<'_, str>, values: Cow<'_, [u8]>, label: Label<'_>) -> String {
        format!("{text} {values:?} {}", label.text)
    }
    async fn paths(&self, path: &Path, os: &OsStr, or: Option<&Path>) -> PathBuf {
        path.join(os).join(or.unwrap_or(Path::new("none")))
    }
    async fn lifetimes<'a, 'b: 'a>(&'a self, longer: &'b str, label: &'a Label<'b>) -> String {
        format!("{longer}{}", label.text)
    }
    async fn bytes(&self, lent: &[u8], vec: Vec<u8>, shared: Bytes, lent_vec: &Vec<u8>, lent_shared: &Bytes) -> u64 {
        [lent, &vec, &shared, lent_vec, lent_shared].concat().into_iter().map(u64::from).sum()
    }
    async fn unit(&self, (): ()) -> bool {
        true
    }
    async fn map(&self, map: BTreeMap<String, Vec<Point>>, tuple: (u8, (i64, bool))) -> (usize, i64) {
        (map.values().map(Vec::len).sum(), tuple.1.0)
    }
    async fn nested(&self, outcome: Result<u8, String>, deep: &[Option<(u8, String)>]) -> usize {
        outcome.unwrap_or(9) as usize + deep.len()
    }
    async fn nine(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: &str) -> String {
        format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}")
    }
    async fn sixteen(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
    ) -> u32 {
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p].map(u32::from).iter().sum()
    }
    async fn same_names_as_generated(&self, service: u8, request: &str, codec: u8, outcome: u8, client: u8) -> String {
        format!("{service}{request}{codec}{outcome}{client}")
    }
}

async fn client(address: &str) -> ShapesClient {
    ShapesClient::new(serve(address, ShapesServer::new(Here)).await)
}

#[tokio::test]
async fn owned_arguments_arrive() {
    let client = client("mem://macros-owned").await;
    assert_eq!(client.none().await.unwrap(), 7);
    assert_eq!(client.owned("at".into(), Point { x: 1, y: 2 }).await.unwrap(), "at Point { x: 1, y: 2 }");
    assert_eq!(client.optional_owned(Some("four".into())).await.unwrap(), Some(4));
    assert!(client.unit(()).await.unwrap());
    let map = BTreeMap::from([("a".to_owned(), vec![Point { x: 0, y: 0 }; 3])]);
    assert_eq!(client.map(map, (0, (-1, true))).await.unwrap(), (3, -1));
    assert_eq!(client.nested(Err("no".into()), &[None, Some((1, "x".into()))]).await.unwrap(), 11);
}

#[tokio::test]
async fn borrowed_arguments_are_lent_to_the_handler() {
    let client = client("mem://macros-borrowed").await;
    assert_eq!(client.text(&String::from("größe")).await.unwrap(), 7);
    assert_eq!(client.slice(2.0, &[1.5, -1.0]).await.unwrap(), [3.0, -2.0]);
    assert_eq!(client.reference(&Point { x: 1, y: 2 }, &Bare(3)).await.unwrap(), 6);
    assert_eq!(client.array(&[1, 2, 3]).await.unwrap(), 6);
    assert_eq!(client.optional(None, None, None).await.unwrap(), (99, 99, 99));
    let point = Point { x: 5, y: 0 };
    assert_eq!(client.optional(Some("abc"), Some(&point), Some(&[1, 2])).await.unwrap(), (3, 5, 2));
    let label = |text| Label { text: Cow::Borrowed(text) };
    assert_eq!(client.cow("a".into(), Cow::Borrowed(&[1]), label("l")).await.unwrap(), "a [1] l");
    assert_eq!(client.lifetimes("x", &label("y")).await.unwrap(), "xy");
    let path = client.paths(Path::new("a"), OsStr::new("b"), Some(Path::new("c"))).await.unwrap();
    assert_eq!(path, Path::new("a/b/c"));
}

#[tokio::test]
async fn bytes_travel_in_every_form() {
    let client = client("mem://macros-bytes").await;
    let sum = client.bytes(&[1], vec![2], Bytes::from_static(&[3]), &vec![4], &Bytes::from_static(&[255])).await;
    assert_eq!(sum.unwrap(), 265);
}

#[tokio::test]
async fn nine_and_sixteen_arguments_keep_their_order() {
    let client = client("mem://macros-nine").await;
    assert_eq!(client.nine(1, 2, 3, 4, 5, 6, 7, 8, "nine").await.unwrap(), "12345678nine");
    assert_eq!(client.sixteen(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16).await.unwrap(), 136);
}

#[tokio::test]
async fn arguments_may_be_named_as_generated_code_names_things() {
    let client = client("mem://macros-same-names").await;
    assert_eq!(client.same_names_as_generated(1, "2", 3, 4, 5).await.unwrap(), "12345");
}

#[tokio::test]
async fn a_call_outlives_what_it_borrowed() {
    let client = client("mem://macros-outlives").await;
    let call = {
        let text = String::from("gone");
        client.text(&text)
    };
    drop(client);
    assert_eq!(call.await.unwrap(), 4);
}

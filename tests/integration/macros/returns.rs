//! Every shape of return type, and the error that a client gets for it.

use std::{collections::HashMap, fmt};

use rpc_runtime::{CallError, Code, Status, rpc_service};
use serde::{Deserialize, Serialize};

use super::serve;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Failure {
    Overflow,
    Named { name: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

mod alias {
    pub(super) type Result<T, E = super::Failure> = std::result::Result<T, E>;
    pub(super) type ReturnsResult<T> = std::result::Result<T, super::Failure>;
    pub(super) type ResultOrStatus = std::result::Result<u8, rpc_runtime::Status>;
    pub(super) type Pair<T> = (T, T);
}

/// A plain value, whatever its name has in it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SearchResult {
    hits: u8,
}

#[rpc_service]
trait Returns {
    async fn nothing(&self);
    async fn unit(&self) -> ();
    async fn tuple(&self) -> (u8, String);
    async fn optional(&self, some: bool) -> Option<u8>;
    async fn map(&self) -> HashMap<String, Vec<u32>>;
    async fn bytes(&self) -> Vec<u8>;
    async fn shared_bytes(&self) -> bytes::Bytes;
    async fn bytes_or_error(&self, ok: bool) -> Result<Vec<u8>, Failure>;
    async fn fails(&self, with: Option<Failure>) -> Result<i64, Failure>;
    async fn unit_or_error(&self, ok: bool) -> Result<(), Failure>;
    async fn through_an_alias(&self, ok: bool) -> alias::Result<u8>;
    async fn through_an_alias_with_a_status(&self, ok: bool) -> alias::Result<u8, Status>;
    async fn through_an_alias_of_another_name(&self, text: &str) -> alias::ReturnsResult<u8>;
    async fn through_an_alias_without_arguments(&self, ok: bool) -> alias::ResultOrStatus;
    async fn no_alias(&self) -> SearchResult;
    async fn status(&self, id: u64) -> Result<String, Status>;
    async fn nested(&self, depth: u8) -> Result<Result<u8, String>, Failure>;
    async fn another_alias(&self) -> alias::Pair<u8>;
}

struct Here;

impl Returns for Here {
    async fn nothing(&self) {}
    async fn unit(&self) {}
    async fn tuple(&self) -> (u8, String) {
        (1, "one".into())
    }
    async fn optional(&self, some: bool) -> Option<u8> {
        some.then_some(1)
    }
    async fn map(&self) -> HashMap<String, Vec<u32>> {
        HashMap::from([("k".into(), vec![1, 2])])
    }
    async fn bytes(&self) -> Vec<u8> {
        vec![0, 255, 7]
    }
    async fn shared_bytes(&self) -> bytes::Bytes {
        bytes::Bytes::from_static(&[1, 2])
    }
    async fn bytes_or_error(&self, ok: bool) -> Result<Vec<u8>, Failure> {
        ok.then(|| vec![9; 1_000]).ok_or(Failure::Overflow)
    }
    async fn fails(&self, with: Option<Failure>) -> Result<i64, Failure> {
        with.map_or(Ok(-1), Err)
    }
    async fn unit_or_error(&self, ok: bool) -> Result<(), Failure> {
        ok.then_some(()).ok_or(Failure::Overflow)
    }
    async fn through_an_alias(&self, ok: bool) -> alias::Result<u8> {
        ok.then_some(1).ok_or(Failure::Overflow)
    }
    async fn through_an_alias_with_a_status(&self, ok: bool) -> Result<u8, Status> {
        ok.then_some(1).ok_or_else(|| Status::new(Code::OutOfRange, "far"))
    }
    async fn through_an_alias_of_another_name(&self, text: &str) -> alias::ReturnsResult<u8> {
        text.parse().map_err(|_| Failure::Overflow)
    }
    async fn through_an_alias_without_arguments(&self, ok: bool) -> alias::ResultOrStatus {
        self.through_an_alias_with_a_status(ok).await
    }
    async fn no_alias(&self) -> SearchResult {
        SearchResult { hits: 3 }
    }
    async fn status(&self, id: u64) -> Result<String, Status> {
        Err(Status::not_found(format!("no row {id}")).with_details([1, 2]))
    }
    async fn nested(&self, depth: u8) -> Result<Result<u8, String>, Failure> {
        match depth {
            0 => Err(Failure::Overflow),
            1 => Ok(Err("inner".into())),
            _ => Ok(Ok(depth)),
        }
    }
    async fn another_alias(&self) -> alias::Pair<u8> {
        (1, 2)
    }
}

async fn client(address: &str) -> ReturnsClient {
    ReturnsClient::new(serve(address, ReturnsServer::new(Here)).await)
}

#[tokio::test]
async fn plain_values_come_back_and_fail_with_a_status_only() {
    let client = client("mem://macros-plain").await;
    let nothing: Result<(), Status> = client.nothing().await;
    nothing.unwrap();
    client.unit().await.unwrap();
    assert_eq!(client.tuple().await.unwrap(), (1, "one".into()));
    assert_eq!(client.optional(true).await.unwrap(), Some(1));
    assert_eq!(client.optional(false).await.unwrap(), None);
    assert_eq!(client.map().await.unwrap(), HashMap::from([("k".into(), vec![1, 2])]));
    assert_eq!(client.bytes().await.unwrap(), [0, 255, 7]);
    assert_eq!(client.another_alias().await.unwrap(), (1, 2));
}

#[tokio::test]
async fn bytes_come_back_in_one_piece_also_within_a_result() {
    let client = client("mem://macros-bytes").await;
    assert_eq!(client.shared_bytes().await.unwrap(), [1, 2][..]);
    assert_eq!(client.bytes_or_error(true).await.unwrap(), vec![9; 1_000]);
    assert_eq!(client.bytes_or_error(false).await.unwrap_err().service(), Some(&Failure::Overflow));
}

#[tokio::test]
async fn the_error_of_a_result_comes_back_typed() {
    let client = client("mem://macros-typed").await;
    let ok: Result<i64, CallError<Failure>> = client.fails(None).await;
    assert_eq!(ok.unwrap(), -1);
    let named = Failure::Named { name: "n".into() };
    assert_eq!(client.fails(Some(named.clone())).await.unwrap_err().service(), Some(&named));
    client.unit_or_error(true).await.unwrap();
    assert_eq!(client.unit_or_error(false).await.unwrap_err().service(), Some(&Failure::Overflow));
}

#[tokio::test]
async fn an_alias_of_result_is_a_result() {
    let client = client("mem://macros-alias").await;
    assert_eq!(client.through_an_alias(true).await.unwrap(), 1);
    let error: CallError<Failure> = client.through_an_alias(false).await.unwrap_err();
    assert_eq!(error.service(), Some(&Failure::Overflow));
    let status: Status = client.through_an_alias_with_a_status(false).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
}

#[tokio::test]
async fn an_alias_of_another_name_is_a_result_if_it_is_one() {
    let client = client("mem://macros-other-alias").await;
    assert_eq!(client.through_an_alias_of_another_name("7").await.unwrap(), 7);
    let error: CallError<Failure> = client.through_an_alias_of_another_name("700").await.unwrap_err();
    assert_eq!(error.service(), Some(&Failure::Overflow));
    assert_eq!(client.through_an_alias_without_arguments(true).await.unwrap(), 1);
    let status: Status = client.through_an_alias_without_arguments(false).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    let plain: Result<SearchResult, Status> = client.no_alias().await;
    assert_eq!(plain.unwrap(), SearchResult { hits: 3 });
}

#[tokio::test]
async fn a_handlers_status_arrives_with_its_code_and_details() {
    let status: Status = client("mem://macros-status").await.status(7).await.unwrap_err();
    assert_eq!((status.code(), status.message(), status.details()), (Code::NotFound, "no row 7", &[1, 2][..]));
    assert!(status.may_have_run());
}

#[tokio::test]
async fn a_result_within_a_result_is_a_value() {
    let client = client("mem://macros-nested").await;
    assert_eq!(client.nested(2).await.unwrap(), Ok(2));
    assert_eq!(client.nested(1).await.unwrap(), Err("inner".into()));
    assert_eq!(client.nested(0).await.unwrap_err().service(), Some(&Failure::Overflow));
}

#[tokio::test]
async fn a_method_that_the_server_does_not_have_is_unimplemented() {
    #[rpc_service(name = "Returns")]
    trait Newer {
        async fn added_later(&self) -> u8;
    }
    let channel = serve("mem://macros-newer", ReturnsServer::new(Here)).await;
    let status = NewerClient::new(channel).added_later().await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

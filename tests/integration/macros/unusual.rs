//! What is legal and unusual: types that are named like others, methods that are there under a condition only, default
//! bodies that hold what they do not name.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::Display,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

mod like_std {
    use super::{Deserialize, Display, Serialize};

    /// Named like the standard library's, and with other bounds.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(bound(serialize = "T: Display + Serialize", deserialize = "T: Default + Deserialize<'de>"))]
    pub(super) struct Vec<T>(pub(super) T);

    /// With a length, as such are.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Option<T, const N: usize>(pub(super) T);

    /// Asks nothing of what it is of.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Id<T>(pub(super) u64, #[serde(skip)] pub(super) std::marker::PhantomData<fn() -> T>);
}

struct NotSerde;

const LENGTH: usize = 2;

#[rpc_service]
trait Ring<K, const N: usize> {
    async fn one(&self, key: like_std::Vec<K>) -> like_std::Vec<K>;
    async fn two(&self, key: like_std::Option<K, N>) -> like_std::Option<u8, LENGTH>;
    async fn three(&self, id: like_std::Id<NotSerde>) -> Vec<like_std::Id<NotSerde>>;
    async fn four(&self, keys: Cow<'_, [K]>, map: &HashMap<String, K>) -> Box<Path>
    where
        K: Clone;
}

struct Here;

impl Ring<u8, 4> for Here {
    async fn one(&self, key: like_std::Vec<u8>) -> like_std::Vec<u8> {
        key
    }

    async fn two(&self, key: like_std::Option<u8, 4>) -> like_std::Option<u8, LENGTH> {
        like_std::Option(key.0)
    }

    async fn three(&self, id: like_std::Id<NotSerde>) -> Vec<like_std::Id<NotSerde>> {
        vec![id]
    }

    async fn four(&self, keys: Cow<'_, [u8]>, map: &HashMap<String, u8>) -> Box<Path> {
        Path::new(&format!("{}/{}", keys.len(), map.len())).into()
    }
}

#[tokio::test]
async fn types_that_are_named_like_the_standard_librarys_are_what_they_are() {
    let ring = RingClient::<u8, 4>::from_service(Here);
    assert_eq!(ring.one(like_std::Vec(7)).await.unwrap(), like_std::Vec(7));
    assert_eq!(ring.two(like_std::Option(7)).await.unwrap(), like_std::Option(7));
    assert_eq!(ring.three(like_std::Id(1, std::marker::PhantomData)).await.unwrap()[0].0, 1);
    assert_eq!(&*ring.four(Cow::Borrowed(&[1, 2]), &HashMap::new()).await.unwrap(), Path::new("2/0"));
}

type StResult<T> = Result<T, Status>;

/// No result, whatever it is called.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct SearchResults<V>(Vec<V>);

#[rpc_service]
trait Search<V> {
    async fn first(&self) -> StResult<V>;
    async fn all(&self) -> SearchResults<V>;
    fn stream(&self) -> impl Stream<Item = StResult<V>>;
}

impl<V: Send + Sync + 'static> Search<V> for Here {
    async fn first(&self) -> StResult<V> {
        Err(Status::not_found("the first"))
    }

    async fn all(&self) -> SearchResults<V> {
        SearchResults(Vec::new())
    }

    fn stream(&self) -> impl Stream<Item = StResult<V>> {
        futures_util::stream::iter([Err(Status::not_found("the first"))])
    }
}

#[tokio::test]
async fn an_alias_of_a_parameter_and_a_status_fails_with_the_status() {
    let search = SearchClient::<u8>::from_service(Here);
    let status: Status = search.first().await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(search.all().await.unwrap(), SearchResults(Vec::new()));
    let ended: Status = search.stream().await.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::NotFound);
}

/// One of two is there.
#[rpc_service]
trait Either {
    #[cfg(any())]
    async fn one(&self, x: u8);
    async fn one(&self) -> u8;
    async fn two(&self) -> u8 {
        2
    }
}

impl Either for Here {
    async fn one(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn of_two_methods_of_one_name_the_one_that_is_there_is_called() {
    let either = EitherClient::from_service(Here);
    assert_eq!((either.one().await.unwrap(), either.two().await.unwrap()), (1, 2));
}

/// Counts how many were dropped.
#[derive(Serialize, Deserialize)]
struct Guard(u8);

static DROPPED: AtomicUsize = AtomicUsize::new(0);

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[rpc_service]
trait Defaults {
    async fn held(&self, _guard: Guard) -> usize {
        tokio::task::yield_now().await;
        DROPPED.load(Ordering::Relaxed)
    }

    async fn coerced(&self) -> Box<[u8]> {
        Box::new([1, 2])
    }

    async fn early(&self, number: u8) -> Result<u8, Status> {
        if number > 3 {
            return Err(Status::not_found("so many"));
        }
        Ok(number)
    }

    async fn nothing(&self, mut number: u8) {
        number += 1;
        let _ = number;
    }
}

impl Defaults for Here {}

#[tokio::test]
async fn a_default_body_is_one_of_an_async_fn() {
    let defaults = DefaultsClient::from_service(Here);
    // The caller's own was dropped when it was encoded, the handler's lives as long as the body.
    assert_eq!(defaults.held(Guard(1)).await.unwrap(), 1);
    assert_eq!(*defaults.coerced().await.unwrap(), [1, 2]);
    assert_eq!(defaults.early(3).await.unwrap(), 3);
    assert_eq!(defaults.early(4).await.unwrap_err().code(), Code::NotFound);
    defaults.nothing(1).await.unwrap();
}

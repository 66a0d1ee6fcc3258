//! Parameters and errors under names that generated code, or the runtime, has too.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{Debug, Display},
    hash::Hash,
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Named like the server's own parameter, and as errors are.
#[rpc_service]
trait Odd<S, E, R = u8> {
    async fn failing(&self, s: S, e: &E) -> Result<R, E>;
    async fn pair(&self, s: &[S], e: Option<&E>) -> (Vec<S>, Option<E>);
    fn items(&self, s: Streaming<S>) -> impl Stream<Item = Result<S, E>>;
    async fn opened(&self, service: S, arguments: E, codec: u8) -> Result<impl Stream<Item = S>, E>;
}

struct Here;

impl Odd<u16, String> for Here {
    async fn failing(&self, s: u16, e: &String) -> Result<u8, String> {
        u8::try_from(s).map_err(|_| e.clone())
    }

    async fn pair(&self, s: &[u16], e: Option<&String>) -> (Vec<u16>, Option<String>) {
        (s.to_vec(), e.cloned())
    }

    fn items(&self, s: Streaming<u16>) -> impl Stream<Item = Result<u16, String>> {
        s.map(|item| item.map_err(|status| status.to_string()))
    }

    async fn opened(&self, service: u16, arguments: String, codec: u8) -> Result<impl Stream<Item = u16>, String> {
        if codec == 0 { Err(arguments) } else { Ok(stream::iter([service])) }
    }
}

#[tokio::test]
async fn parameters_may_have_the_names_that_generated_code_has() {
    let client = OddClient::<u16, String>::from_service(Here);
    assert_eq!(client.failing(7, &"no".to_owned()).await.unwrap(), 7);
    assert_eq!(client.failing(700, &"no".to_owned()).await.unwrap_err().service().unwrap(), "no");
    assert_eq!(client.pair(&[1], None).await.unwrap(), (vec![1], None));
    let items: Vec<_> = client.items(stream::iter([1, 2])).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(items, [1, 2]);
    assert_eq!(client.opened(9, "no".to_owned(), 0).await.unwrap_err().service().unwrap(), "no");
    assert_eq!(client.opened(9, "no".to_owned(), 1).await.unwrap().next().await.unwrap().unwrap(), 9);
}

type Fetched<T> = Result<T, String>;
type FetchResult<T> = Fetched<T>;

#[rpc_service]
trait Aliases<K> {
    async fn value(&self, key: K) -> FetchResult<K>;
    async fn items(&self, key: K) -> FetchResult<impl Stream<Item = FetchResult<K>>>;
    async fn status(&self, key: K) -> Result<K, Status>;
}

impl<K: Send + Sync + 'static> Aliases<K> for Here {
    async fn value(&self, _: K) -> FetchResult<K> {
        Err("nothing".to_owned())
    }

    async fn items(&self, key: K) -> FetchResult<impl Stream<Item = FetchResult<K>>> {
        Ok(stream::iter([Ok(key), Err("over".to_owned())]))
    }

    async fn status(&self, _: K) -> Result<K, Status> {
        Err(Status::not_found("nothing"))
    }
}

#[tokio::test]
async fn an_alias_of_a_result_of_a_parameter_is_known_for_one() {
    let client = AliasesClient::<u8>::from_service(Here);
    assert_eq!(client.value(1).await.unwrap_err().service().unwrap(), "nothing");
    let mut items = client.items(1).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    assert_eq!(items.next().await.unwrap().unwrap_err().service().unwrap(), "over");
    let status: Status = client.status(1).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[rpc_service]
trait Bounded<K: Hash + Eq + Ord, V: Debug>
where
    for<'a> &'a K: Display,
    V: Clone,
{
    async fn sorted(&self, map: HashMap<K, V>) -> BTreeMap<K, Vec<V>>
    where
        V: Default;

    async fn shown(&self, key: K) -> String {
        format!("{}", &key)
    }
}

impl Bounded<u8, bool> for Here {
    async fn sorted(&self, map: HashMap<u8, bool>) -> BTreeMap<u8, Vec<bool>> {
        map.into_iter().map(|(key, value)| (key, vec![value])).collect()
    }
}

#[tokio::test]
async fn bounds_stand_in_every_place_that_rust_has_for_them() {
    let client = BoundedClient::<u8, bool>::from_service(Here);
    assert_eq!(client.sorted(HashMap::from([(1, true)])).await.unwrap(), BTreeMap::from([(1, vec![true])]));
    assert_eq!(client.shown(7).await.unwrap(), "7");
}

#[rpc_service]
trait r#Raw<r#T> {
    type r#Item;
    async fn r#match(&self, r#type: r#T) -> Self::r#Item;
}

impl Raw<u8> for Here {
    type Item = u16;
    async fn r#match(&self, r#type: u8) -> u16 {
        r#type.into()
    }
}

#[tokio::test]
async fn raw_names_are_the_names_that_they_stand_for() {
    let client = RawClient::<u8, u16>::from_arc(Arc::new(Here));
    assert_eq!(client.r#match(4).await.unwrap(), 4);
    assert_eq!(RawClient::<u8, u16>::DESCRIPTOR.name, "Raw");
}

mod own {
    use super::{Deserialize, Serialize};

    /// No error of the runtime's.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(super) enum Status {
        Full,
    }

    #[rpc_runtime::rpc_service]
    pub(super) trait Jobs {
        async fn submit(&self) -> Result<u8, Status>;
        async fn status(&self, of: Status) -> Status;
    }
}

impl own::Jobs for Here {
    async fn submit(&self) -> Result<u8, own::Status> {
        Err(own::Status::Full)
    }

    async fn status(&self, of: own::Status) -> own::Status {
        of
    }
}

mod renamed {
    use rpc_runtime::Status as RpcError;

    #[rpc_runtime::rpc_service]
    pub(super) trait Renamed {
        async fn find(&self) -> Result<u8, RpcError>;
    }
}

impl renamed::Renamed for Here {
    async fn find(&self) -> Result<u8, Status> {
        Err(Status::not_found("nothing"))
    }
}

#[tokio::test]
async fn a_type_named_status_is_what_it_is_and_so_is_the_runtimes_under_another_name() {
    let jobs = own::JobsClient::from_service(Here);
    assert_eq!(jobs.submit().await.unwrap_err().service(), Some(&own::Status::Full));
    assert_eq!(jobs.status(own::Status::Full).await.unwrap(), own::Status::Full);
    let found = renamed::RenamedClient::from_service(Here).find().await.unwrap_err();
    assert_eq!(found.status().map(Status::code), Some(Code::NotFound));
}

#[rpc_service]
#[async_trait::async_trait]
trait Dynamic<K: Send + Sync + 'static> {
    type Out: Send;
    async fn of(&self, key: &K) -> Self::Out;
    async fn twice(&self, key: K) -> (K, K)
    where
        K: Clone,
    {
        (key.clone(), key)
    }
}

#[async_trait::async_trait]
impl<K: Send + Sync + 'static> Dynamic<K> for Here {
    type Out = u8;
    async fn of(&self, _: &K) -> u8 {
        1
    }
}

#[tokio::test]
async fn a_client_is_made_of_what_is_behind_dyn() {
    let shared: Arc<dyn Dynamic<u16, Out = u8>> = Arc::new(Here);
    let client = DynamicClient::from_arc(Arc::clone(&shared));
    assert_eq!(client.of(&3).await.unwrap(), 1);
    assert_eq!(client.twice(3).await.unwrap(), (3, 3));
}

/// A constant with the name of the server's parameter, and an error that is a parameter, under an alias.
#[rpc_service]
trait Ring<const S: usize> {
    async fn turn(&self, by: [u8; S]) -> usize;
}

impl Ring<3> for Here {
    async fn turn(&self, by: [u8; 3]) -> usize {
        by.len()
    }
}

type KeyResult<K> = Result<u8, K>;

#[rpc_service]
trait Keys<K> {
    async fn find(&self, key: K) -> KeyResult<K>;
}

impl Keys<String> for Here {
    async fn find(&self, key: String) -> KeyResult<String> {
        Err(key)
    }
}

/// Nothing is asked of a served implementation but what its methods ask.
#[rpc_service]
trait Copied {
    async fn copy(&self) -> u8
    where
        Self: Clone;
    async fn sum(&self, arguments: Streaming<u8>) -> u8;
    fn echo(&self, encode: u8, sent: Streaming<u8>) -> impl Stream<Item = u8>;
}

#[derive(Clone)]
struct Cloned;

impl Copied for Cloned {
    async fn copy(&self) -> u8 {
        1
    }

    async fn sum(&self, mut arguments: Streaming<u8>) -> u8 {
        arguments.next().await.and_then(Result::ok).unwrap_or_default()
    }

    fn echo(&self, encode: u8, sent: Streaming<u8>) -> impl Stream<Item = u8> {
        sent.map(move |number| number.unwrap_or_default() + encode)
    }
}

#[tokio::test]
async fn what_generated_code_names_its_own_way_is_free_for_users() {
    assert_eq!(RingClient::<3>::from_service(Here).turn([1, 2, 3]).await.unwrap(), 3);
    let missing = KeysClient::<String>::from_service(Here).find("a".to_owned()).await.unwrap_err();
    assert_eq!(missing.service().unwrap(), "a");
    let copied = CopiedClient::from_service(Cloned);
    assert_eq!(copied.copy().await.unwrap(), 1);
    assert_eq!(copied.sum(stream::iter([7])).await.unwrap(), 7);
    assert_eq!(copied.echo(1, stream::iter([7])).await.unwrap().next().await.unwrap().unwrap(), 8);
}

/// What an associated type is called stands in a bound as well.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit(u8);

#[rpc_service]
trait Measures<K: Into<Unit> + Send> {
    type Unit;
    async fn measure(&self, key: K) -> Self::Unit;
}

impl Measures<Unit> for Here {
    type Unit = u64;
    async fn measure(&self, key: Unit) -> u64 {
        key.0.into()
    }
}

#[tokio::test]
async fn an_associated_type_may_be_named_like_a_type_in_a_bound() {
    assert_eq!(MeasuresClient::<Unit, u64>::from_service(Here).measure(Unit(7)).await.unwrap(), 7);
}

//! Services with type parameters and associated types: both ends name the types, and need no more of them than what
//! travels asks for.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    hash::Hash,
    sync::{Mutex, MutexGuard},
};

use futures_util::{StreamExt, stream};
use rpc_runtime::{prelude::*, testing};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::serve;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum StoreError {
    Missing,
}

type StoreResult<T> = Result<T, StoreError>;

#[rpc_service]
trait Store<K, V> {
    async fn put(&self, key: K, value: V);
    async fn get(&self, key: &K) -> Option<V>;
    async fn take(&self, key: K) -> Result<V, StoreError>;
    async fn find(&self, keys: &[K]) -> StoreResult<Vec<(K, V)>>;
    async fn all(&self) -> Result<HashMap<K, V>, Status>;
    fn entries(&self) -> impl Stream<Item = (K, V)>;
    async fn fill(&self, entries: Streaming<(K, V)>) -> usize;
    async fn get_or(&self, key: K, default: V) -> V {
        self.get(&key).await.unwrap_or(default)
    }
}

struct Memory<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Memory<K, V> {
    fn held(&self) -> MutexGuard<'_, HashMap<K, V>> {
        self.0.lock().expect("no holder panics")
    }
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> Store<K, V> for Memory<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    async fn put(&self, key: K, value: V) {
        self.held().insert(key, value);
    }

    async fn get(&self, key: &K) -> Option<V> {
        self.held().get(key).cloned()
    }

    async fn take(&self, key: K) -> Result<V, StoreError> {
        self.held().remove(&key).ok_or(StoreError::Missing)
    }

    async fn find(&self, keys: &[K]) -> StoreResult<Vec<(K, V)>> {
        let all = self.held();
        keys.iter()
            .map(|key| Some((key.clone(), all.get(key)?.clone())))
            .collect::<Option<_>>()
            .ok_or(StoreError::Missing)
    }

    async fn all(&self) -> Result<HashMap<K, V>, Status> {
        Ok(self.held().clone())
    }

    fn entries(&self) -> impl Stream<Item = (K, V)> {
        let entries: Vec<_> = self.held().clone().into_iter().collect();
        stream::iter(entries)
    }

    async fn fill(&self, mut entries: Streaming<(K, V)>) -> usize {
        let mut count = 0;
        while let Some(Ok((key, value))) = entries.next().await {
            self.held().insert(key, value);
            count += 1;
        }
        count
    }
}

#[tokio::test]
async fn a_generic_service_is_called_with_the_types_that_its_client_names() {
    let service = StoreServer::new(Memory::<String, u32>::default());
    let store = StoreClient::<String, u32>::new(serve("mem://generic-store", service).await);
    store.put("a".to_owned(), 1).await.unwrap();
    assert_eq!(store.get(&"a".to_owned()).await.unwrap(), Some(1));
    assert_eq!(store.find(&["a".to_owned()]).await.unwrap(), [("a".to_owned(), 1)]);
    assert_eq!(store.all().await.unwrap(), HashMap::from([("a".to_owned(), 1)]));
    assert_eq!(store.get_or("b".to_owned(), 7).await.unwrap(), 7);
    assert_eq!(store.take("a".to_owned()).await.unwrap(), 1);
    let missing = store.take("a".to_owned()).await.unwrap_err();
    assert_eq!(missing.service(), Some(&StoreError::Missing));
    let missing = store.find(&["a".to_owned()]).await.unwrap_err();
    assert_eq!(missing.service(), Some(&StoreError::Missing));
    assert_eq!(store.fill(stream::iter([("x".to_owned(), 1), ("y".to_owned(), 2)])).await.unwrap(), 2);
    assert_eq!(store.entries().await.unwrap().count().await, 2);
}

#[tokio::test]
async fn two_instances_with_other_types_stand_side_by_side_under_names() {
    let server = Server::builder()
        .service(StoreServer::new(Memory::<String, u32>::default()).named("users"))
        .service(StoreServer::new(Memory::<u8, Vec<u8>>::default()).named("blobs"));
    let (channel, _server) = testing::link(server, Channel::builder()).await.unwrap();
    let users = StoreClient::<String, u32>::named(channel.clone(), "users");
    let blobs = StoreClient::<u8, Vec<u8>>::named(channel.clone(), "blobs");
    users.put("ada".to_owned(), 36).await.unwrap();
    blobs.put(1, vec![1, 2]).await.unwrap();
    assert_eq!(users.get(&"ada".to_owned()).await.unwrap(), Some(36));
    assert_eq!(blobs.get(&1).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(users.clone().get(&"bob".to_owned()).await.unwrap(), None);
    let nobody = StoreClient::<u8, u8>::new(channel).get(&1).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_generic_service_is_called_in_its_own_process() {
    let store = StoreClient::<u8, String>::from_service(Memory::default());
    store.put(1, "one".to_owned()).await.unwrap();
    assert_eq!(store.get(&1).await.unwrap().as_deref(), Some("one"));
}

/// A function over all clients of a service, with no bounds but those of what travels.
async fn copy<K, V>(from: &StoreClient<K, V>, to: &StoreClient<K, V>, key: K)
where
    K: Serialize + Clone,
    V: Serialize + DeserializeOwned,
{
    if let Ok(Some(value)) = from.get(&key).await {
        to.put(key, value).await.expect("it is there");
    }
}

#[tokio::test]
async fn code_that_is_generic_itself_calls_a_generic_service() {
    let [from, to] = [0, 1].map(|_| StoreClient::<u8, String>::from_service(Memory::default()));
    from.put(1, "one".to_owned()).await.unwrap();
    copy(&from, &to, 1).await;
    assert_eq!(to.get(&1).await.unwrap().as_deref(), Some("one"));
}

/// Nothing but what travels has to be serde's; and this is neither `Send` nor `Debug` nor `Clone`.
struct Tag(#[expect(dead_code, reason = "it makes the type what it is")] std::rc::Rc<u8>);

#[rpc_service]
trait Marked<T: ?Sized> {
    async fn length(&self, text: &str) -> usize;
}

struct Here;

impl Marked<Tag> for Here {
    async fn length(&self, text: &str) -> usize {
        text.len()
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_travel_has_no_bounds() {
    let client = MarkedClient::<Tag>::new(serve("mem://generic-marked", MarkedServer::<_, Tag>::new(Here)).await);
    assert_eq!(client.clone().length("four").await.unwrap(), 4);
    assert!(format!("{client:?}").starts_with("MarkedClient"));
}

/// Defaults, constants, bounds in both places, and a projection of a parameter.
trait Keyed {
    type Key;
}

impl Keyed for String {
    type Key = u16;
}

#[rpc_service(name = "Table")]
trait Table<T: Keyed + Display, const WIDTH: usize, U = u64>
where
    T::Key: Copy,
{
    /// How many columns there are.
    const COLUMNS: usize = WIDTH;

    async fn key(&self, of: &T) -> T::Key;
    async fn row(&self, of: T::Key) -> [U; WIDTH]
    where
        [U; WIDTH]: Sized;
}

struct Zeroes;

impl Table<String, 3> for Zeroes {
    async fn key(&self, of: &String) -> u16 {
        of.len() as u16
    }

    async fn row(&self, of: u16) -> [u64; 3] {
        [u64::from(of); <Self as Table<String, 3>>::COLUMNS]
    }
}

#[tokio::test]
async fn constants_defaults_bounds_and_projections_are_kept() {
    let client = TableClient::<String, 3>::new(serve("mem://generic-table", TableServer::new(Zeroes)).await);
    let key = client.key(&"four".to_owned()).await.unwrap();
    assert_eq!(client.row(key).await.unwrap(), [4, 4, 4]);
    assert_eq!(TableClient::<String, 3>::DESCRIPTOR.name, "Table");
}

/// An item in the way of the associated type's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Id(u64);

#[rpc_service]
trait Repository {
    type Item: Clone + Send + Sync + 'static;
    type Id: Ord;
    type Error: Send;

    async fn insert(&self, item: Self::Item) -> Result<Id, Self::Error>;
    async fn get(&self, id: Self::Id) -> Result<Self::Item, Self::Error>;
    async fn many(&self, ids: Vec<Self::Id>) -> BTreeMap<Self::Id, Self::Item>;
    fn watch(&self) -> impl Stream<Item = Result<Self::Item, Self::Error>>;
    async fn replace(&self, items: Streaming<Self::Item>) -> u32;
}

#[derive(Default)]
struct Names(Mutex<Vec<String>>);

impl Names {
    fn names(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("no holder panics")
    }
}

impl Repository for Names {
    type Item = String;
    type Id = u32;
    type Error = StoreError;

    async fn insert(&self, item: String) -> Result<Id, StoreError> {
        let mut names = self.names();
        names.push(item);
        Ok(Id(names.len() as u64 - 1))
    }

    async fn get(&self, id: u32) -> Result<String, StoreError> {
        self.names().get(id as usize).cloned().ok_or(StoreError::Missing)
    }

    async fn many(&self, ids: Vec<u32>) -> BTreeMap<u32, String> {
        let names = self.names();
        ids.into_iter().filter_map(|id| Some((id, names.get(id as usize)?.clone()))).collect()
    }

    fn watch(&self) -> impl Stream<Item = Result<String, StoreError>> {
        let names = self.names().clone();
        stream::iter(names.into_iter().map(Ok).chain([Err(StoreError::Missing)]))
    }

    async fn replace(&self, mut items: Streaming<String>) -> u32 {
        self.names().clear();
        while let Some(Ok(item)) = items.next().await {
            self.names().push(item);
        }
        self.names().len() as u32
    }
}

#[tokio::test]
async fn the_associated_types_are_parameters_of_the_client_alone() {
    let channel = serve("mem://generic-repository", RepositoryServer::new(Names::default())).await;
    // `Id` is taken by a type that the trait names, too.
    let names = RepositoryClient::<String, u32, StoreError>::new(channel);
    assert_eq!(names.insert("ada".to_owned()).await.unwrap(), Id(0));
    assert_eq!(names.get(0).await.unwrap(), "ada");
    assert_eq!(names.get(1).await.unwrap_err().service(), Some(&StoreError::Missing));
    assert_eq!(names.many(vec![0, 1]).await.unwrap(), BTreeMap::from([(0, "ada".to_owned())]));
    assert_eq!(names.replace(stream::iter(["bob".to_owned()])).await.unwrap(), 1);
    let watched: Vec<_> = names.watch().await.unwrap().collect().await;
    assert_eq!(watched[0].as_ref().unwrap(), "bob");
    assert_eq!(watched[1].as_ref().unwrap_err().service(), Some(&StoreError::Missing));
}

#[tokio::test]
async fn associated_types_are_inferred_in_process() {
    let names = RepositoryClient::from_service(Names::default());
    assert_eq!(names.insert("ada".to_owned()).await.unwrap(), Id(0));
    let item: String = names.get(0).await.unwrap();
    assert_eq!(item, "ada");
}

/// Generic, and used as `dyn`.
#[rpc_service]
#[async_trait::async_trait]
trait Boxed<T: Send + Sync + 'static> {
    type Out;
    async fn twice(&self, value: &T) -> (T, Self::Out);
}

#[async_trait::async_trait]
impl<T: Clone + Send + Sync + 'static> Boxed<T> for Here {
    type Out = bool;
    async fn twice(&self, value: &T) -> (T, bool) {
        (value.clone(), true)
    }
}

#[tokio::test]
async fn a_generic_service_may_be_used_as_dyn() {
    let service: std::sync::Arc<dyn Boxed<u8, Out = bool>> = std::sync::Arc::new(Here);
    let channel = serve("mem://generic-boxed", BoxedServer::from_arc(service)).await;
    assert_eq!(BoxedClient::<u8, bool>::new(channel).twice(&4).await.unwrap(), (4, true));
}

/// A trait over another one that is a service, too.
#[rpc_service]
trait Measured: Repository<Item = String> {
    async fn size(&self) -> usize
    where
        Self: Sized;
}

impl Measured for Names {
    async fn size(&self) -> usize {
        self.names().len()
    }
}

#[tokio::test]
async fn a_service_over_another_one_has_its_own_methods() {
    let client = MeasuredClient::from_service(Names::default());
    assert_eq!(client.size().await.unwrap(), 0);
    assert_eq!(MeasuredClient::DESCRIPTOR.methods.len(), 1);
}

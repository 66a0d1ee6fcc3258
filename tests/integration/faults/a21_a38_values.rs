//! Many services and clients on a connection, every shape of method in every codec, and values whose `Serialize`
//! is slow, panics or calls (A31, A32, A37).

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rpc_runtime::{Channel, Code, CodecKind, Running, Server, rpc_service};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::a21_a38_service::{FaultsClient, Seen, Waits, serves, settled, spawn, within};

#[rpc_service]
trait Texts {
    async fn upper(&self, text: &str) -> String;
    async fn r#type(&self, r#match: u8) -> u8;
    #[cfg(test)]
    async fn conditional(&self) -> u8;
    #[cfg(not(test))]
    async fn conditional(&self) -> NeverThere;
    async fn no_arguments(&self);
    #[expect(clippy::too_many_arguments, reason = "nine are allowed")]
    async fn nine(&self, a: u8, b: i16, c: u32, d: i64, e: bool, f: char, g: String, h: Option<u8>, i: ()) -> String;
    async fn map(&self, map: BTreeMap<String, u8>) -> BTreeMap<u32, String>;
    async fn tuple(&self, tuple: (u8, (bool, String))) -> ((String, bool), u8);
    async fn optional(&self, optional: Option<Option<u8>>) -> Option<u8>;
    async fn nested(&self, nested: Result<u8, String>) -> Result<Result<u8, String>, String>;
}

struct Here;

impl Texts for Here {
    async fn upper(&self, text: &str) -> String {
        text.to_uppercase()
    }
    async fn r#type(&self, r#match: u8) -> u8 {
        r#match
    }
    async fn conditional(&self) -> u8 {
        1
    }
    async fn no_arguments(&self) {}
    async fn nine(&self, a: u8, b: i16, c: u32, d: i64, e: bool, f: char, g: String, h: Option<u8>, (): ()) -> String {
        format!("{a} {b} {c} {d} {e} {f} {g} {h:?}")
    }
    async fn map(&self, map: BTreeMap<String, u8>) -> BTreeMap<u32, String> {
        map.into_iter().map(|(key, value)| (u32::from(value), key)).collect()
    }
    async fn tuple(&self, (number, (flag, text)): (u8, (bool, String))) -> ((String, bool), u8) {
        ((text, flag), number)
    }
    async fn optional(&self, optional: Option<Option<u8>>) -> Option<u8> {
        optional.flatten()
    }
    async fn nested(&self, nested: Result<u8, String>) -> Result<Result<u8, String>, String> {
        match nested {
            Err(text) if text.is_empty() => Err("empty".to_owned()),
            nested => Ok(nested),
        }
    }
}

/// A31.
#[tokio::test]
async fn several_services_and_several_clients_share_a_connection() {
    let server = Server::builder()
        .service(Seen::new().service())
        .service(Seen::new().service().named("second"))
        .service(TextsServer::new(Here))
        .bind("mem://a31")
        .await
        .unwrap();
    spawn(server.serve());
    let channel = Channel::connect("mem://a31").await.unwrap();
    let clients = (FaultsClient::new(channel.clone()), FaultsClient::named(channel.clone(), "second"));
    let texts = TextsClient::new(channel.clone());
    let unknown = FaultsClient::named(channel.clone(), "third");
    let calls = (0..500).map(|n| {
        let text = n.to_string();
        let (first, second) = (clients.0.add(n, 1), clients.1.add(n, 2));
        let (upper, third) = (texts.upper("ab"), unknown.add(n, 3));
        async move {
            let (first, second, upper, third) = tokio::join!(first, second, upper, third);
            assert_eq!((first.unwrap(), second.unwrap(), upper.unwrap().as_str()), (n + 1, n + 2, "AB"), "{text}");
            assert_eq!(third.unwrap_err().code(), Code::Unimplemented);
        }
    });
    within("all calls end", join_all(calls)).await;
    settled(&channel).await;
    serves("mem://a31").await;
}

/// A32. Each codec; the rest of this case is with the tests of the macro.
#[tokio::test]
async fn methods_of_every_shape_work_in_every_codec() {
    spawn(Server::builder().service(TextsServer::new(Here)).bind("mem://a32").await.unwrap().serve());
    for &codec in CodecKind::available() {
        let texts = TextsClient::new(Channel::builder().codec(codec).connect("mem://a32").await.unwrap());
        assert_eq!(texts.upper("größe").await.unwrap(), "GRÖSSE");
        assert_eq!(texts.r#type(7).await.unwrap(), 7);
        assert_eq!(texts.conditional().await.unwrap(), 1);
        texts.no_arguments().await.unwrap();
        let nine = texts.nine(255, -2, u32::MAX, i64::MIN, true, 'ß', "g".into(), None, ()).await.unwrap();
        assert_eq!(nine, format!("255 -2 {} {} true ß g None", u32::MAX, i64::MIN));
        let map = texts.map(BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])).await.unwrap();
        assert_eq!(map, BTreeMap::from([(1, "a".to_owned()), (2, "b".to_owned())]));
        assert_eq!(texts.tuple((1, (true, "t".into()))).await.unwrap(), (("t".into(), true), 1));
        assert_eq!(texts.optional(Some(Some(3))).await.unwrap(), Some(3));
        assert_eq!(texts.optional(None).await.unwrap(), None);
        assert_eq!(texts.nested(Ok(4)).await.unwrap(), Ok(4));
        assert_eq!(texts.nested(Err("inner".into())).await.unwrap(), Err("inner".into()));
        assert_eq!(texts.nested(Err(String::new())).await.unwrap_err().service().unwrap(), "empty");
        settled(texts.channel()).await;
    }
}

/// What serialising a [`Value`] does.
#[derive(Clone)]
enum Doing {
    Nothing,
    /// Blocks the thread.
    Sleeps(Duration),
    Panics,
    /// Calls over this client and leaves the running call.
    Starts(FaultsClient, Arc<Mutex<Vec<Running<u64>>>>),
    /// Calls over this client and waits for the reply.
    Waits(FaultsClient),
}

/// A number that is serialised in an unusual way.
struct Value(u64, Doing);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.1 {
            Doing::Nothing => {}
            Doing::Sleeps(time) => std::thread::sleep(*time),
            Doing::Panics => std::panic::resume_unwind(Box::new("on purpose")),
            Doing::Starts(client, running) => running.lock().expect("not poisoned").push(client.add(self.0, 1).start()),
            Doing::Waits(client) => {
                let sum = tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(within("the inner call", client.add(self.0, 1)))
                });
                assert_eq!(sum.expect("it is answered"), self.0 + 1);
            }
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(u64::deserialize(deserializer)?, Doing::Nothing))
    }
}

#[rpc_service]
trait Values {
    async fn take(&self, value: Value) -> u64;
    async fn give(&self, number: u64) -> Value;
}

/// Gives values that are serialised in this way.
struct Giver(Doing);

impl Values for Giver {
    async fn take(&self, value: Value) -> u64 {
        value.0
    }
    async fn give(&self, number: u64) -> Value {
        Value(number, self.0.clone())
    }
}

async fn values(address: &str, doing: Doing) -> (ValuesClient, FaultsClient) {
    let services = Server::builder().service(Seen::new().service()).service(ValuesServer::new(Giver(doing)));
    spawn(services.bind(address).await.expect("the address is free").serve());
    let channel = Channel::connect(address).await.expect("it connects");
    (ValuesClient::new(channel.clone()), FaultsClient::new(channel))
}

const SLOW: Duration = Duration::from_secs(1);

/// Calls in tasks of their own, for half of the slow time, are all answered promptly.
async fn others_are_served(others: &FaultsClient) {
    let (others, began) = (others.clone(), Instant::now());
    let waits = spawn(async move {
        let mut waits = Waits::new();
        while began.elapsed() < SLOW / 2 {
            let sent = Instant::now();
            assert_eq!(others.add_in_task(1, 2).await.expect("it is answered"), 3);
            waits.note(sent);
        }
        waits
    });
    within("the others", waits).await.expect("it does not panic").were_short();
}

/// A37.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_argument_that_is_slow_to_serialise_holds_only_its_caller_up() {
    let (values, others) = values("mem://a37-slow-argument", Doing::Nothing).await;
    let slow = values.clone();
    let slow = tokio::task::spawn_blocking(move || slow.take(Value(5, Doing::Sleeps(SLOW))).start());
    others_are_served(&others).await;
    let running = within("it is serialised", slow).await.unwrap();
    assert_eq!(within("its reply", running).await.unwrap(), 5);
    settled(values.channel()).await;
    serves("mem://a37-slow-argument").await;
}

/// A37.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_reply_that_is_slow_to_serialise_holds_only_its_call_up() {
    let (values, others) = values("mem://a37-slow-reply", Doing::Sleeps(SLOW)).await;
    let slow = values.give(5).start();
    others_are_served(&others).await;
    assert_eq!(within("the slow one", slow).await.unwrap().0, 5);
    settled(values.channel()).await;
    serves("mem://a37-slow-reply").await;
}

/// A37.
#[tokio::test]
async fn an_argument_whose_serialize_panics_panics_in_its_caller_and_nowhere_else() {
    let (values, others) = values("mem://a37-panicking-argument", Doing::Nothing).await;
    let bystander = others.wait().timeout(Duration::from_millis(50)).start();
    for _ in 0..10 {
        let panic = catch_unwind(AssertUnwindSafe(|| values.take(Value(1, Doing::Panics)))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
        assert_eq!(within("the next", values.take(Value(2, Doing::Nothing))).await.unwrap(), 2);
    }
    assert_eq!(within("the bystander", bystander).await.unwrap_err().code(), Code::DeadlineExceeded);
    settled(values.channel()).await;
    serves("mem://a37-panicking-argument").await;
}

/// A37.
#[tokio::test]
async fn a_reply_whose_serialize_panics_costs_its_call_an_error_and_nobody_else_anything() {
    let (values, others) = values("mem://a37-panicking-reply", Doing::Panics).await;
    let calls = (0..200).map(|n| {
        let (panics, other) = (values.give(n), others.add(n, 1));
        async move { tokio::join!(panics, other) }
    });
    for (n, (panicked, other)) in (0..).zip(within("all end", join_all(calls)).await) {
        let status = panicked.err().expect("the reply can not be serialised");
        assert_eq!((status.code(), status.may_have_run()), (Code::Internal, true), "{status}");
        assert!(status.message().contains("panicked: on purpose"), "{status}");
        assert_eq!(other.unwrap(), n + 1);
    }
    settled(values.channel()).await;
    serves("mem://a37-panicking-reply").await;
}

/// A37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_argument_whose_serialize_calls_the_same_channel_is_sent_and_so_is_its_call() {
    let (values, others) = values("mem://a37-calling-argument", Doing::Nothing).await;
    let running = Arc::default();
    let argument = Value(5, Doing::Starts(others.clone(), Arc::clone(&running)));
    assert_eq!(within("the outer call", values.take(argument)).await.unwrap(), 5);
    let inner = running.lock().unwrap().pop().unwrap();
    assert_eq!(within("the inner call", inner).await.unwrap(), 6);
    for n in 0..20 {
        let argument = Value(n, Doing::Waits(others.clone()));
        assert_eq!(within("the outer call", values.take(argument)).await.unwrap(), n);
    }
    settled(values.channel()).await;
    serves("mem://a37-calling-argument").await;
}

/// A37. The handler's client calls the server that the handler runs in.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_reply_whose_serialize_calls_is_sent_and_so_is_its_call() {
    let address = "mem://a37-calling-reply";
    let inner = FaultsClient::new(Channel::lazy(address).unwrap());
    let (values, others) = values(address, Doing::Waits(inner.clone())).await;
    for n in 0..20 {
        assert_eq!(within("the outer call", values.give(n)).await.unwrap().0, n);
    }
    assert_eq!(within("another", others.add(1, 2)).await.unwrap(), 3);
    settled(values.channel()).await;
    settled(inner.channel()).await;
    serves(address).await;
}

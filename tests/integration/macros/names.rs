//! Names: reserved words, the options that rename, several instances of one service.

use rpc_runtime::{Channel, Server, rpc_service};

use super::serve;

#[rpc_service]
trait Words {
    async fn r#type(&self, r#match: u8, r#fn: &str) -> String;
    async fn r#await(&self) -> u8;
}

struct Here;

impl Words for Here {
    async fn r#type(&self, r#match: u8, r#fn: &str) -> String {
        format!("{match}{fn}", r#match = r#match, r#fn = r#fn)
    }
    async fn r#await(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn reserved_words_are_names_like_others() {
    let client = WordsClient::new(serve("mem://macros-words", WordsServer::new(Here)).await);
    assert_eq!(client.r#type(1, "2").await.unwrap(), "12");
    assert_eq!(client.r#await().await.unwrap(), 1);
    assert_eq!(WordsClient::DESCRIPTOR.methods[0].full_name, "Words.type");
    assert_eq!(WordsClient::DESCRIPTOR.methods[0].arguments[0].name, "match");
}

#[rpc_service(name = "store", rename_all = "PascalCase")]
trait Renamed {
    async fn list_all(&self) -> u8;
    #[rpc(name = "get-one")]
    async fn get(&self) -> u8;
    #[expect(clippy::wrong_self_convention, reason = "a name that the client has itself")]
    #[rpc(client = "make_new")]
    async fn new(&self) -> u8;
    #[rpc(client = "the_channel", name = "channel")]
    async fn channel(&self) -> u8;
}

impl Renamed for Here {
    async fn list_all(&self) -> u8 {
        1
    }
    async fn get(&self) -> u8 {
        2
    }
    async fn new(&self) -> u8 {
        3
    }
    async fn channel(&self) -> u8 {
        4
    }
}

#[tokio::test]
async fn options_rename_on_the_wire_and_in_the_client() {
    let client = RenamedClient::new(serve("mem://macros-renamed", RenamedServer::new(Here)).await);
    assert_eq!(client.list_all().await.unwrap(), 1);
    assert_eq!(client.get().await.unwrap(), 2);
    assert_eq!(client.make_new().await.unwrap(), 3);
    assert_eq!(client.the_channel().await.unwrap(), 4);
    let names: Vec<_> = RenamedClient::DESCRIPTOR.methods.iter().map(|method| method.full_name).collect();
    assert_eq!(names, ["store.ListAll", "store.get-one", "store.New", "store.channel"]);
}

#[rpc_service]
trait Counter {
    async fn value(&self) -> u64;
}

struct Fixed(u64);

impl Counter for Fixed {
    async fn value(&self) -> u64 {
        self.0
    }
}

#[tokio::test]
async fn two_instances_of_a_service_are_told_apart_by_name() {
    let address = "mem://macros-named";
    let server = Server::builder()
        .service(CounterServer::new(Fixed(1)))
        .service(CounterServer::new(Fixed(2)).named("second"))
        .bind(address)
        .await
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(server.serve());
    let first = CounterClient::new(Channel::connect(address).await.unwrap());
    let second = CounterClient::named(first.channel().clone(), "second");
    assert_eq!(first.value().await.unwrap(), 1);
    assert_eq!(second.value().await.unwrap(), 2);
}

//! Methods and arguments that are named as something else is already.

use rpc_runtime::prelude::*;

#[rpc_service]
#[expect(clippy::wrong_self_convention, reason = "the names")]
trait Names {
    #[rpc(client = "make_new")]
    async fn new(&self) -> u8;
    async fn clone(&self) -> u8;
    async fn call(&self) -> u8;
    async fn timeout(&self) -> u8;
    async fn default(&self) -> u8;
    async fn drop(&self) -> u8;
    async fn fmt(&self) -> u8;
    async fn from(&self) -> u8;
    async fn send(&self) -> u8;
    fn stream(&self) -> impl Stream<Item = u8>;
    async fn items(&self, items: Streaming<u8>) -> u8;
    async fn client(&self) -> u8;
    async fn service(&self) -> u8;
    async fn name(&self) -> u8;
    async fn methods(&self) -> u8;
    async fn descriptor(&self) -> u8;
    async fn arc(&self) -> u8;
    async fn deref(&self) -> u8;
    async fn borrow(&self) -> u8;
    async fn as_ref(&self) -> u8;
    async fn to_owned(&self) -> u8;
    async fn type_id(&self) -> u8;
    async fn eq(&self) -> u8;
    async fn hash(&self) -> u8;
    async fn poll(&self) -> u8;
    async fn decode(&self) -> u8;
    async fn r#type(&self, r#match: u8, r#fn: &str) -> u8;
    async fn r#match(&self, r#type: u8) -> u8;
    fn r#loop(&self, r#in: Streaming<u8>, r#dyn: u8) -> impl Stream<Item = u8>;
}

struct Here;

/// Each method answers with its place.
macro_rules! answers {
    ($($name:ident $place:literal)*) => { $(async fn $name(&self) -> u8 { $place })* };
}

impl Names for Here {
    answers! { new 0 clone 1 call 2 timeout 3 default 4 drop 5 fmt 6 from 7 send 8 client 11 service 12 name 13 }
    answers! { methods 14 descriptor 15 arc 16 deref 17 borrow 18 as_ref 19 to_owned 20 type_id 21 eq 22 }
    answers! { hash 23 poll 24 decode 25 }

    fn stream(&self) -> impl Stream<Item = u8> {
        futures_util::stream::iter([9])
    }
    async fn items(&self, mut items: Streaming<u8>) -> u8 {
        items.next().await.and_then(Result::ok).unwrap_or(0)
    }
    async fn r#type(&self, r#match: u8, r#fn: &str) -> u8 {
        r#match + r#fn.len() as u8
    }
    async fn r#match(&self, r#type: u8) -> u8 {
        r#type
    }
    fn r#loop(&self, r#in: Streaming<u8>, r#dyn: u8) -> impl Stream<Item = u8> {
        futures_util::StreamExt::map(r#in, move |item| item.map_or(0, |item| item + r#dyn))
    }
}

#[tokio::test]
async fn a_method_may_have_the_name_of_what_every_type_has() {
    let client = NamesClient::from_service(Here);
    let answers = [
        client.make_new().await,
        client.clone().await,
        client.call().await,
        client.timeout().await,
        client.default().await,
        client.drop().await,
        client.fmt().await,
        client.from().await,
        client.send().await,
        client.stream().await.unwrap().next().await.unwrap(),
        client.items(futures_util::stream::iter([10])).await,
        client.client().await,
        client.service().await,
        client.name().await,
        client.methods().await,
        client.descriptor().await,
        client.arc().await,
        client.deref().await,
        client.borrow().await,
        client.as_ref().await,
        client.to_owned().await,
        client.type_id().await,
        client.eq().await,
        client.hash().await,
        client.poll().await,
        client.decode().await,
    ];
    assert_eq!(answers.map(Result::unwrap), std::array::from_fn(|place| place as u8));
}

#[tokio::test]
async fn a_method_and_its_arguments_may_be_named_by_keywords() {
    let client = NamesClient::from_service(Here);
    assert_eq!(client.r#type(1, "ab").await.unwrap(), 3);
    assert_eq!(client.r#match(7).await.unwrap(), 7);
    let mut looped = client.r#loop(futures_util::stream::iter([1]), 2).await.unwrap();
    assert_eq!(looped.next().await.unwrap().unwrap(), 3);
    let descriptor = NamesClient::DESCRIPTOR.methods.iter().find(|method| method.name == "type").unwrap();
    assert_eq!(descriptor.arguments.iter().map(|argument| argument.name).collect::<Vec<_>>(), ["match", "fn"]);
}

#[tokio::test]
async fn a_client_with_a_method_clone_can_be_cloned_and_printed() {
    let client = NamesClient::from_service(Here);
    let other = Clone::clone(&client);
    assert!(format!("{other:?}").starts_with("NamesClient"));
    assert_eq!(other.client().await.unwrap(), 11);
}

#[rpc_service]
trait Arguments {
    async fn of_the_server(&self, self_: u8, service: u8, codec: u8, arguments: u8, argument_0: u8) -> u8;
    async fn of_the_client(&self, client: &str, channel: u8, outcome: u8, call: Vec<u8>, this: u8) -> usize;
    fn of_streams(&self, outlet: u8, stream: u8, ended: Streaming<u8>, items: u8) -> impl Stream<Item = u8>;
    async fn of_both(&self, error: u8, stream: Streaming<u8>) -> Result<impl Stream<Item = u8>, u8>;
}

impl Arguments for Here {
    async fn of_the_server(&self, self_: u8, service: u8, codec: u8, arguments: u8, argument_0: u8) -> u8 {
        self_ + service + codec + arguments + argument_0
    }
    async fn of_the_client(&self, client: &str, channel: u8, outcome: u8, call: Vec<u8>, this: u8) -> usize {
        client.len() + call.len() + usize::from(channel + outcome + this)
    }
    fn of_streams(&self, outlet: u8, stream: u8, _: Streaming<u8>, items: u8) -> impl Stream<Item = u8> {
        futures_util::stream::iter([outlet, stream, items])
    }
    async fn of_both(&self, error: u8, _: Streaming<u8>) -> Result<impl Stream<Item = u8>, u8> {
        if error == 0 { Ok(futures_util::stream::iter([1])) } else { Err(error) }
    }
}

#[tokio::test]
async fn an_argument_may_have_the_name_of_something_in_generated_code() {
    let client = ArgumentsClient::from_service(Here);
    assert_eq!(client.of_the_server(1, 2, 3, 4, 5).await.unwrap(), 15);
    assert_eq!(client.of_the_client("ab", 1, 2, vec![0], 3).await.unwrap(), 9);
    let none = || futures_util::stream::iter([0u8; 0]);
    let mut items = client.of_streams(1, 2, none(), 3).await.unwrap();
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    assert_eq!(client.of_both(4, none()).await.err().unwrap().service(), Some(&4));
}

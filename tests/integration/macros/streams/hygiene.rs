//! Generated code does not see the names in the user's scope, and has the attributes of the method.

use rpc_runtime::{Code, Status, prelude::*};

use super::{complete, items};

/// The names that generated code needs, all meaning something else.
#[expect(dead_code, reason = "they are there to be in the way")]
mod shadowed {
    use ::rpc_runtime::rpc_service;

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Box;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Item;
    pub(super) struct Streaming;
    pub(super) struct Outcome;
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) trait Future {}
    pub(super) trait Stream {}
    pub(super) trait SendItem {}
    pub(super) mod std {}
    pub(super) mod core {}
    pub(super) mod rpc_runtime {}

    #[derive(::serde::Serialize, ::serde::Deserialize, ::core::clone::Clone)]
    pub(super) struct Value(pub(super) u8);

    #[rpc_service]
    pub(super) trait Shadowed {
        fn values(&self, value: &Value) -> impl ::futures_util::Stream<Item = Value>;
        fn until(&self) -> impl ::futures_util::Stream<Item = ::core::result::Result<Value, Value>>;
        async fn open(
            &self,
            service: ::rpc_runtime::Streaming<Value>,
            codec: ::core::primitive::u8,
        ) -> ::core::result::Result<impl ::futures_util::Stream<Item = Value>, Value>;
        async fn bytes(&self, outlet: ::rpc_runtime::Streaming<::std::vec::Vec<u8>>);
        async fn default(&self) -> impl ::futures_util::Stream<Item = u8> {
            ::futures_util::stream::iter([1])
        }
    }

    pub(super) struct Here;

    impl Shadowed for Here {
        fn values(&self, value: &Value) -> impl ::futures_util::Stream<Item = Value> {
            ::futures_util::stream::iter([value.clone(), value.clone()])
        }
        fn until(&self) -> impl ::futures_util::Stream<Item = ::core::result::Result<Value, Value>> {
            ::futures_util::stream::iter([::core::result::Result::Ok(Value(1)), ::core::result::Result::Err(Value(2))])
        }
        async fn open(
            &self,
            mut service: ::rpc_runtime::Streaming<Value>,
            codec: u8,
        ) -> ::core::result::Result<impl ::futures_util::Stream<Item = Value>, Value> {
            match service.next().await {
                ::core::option::Option::Some(::core::result::Result::Ok(first)) => {
                    ::core::result::Result::Ok(::futures_util::stream::iter([Value(first.0 + codec)]))
                }
                _ => ::core::result::Result::Err(Value(codec)),
            }
        }
        async fn bytes(&self, _: ::rpc_runtime::Streaming<::std::vec::Vec<u8>>) {}
    }
}

#[tokio::test]
async fn shadowed_names_do_not_matter() {
    use shadowed::{Here, ShadowedClient, Value};
    let client = ShadowedClient::from_service(Here);
    assert_eq!(complete(client.values(&Value(3)).await.unwrap()).await.len(), 2);
    let mut until = client.until().await.unwrap();
    assert_eq!(until.next().await.unwrap().ok().unwrap().0, 1);
    assert_eq!(until.next().await.unwrap().err().unwrap().service().unwrap().0, 2);
    let opened = client.open(items([Value(1)]), 4).await.ok().unwrap();
    assert_eq!(complete(opened).await[0].0, 5);
    assert_eq!(client.open(items::<Value>([]), 4).await.err().unwrap().service().unwrap().0, 4);
    client.bytes(items([vec![1]])).await.unwrap();
    assert_eq!(complete(client.default().await.unwrap()).await, [1]);
}

#[no_implicit_prelude]
mod without_prelude {
    #[::rpc_runtime::rpc_service]
    pub(super) trait Bare {
        fn below(&self, limit: u64) -> impl ::futures_util::Stream<Item = u64>;
        async fn total(&self, values: ::rpc_runtime::Streaming<u64>) -> u64;
        async fn both(
            &self,
            values: ::rpc_runtime::Streaming<u64>,
        ) -> ::core::result::Result<impl ::futures_util::Stream<Item = u64>, ::std::string::String> {
            ::core::result::Result::Ok(self.below(self.total(values).await))
        }
    }

    pub(super) struct Here;

    impl Bare for Here {
        fn below(&self, limit: u64) -> impl ::futures_util::Stream<Item = u64> {
            ::futures_util::stream::iter(0..limit)
        }
        async fn total(&self, mut values: ::rpc_runtime::Streaming<u64>) -> u64 {
            let mut total = 0;
            while let ::core::option::Option::Some(::core::result::Result::Ok(value)) = values.next().await {
                total += value;
            }
            total
        }
    }
}

#[tokio::test]
async fn no_prelude_is_needed() {
    use without_prelude::{BareClient, Here};
    let client = BareClient::from_service(Here);
    assert_eq!(complete(client.below(2).await.unwrap()).await, [0, 1]);
    assert_eq!(client.total(items([1, 2])).await.unwrap(), 3);
    assert_eq!(complete(client.both(items([1, 1])).await.unwrap()).await, [0, 1]);
}

/// A crate that re-exports the runtime, as far as a path is concerned.
mod other_crate {
    pub(super) mod rpc {
        pub(in super::super) use rpc_runtime::*;
    }
}

mod reexported {
    use super::other_crate::rpc::{Streaming, prelude::Stream, rpc_service};

    #[rpc_service(crate = "super::other_crate::rpc")]
    pub(super) trait Reexported {
        fn echo(&self, bytes: Streaming<Vec<u8>>, by: u8) -> impl Stream<Item = Result<Vec<u8>, u8>>;
    }

    impl Reexported for () {
        fn echo(&self, bytes: Streaming<Vec<u8>>, by: u8) -> impl Stream<Item = Result<Vec<u8>, u8>> {
            futures_util::StreamExt::map(bytes, move |bytes| bytes.map_err(|_| by))
        }
    }
}

#[tokio::test]
async fn the_runtime_may_be_reexported() {
    let client = reexported::ReexportedClient::from_service(());
    assert_eq!(complete(client.echo(items([vec![1]]), 1).await.unwrap()).await, [[1]]);
}

/// Traits written by a macro of the user's.
macro_rules! service {
    ($name:ident, $item:ty, $stream:ty, $returned:ty) => {
        #[rpc_service]
        trait $name {
            fn echo(&self, items: Streaming<$item>) -> impl Stream<Item = Result<$item, Status>> {
                items
            }
            async fn count(&self, items: $stream) -> usize {
                futures_util::StreamExt::count(items).await
            }
            fn returned(&self) -> $returned {
                items([1])
            }
        }
    };
}

service!(FromMacro, u8, Streaming<u8>, impl Stream<Item = u8>);

impl FromMacro for () {}

#[tokio::test]
async fn a_trait_may_come_out_of_a_macro() {
    let client = FromMacroClient::from_service(());
    assert_eq!(complete(client.echo(items([1, 2])).await.unwrap()).await, [1, 2]);
    assert_eq!(client.count(items([1, 2])).await.unwrap(), 2);
    assert_eq!(complete(client.returned().await.unwrap()).await, [1]);
}

#[tokio::test]
async fn a_trait_may_be_in_a_function_and_its_items_too() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Local(u8);

    #[rpc_service]
    trait Inner {
        fn echo(&self, locals: Streaming<Local>) -> impl Stream<Item = Result<Local, Status>>;
    }

    impl Inner for () {
        fn echo(&self, locals: Streaming<Local>) -> impl Stream<Item = Result<Local, Status>> {
            locals
        }
    }

    let client = InnerClient::from_service(());
    assert_eq!(complete(client.echo(items([Local(3)])).await.unwrap()).await[0].0, 3);
}

#[rpc_service(rename_all = "camelCase")]
trait Attributes {
    /// Docs.
    #[deprecated]
    fn old_numbers(&self) -> impl Stream<Item = u8>;
    #[cfg(any())]
    fn gone(&self, missing: Streaming<Missing>) -> impl Stream<Item = Missing>;
    #[rpc(name = "Renamed", client = "fresh", task)]
    async fn channel(&self, values: Streaming<u8>) -> usize;
    fn reserved(&self, r#in: Streaming<u8>, r#type: u8) -> impl Stream<Item = u8>;
}

impl Attributes for u8 {
    fn old_numbers(&self) -> impl Stream<Item = u8> {
        items(0..*self)
    }
    async fn channel(&self, values: Streaming<u8>) -> usize {
        futures_util::StreamExt::count(values).await
    }
    fn reserved(&self, r#in: Streaming<u8>, r#type: u8) -> impl Stream<Item = u8> {
        futures_util::StreamExt::map(r#in, move |value| value.map_or(0, |value| value + r#type))
    }
}

#[tokio::test]
async fn a_streaming_method_has_the_attributes_and_options_of_any_other() {
    let client = AttributesClient::from_service(3);
    #[expect(deprecated, reason = "that it is, is what is tested")]
    let old = client.old_numbers().await.unwrap();
    assert_eq!(complete(old).await, [0, 1, 2]);
    assert_eq!(client.fresh(items([1, 2])).await.unwrap(), 2);
    assert_eq!(complete(client.reserved(items([1, 2]), 10).await.unwrap()).await, [11, 12]);
    let names: Vec<_> = AttributesClient::DESCRIPTOR.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["oldNumbers", "Renamed", "reserved"]);
}

#[tokio::test]
async fn a_streaming_method_that_the_service_does_not_have_is_unimplemented() {
    #[rpc_service(name = "Attributes")]
    trait Newer {
        fn added_later(&self) -> impl Stream<Item = u8>;
    }
    let channel = Channel::in_process(AttributesServer::new(3));
    let (items, status) = match NewerClient::new(channel).added_later().await {
        Ok(stream) => super::collect(stream).await,
        Err(status) => (Vec::new(), Some(status)),
    };
    assert_eq!((items, status.unwrap().code()), (Vec::new(), Code::Unimplemented));
}

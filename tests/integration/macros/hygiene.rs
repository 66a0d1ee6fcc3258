//! Generated code does not see the names in the user's scope.

use rpc_runtime::Server;

use super::serve;

/// The names that generated code needs, all meaning something else.
#[expect(dead_code, reason = "they are there to be in the way")]
mod shadowed {
    use ::rpc_runtime::rpc_service;

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Box;
    pub(super) struct Vec;
    pub(super) struct String;
    pub(super) struct Arc;
    pub(super) struct Pin;
    pub(super) struct Cow;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct S;
    pub(super) trait Send {}
    pub(super) trait Sync {}
    pub(super) trait Sized {}
    pub(super) trait Future {}
    pub(super) trait Clone {}
    pub(super) trait Debug {}
    pub(super) trait Into {}
    pub(super) trait Service {}
    pub(super) mod std {}
    pub(super) mod core {}
    pub(super) mod rpc_runtime {}

    #[derive(::serde::Serialize, ::serde::Deserialize)]
    pub(super) struct Value(pub(super) u8);

    #[rpc_service]
    pub(super) trait Shadowed {
        async fn value(&self, value: &Value, text: &str, list: &[u8]) -> ::core::result::Result<Value, Value>;
        async fn optional(&self, value: ::core::option::Option<&str>) -> ::core::primitive::u8;
        async fn nothing(&self);
        async fn default(&self) -> ::std::string::String {
            ::std::string::String::new()
        }
    }

    pub(super) struct Here;

    impl Shadowed for Here {
        async fn value(&self, value: &Value, text: &str, list: &[u8]) -> ::core::result::Result<Value, Value> {
            if text.is_empty() {
                return ::core::result::Result::Err(Value(0));
            }
            ::core::result::Result::Ok(Value(value.0 + list[0]))
        }
        async fn optional(&self, value: ::core::option::Option<&str>) -> u8 {
            u8::from(value.is_some())
        }
        async fn nothing(&self) {}
    }
}

#[tokio::test]
async fn shadowed_names_do_not_matter() {
    use shadowed::{Here, ShadowedClient, ShadowedServer, Value};
    let client = ShadowedClient::new(serve("mem://macros-shadowed", ShadowedServer::new(Here)).await);
    assert_eq!(client.value(&Value(1), "x", &[2]).await.ok().unwrap().0, 3);
    assert_eq!(client.value(&Value(1), "", &[2]).await.err().unwrap().service().unwrap().0, 0);
    assert_eq!(client.optional(None).await.unwrap(), 0);
    client.nothing().await.unwrap();
    assert_eq!(client.default().await.unwrap(), "");
}

#[no_implicit_prelude]
mod without_prelude {
    #[::rpc_runtime::rpc_service]
    pub(super) trait Bare {
        async fn scale(&self, by: f64, values: &[f64]) -> ::std::vec::Vec<f64>;
        async fn default(&self, text: &str) -> ::core::result::Result<u8, ::std::string::String> {
            ::core::result::Result::Ok(text.len() as u8)
        }
    }

    pub(super) struct Here;

    impl Bare for Here {
        async fn scale(&self, by: f64, values: &[f64]) -> ::std::vec::Vec<f64> {
            let scaled = ::std::iter::Iterator::map(values.iter(), |value| by * value);
            ::std::iter::Iterator::collect(scaled)
        }
    }
}

#[tokio::test]
async fn no_prelude_is_needed() {
    use without_prelude::{BareClient, BareServer, Here};
    let client = BareClient::new(serve("mem://macros-bare", BareServer::new(Here)).await);
    assert_eq!(client.scale(3.0, &[1.0]).await.unwrap(), [3.0]);
    assert_eq!(client.default("abc").await.unwrap(), 3);
}

/// A crate that re-exports the runtime, as far as a path is concerned.
mod other_crate {
    pub(super) mod rpc {
        pub(in super::super) use rpc_runtime::*;
    }
}

mod reexported {
    use super::other_crate::rpc::rpc_service;

    #[rpc_service(crate = "super::other_crate::rpc")]
    pub(super) trait Reexported {
        async fn value(&self, bytes: &[u8]) -> Result<u8, String>;
    }

    impl Reexported for () {
        async fn value(&self, bytes: &[u8]) -> Result<u8, String> {
            bytes.first().copied().ok_or_else(String::new)
        }
    }
}

#[tokio::test]
async fn the_runtime_may_be_reexported() {
    use reexported::{ReexportedClient, ReexportedServer};
    let client = ReexportedClient::new(serve("mem://macros-reexported", ReexportedServer::new(())).await);
    assert_eq!(client.value(&[9]).await.unwrap(), 9);
}

/// Traits written by a macro of the user's.
macro_rules! service {
    ($name:ident, $method:ident, $argument:ty, $output:ty) => {
        #[::rpc_runtime::rpc_service]
        trait $name {
            async fn $method(&self, argument: &$argument, list: &[$argument]) -> $output {
                let _ = list;
                (*argument).into()
            }
        }
    };
}

service!(FromMacro, widen, u8, u64);
service!(S, narrow, u8, Option<u8>);

impl FromMacro for () {}
impl S for () {}

#[tokio::test]
async fn a_trait_may_come_out_of_a_macro() {
    let address = "mem://macros-macro";
    let server = Server::builder().service(FromMacroServer::new(())).service(SServer::new(())).bind(address).await;
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
    tokio::spawn(server.unwrap().serve());
    let channel = rpc_runtime::Channel::connect(address).await.unwrap();
    assert_eq!(FromMacroClient::new(channel.clone()).widen(&7, &[]).await.unwrap(), 7);
    assert_eq!(SClient::new(channel).narrow(&7, &[]).await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_trait_may_be_in_a_function() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Local(u8);

    #[rpc_runtime::rpc_service]
    trait Inner {
        async fn local(&self, local: Local) -> Local;
    }

    impl Inner for () {
        async fn local(&self, local: Local) -> Local {
            local
        }
    }

    let client = InnerClient::new(serve("mem://macros-inner", InnerServer::new(())).await);
    assert_eq!(client.local(Local(3)).await.unwrap().0, 3);
}

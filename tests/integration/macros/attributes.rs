//! What is carried over from the trait: cfg, deprecated, docs, visibility.

use rpc_runtime::rpc_service;

use super::serve;

#[rpc_service]
trait Conditional {
    async fn always(&self) -> u8;
    #[cfg(test)]
    async fn here(&self) -> u8;
    #[cfg(not(test))]
    async fn not_here(&self, of: DoesNotExist) -> DoesNotExist;
    #[cfg(test)]
    async fn either(&self) -> u8;
    #[cfg(not(test))]
    async fn either(&self) -> u16;
}

struct Here;

impl Conditional for Here {
    async fn always(&self) -> u8 {
        1
    }
    async fn here(&self) -> u8 {
        2
    }
    async fn either(&self) -> u8 {
        3
    }
}

#[tokio::test]
async fn a_method_that_is_compiled_out_is_nowhere() {
    let client = ConditionalClient::new(serve("mem://macros-cfg", ConditionalServer::new(Here)).await);
    assert_eq!(client.always().await.unwrap(), 1);
    assert_eq!(client.here().await.unwrap(), 2);
    assert_eq!(client.either().await.unwrap(), 3);
    let names: Vec<_> = ConditionalClient::DESCRIPTOR.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["always", "here", "either"]);
}

#[rpc_service]
#[cfg(not(test))]
trait CompiledOut {
    async fn nothing_of_this_exists(&self) -> DoesNotExist;
}

mod strict {
    //! Warnings are errors here, and what is generated gives none.
    #![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused, deprecated)]
    #![deny(clippy::all, clippy::pedantic, unused_qualifications, rust_2018_idioms)]

    use rpc_runtime::rpc_service;

    /// A service with documentation.
    #[rpc_service]
    pub(super) trait Documented {
        /// Old.
        #[deprecated(note = "use `new_one`")]
        async fn old_one(&self) -> u8;
        /// New.
        async fn new_one(&self, text: String) -> Result<u8, String> {
            Ok(u8::from(text.is_empty()))
        }
    }

    /// A service that nobody uses.
    #[rpc_service]
    #[deprecated]
    pub(super) trait Unused {
        /// Does nothing.
        async fn nothing(&self);
        /// Nine arguments.
        #[expect(clippy::too_many_arguments, reason = "the generated method has none to expect")]
        async fn nine(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: Vec<String>) -> u8;
    }

    #[rpc_service]
    trait Private {
        async fn undocumented(&self) -> u8;
    }

    #[rpc_service]
    trait Empty {}
}

use strict::{Documented, DocumentedClient, DocumentedServer};

impl Documented for Here {
    async fn old_one(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn a_deprecated_method_is_deprecated_in_the_client_and_works() {
    let client = DocumentedClient::new(serve("mem://macros-strict", DocumentedServer::new(Here)).await);
    #[expect(deprecated, reason = "the client's method is deprecated as the trait's is")]
    let old = client.old_one().await.unwrap();
    assert_eq!((old, client.new_one(String::new()).await.unwrap()), (1, 1));
    let deprecated: Vec<_> = DocumentedClient::DESCRIPTOR.methods.iter().map(|method| method.deprecated).collect();
    assert_eq!(deprecated, [true, false]);
}

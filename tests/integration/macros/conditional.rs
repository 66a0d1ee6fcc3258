//! Methods that depend on cfg, in whatever way that is written.

use rpc_runtime::prelude::*;

#[rpc_service]
trait Conditional {
    async fn always(&self) -> u8;
    #[cfg(test)]
    async fn here(&self) -> u8;
    #[cfg(not(test))]
    async fn gone(&self, of: Nothing) -> Nothing;
    #[cfg(all(test, not(any())))]
    async fn combined(&self) -> u8;
    #[cfg_attr(test, cfg(test))]
    async fn here_if(&self) -> u8;
    #[cfg_attr(not(test), cfg(not(test)))]
    async fn not_asked(&self) -> u8;
    #[cfg_attr(test, doc = "Documented.")]
    async fn documented(&self) -> u8;
    #[cfg_attr(test, deprecated(note = "old"))]
    async fn deprecated(&self) -> u8;
    #[cfg_attr(not(test), deprecated, doc = "Not said.")]
    async fn not_deprecated(&self) -> u8;
    #[cfg(not(test))]
    fn stream_gone(&self, of: Streaming<Nothing>) -> impl Stream<Item = Nothing>;
    #[cfg(test)]
    fn stream_here(&self) -> impl Stream<Item = u8>;
    #[cfg(not(test))]
    async fn gone_with_a_body(&self) -> Nothing {
        Nothing
    }
}

impl Conditional for () {
    async fn always(&self) -> u8 {
        1
    }
    async fn here(&self) -> u8 {
        2
    }
    async fn combined(&self) -> u8 {
        3
    }
    async fn here_if(&self) -> u8 {
        4
    }
    async fn not_asked(&self) -> u8 {
        5
    }
    async fn documented(&self) -> u8 {
        6
    }
    async fn deprecated(&self) -> u8 {
        7
    }
    async fn not_deprecated(&self) -> u8 {
        8
    }
    fn stream_here(&self) -> impl Stream<Item = u8> {
        futures_util::stream::iter([9])
    }
}

#[tokio::test]
async fn what_is_compiled_in_can_be_called_and_what_is_not_is_nowhere() {
    let client = ConditionalClient::from_service(());
    assert_eq!(client.always().await.unwrap(), 1);
    assert_eq!(client.here().await.unwrap(), 2);
    assert_eq!(client.combined().await.unwrap(), 3);
    assert_eq!(client.here_if().await.unwrap(), 4);
    assert_eq!(client.not_asked().await.unwrap(), 5);
    assert_eq!(client.documented().await.unwrap(), 6);
    assert_eq!(client.not_deprecated().await.unwrap(), 8);
    assert_eq!(client.stream_here().await.unwrap().next().await.unwrap().unwrap(), 9);
    let names: Vec<_> = ConditionalClient::DESCRIPTOR.methods.iter().map(|method| method.name).collect();
    let wanted = ["always", "here", "combined", "here_if", "not_asked"];
    assert_eq!(names[..5], wanted);
    assert_eq!(names[5..], ["documented", "deprecated", "not_deprecated", "stream_here"]);
}

#[tokio::test]
async fn a_method_that_is_deprecated_under_a_condition_is_so_in_the_client() {
    let client = ConditionalClient::from_service(());
    #[expect(deprecated, reason = "that it is, is what is tested")]
    let seven = client.deprecated().await.unwrap();
    assert_eq!(seven, 7);
}

#[rpc_service]
trait Doubly {
    async fn here(&self) -> u8;
    #[cfg_attr(test, cfg(not(test)))]
    async fn gone(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg(not(test)), doc = "More than cfg.")]
    async fn gone_with_docs(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg_attr(test, cfg(not(test))))]
    async fn gone_twice(&self, of: Nothing) -> Nothing;
    #[cfg_attr(test, cfg(not(test)))]
    fn stream_gone(&self, of: Streaming<Nothing>) -> impl Stream<Item = Nothing>;
}

impl Doubly for () {
    async fn here(&self) -> u8 {
        1
    }
}

#[tokio::test]
async fn a_cfg_may_itself_depend_on_cfg() {
    assert_eq!(DoublyClient::from_service(()).here().await.unwrap(), 1);
    assert_eq!(DoublyClient::DESCRIPTOR.methods.len(), 1);
}

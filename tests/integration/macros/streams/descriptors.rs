//! What is said of streams as constant data.

use futures_util::stream::BoxStream;
use rpc_runtime::{
    descriptor::{Execution, MethodDescriptor, MethodKind},
    prelude::*,
};

#[rpc_service]
trait Described {
    async fn unary(&self, values: Vec<u8>) -> u64;
    fn primes(&self, below: u64) -> impl Stream<Item = u64>;
    async fn tail(&self) -> Result<impl Stream<Item = Result<(u8, String), String>> + Send, Status>;
    async fn total(&self, by: u8, values: Streaming<Vec<i64>>, label: &str) -> i64;
    fn both(&self, values: Streaming<Vec<u8>>) -> BoxStream<'_, Vec<u8>>;
}

fn method(name: &str) -> &'static MethodDescriptor {
    let found = DescribedClient::DESCRIPTOR.methods.iter().find(|method| method.rust_name == name);
    found.expect("it is in the trait")
}

#[test]
fn a_method_is_described_with_its_kind() {
    let kinds = ["unary", "primes", "tail", "total", "both"].map(|name| method(name).kind);
    use MethodKind::{Bidirectional, ClientStreaming, ServerStreaming, Unary};
    assert_eq!(kinds, [Unary, ServerStreaming, ServerStreaming, ClientStreaming, Bidirectional]);
    assert_eq!(method("primes").execution, Execution::Auto);
}

#[test]
fn a_method_is_described_with_its_items_as_written() {
    let items = |name| (method(name).items_in, method(name).items_out);
    assert_eq!(items("unary"), (None, None));
    assert_eq!(items("primes"), (None, Some("u64")));
    assert_eq!(items("tail"), (None, Some("Result<(u8, String), String>")));
    assert_eq!(items("total"), (Some("Vec<i64>"), None));
    assert_eq!(items("both"), (Some("Vec<u8>"), Some("Vec<u8>")));
}

#[test]
fn a_stream_is_in_the_return_type_as_written_and_not_among_the_arguments() {
    let arguments = |name| -> Vec<&str> { method(name).arguments.iter().map(|argument| argument.name).collect() };
    assert_eq!(arguments("total"), ["by", "label"]);
    assert_eq!(arguments("both"), [""; 0]);
    assert_eq!(method("primes").output, "impl Stream<Item = u64>");
    let written = "Result<impl Stream<Item = Result<(u8, String), String>> + Send, Status>";
    assert_eq!((method("tail").output, method("both").output), (written, "BoxStream<'_, Vec<u8>>"));
}

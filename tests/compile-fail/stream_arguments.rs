//! What an argument that is a stream can not be.

use std::borrow::Cow;

use futures_util::stream::BoxStream;
use rpc_runtime::prelude::*;

#[rpc_service]
trait Sums {
    async fn two(&self, a: Streaming<u8>, by: u8, b: Streaming<u8>) -> u8;
    async fn three(&self, a: Streaming<u8>, b: Streaming<u8>, c: Streaming<u8>) -> u8;
    async fn in_a_tuple(&self, both: (Streaming<u8>, u8)) -> u8;
    async fn in_a_list(&self, lists: Vec<Streaming<Vec<u8>>>) -> u8;
    async fn in_an_option(&self, values: Option<Streaming<u8>>) -> u8;
    async fn without_items(&self, values: Streaming) -> u8;
    async fn with_an_error(&self, values: Streaming<u8, String>) -> u8;
    async fn opaque(&self, values: impl Stream<Item = u8>) -> u8;
    async fn opaque_without_items(&self, values: impl Stream) -> u8;
    async fn boxed(&self, values: BoxStream<'static, u8>) -> u8;
    async fn lent(&self, values: &Streaming<u8>) -> u8;
    async fn lent_to_be_changed(&self, values: &mut Streaming<u8>) -> u8;
    async fn of_references(&self, values: Streaming<&str>) -> u8;
    async fn of_lifetimes(&self, values: Streaming<Cow<'_, str>>) -> u8;
    async fn of_opaque_items(&self, values: Streaming<impl Copy>) -> u8;
    async fn of_its_own(&self, values: Streaming<Box<Self>>) -> u8;
    async fn of_streams(&self, values: Streaming<Streaming<u8>>) -> u8;
    async fn pattern(&self, (): Streaming<u8>) -> u8;
    #[rpc(inline)]
    async fn inline(&self, values: Streaming<u8>) -> u8;
    fn not_async(&self, values: Streaming<u8>) -> u8;
    async fn right(&self, values: Streaming<Cow<'static, str>>) -> u8;
}

fn main() {
    let _ = SumsClient::DESCRIPTOR;
}

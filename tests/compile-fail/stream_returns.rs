//! What a method that returns a stream can not return.

use std::{borrow::Cow, pin::Pin};

use futures_util::stream::LocalBoxStream;
use rpc_runtime::prelude::*;

type Opened<T> = Result<T, String>;

#[rpc_service]
trait Numbers {
    fn received(&self) -> Streaming<u8>;
    async fn received_or_error(&self) -> Result<Streaming<u8>, String>;
    fn without_items(&self) -> impl Stream;
    fn of_references(&self) -> impl Stream<Item = &str>;
    fn of_lifetimes(&self, from: &str) -> impl Stream<Item = Result<Cow<'_, str>, String>>;
    fn of_opaque_items(&self) -> impl Stream<Item = impl Copy>;
    fn of_its_own(&self) -> impl Stream<Item = Box<Self>>;
    fn of_streams(&self) -> impl Stream<Item = Streaming<u8>>;
    async fn in_a_tuple(&self) -> (impl Stream<Item = u8>, u8);
    async fn in_a_tuple_or_error(&self) -> Result<(impl Stream<Item = u8>, u8), String>;
    async fn in_an_option(&self) -> Option<impl Stream<Item = u8>>;
    async fn through_an_alias(&self) -> Opened<impl Stream<Item = u8>>;
    fn not_async(&self) -> Result<impl Stream<Item = u8>, String>;
    async fn borrowed_error(&self) -> Result<impl Stream<Item = u8>, &str>;
    fn not_sendable(&self) -> Pin<Box<dyn Stream<Item = u8> + '_>>;
    async fn local(&self) -> LocalBoxStream<'_, u8>;
    async fn not_pinned(&self) -> Result<Box<dyn Stream<Item = Vec<u8>> + Send + Unpin>, String>;
    async fn other(&self) -> impl Iterator<Item = u8>;
    #[rpc(inline)]
    fn inline(&self) -> impl Stream<Item = u8>;
    fn right(&self) -> impl Stream<Item = Cow<'static, str>>;
}

fn main() {
    let _ = NumbersClient::right;
}

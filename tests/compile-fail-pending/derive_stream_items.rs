//! Items of streams travel in either direction, and so do the errors that end them or keep them from beginning.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Neither.
pub struct Neither;

#[derive(Serialize)]
pub struct OnlySerialize;

#[derive(Deserialize)]
pub struct OnlyDeserialize;

#[rpc_service]
pub trait Returned {
    fn neither(&self) -> impl Stream<Item = Neither>;
    fn not_encoded(&self, a: u8) -> impl Stream<Item = OnlyDeserialize>;
    async fn not_decoded(&self) -> impl Stream<Item = OnlySerialize>;
}

#[rpc_service]
pub trait Received {
    async fn neither(&self, items: Streaming<Neither>);
    async fn not_encoded(&self, a: u8, items: Streaming<OnlyDeserialize>) -> u8;
    fn not_decoded(&self, items: Streaming<OnlySerialize>) -> impl Stream<Item = u8>;
}

#[rpc_service]
pub trait Failing {
    fn item(&self) -> impl Stream<Item = Result<Neither, String>>;
    fn error_of_an_item(&self) -> impl Stream<Item = Result<u8, OnlySerialize>>;
    async fn opening(&self) -> Result<impl Stream<Item = u8>, OnlyDeserialize>;
}

fn main() {}

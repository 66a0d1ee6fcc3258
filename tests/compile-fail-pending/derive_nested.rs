//! The type that lacks a derive is named, and not the type around it.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Neither.
pub struct Neither;

#[derive(Serialize)]
pub struct OnlySerialize;

#[derive(Deserialize)]
pub struct OnlyDeserialize;

#[rpc_service]
pub trait Nested {
    async fn in_a_list(&self, values: Vec<Neither>);
    async fn in_an_option(&self) -> Option<Option<OnlySerialize>>;
    async fn in_a_tuple(&self, values: (u8, OnlyDeserialize, String));
    async fn in_an_array(&self) -> [OnlySerialize; 4];
    async fn in_a_map(&self, map: std::collections::HashMap<String, Vec<Neither>>);
    async fn in_a_box(&self) -> Box<OnlyDeserialize>;
    async fn in_a_result(&self, outcome: Result<u8, Neither>) -> Result<Option<Vec<OnlySerialize>>, String>;
    fn in_an_item(&self, items: Streaming<Vec<OnlyDeserialize>>) -> impl Stream<Item = (u8, OnlySerialize)>;
}

fn main() {}

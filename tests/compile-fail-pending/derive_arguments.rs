//! An argument is encoded by the client and decoded by the server: it needs both derives, whatever way it is taken.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Neither.
pub struct Neither;

#[derive(Serialize)]
pub struct OnlySerialize;

#[derive(Deserialize)]
pub struct OnlyDeserialize;

#[rpc_service]
pub trait Arguments {
    async fn moved(&self, value: Neither);
    async fn not_encoded(&self, value: OnlyDeserialize);
    async fn not_decoded(&self, value: OnlySerialize);
    async fn right(&self, value: u8);
}

#[rpc_service]
pub trait Lent {
    async fn by_reference(&self, first: u8, value: &Neither);
    async fn in_a_list(&self, values: &[OnlyDeserialize], last: u8);
    async fn optional(&self, value: Option<&OnlySerialize>);
}

fn main() {}

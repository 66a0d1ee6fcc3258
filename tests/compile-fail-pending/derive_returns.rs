//! What is returned is encoded by the server and decoded by the client.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Neither.
pub struct Neither;

#[derive(Serialize)]
pub struct OnlySerialize;

#[derive(Deserialize)]
pub struct OnlyDeserialize;

#[rpc_service]
pub trait Returns {
    async fn neither(&self) -> Neither;
    async fn not_encoded(&self, a: u8) -> OnlyDeserialize;
    async fn not_decoded(&self, a: u8, b: u8) -> OnlySerialize;
}

#[rpc_service]
pub trait Outcomes {
    async fn neither(&self) -> Result<Neither, String>;
    async fn not_encoded(&self) -> Result<OnlyDeserialize, Status>;
    async fn not_decoded(&self) -> Result<Result<OnlySerialize, u8>, String>;
}

fn main() {}

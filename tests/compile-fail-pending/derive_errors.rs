//! The error of a method travels as its value does. Errors of the standard library do not.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Neither.
pub struct Neither;

#[derive(Serialize)]
pub struct OnlySerialize;

#[derive(Deserialize)]
pub struct OnlyDeserialize;

type MyResult<T> = Result<T, OnlySerialize>;

#[rpc_service]
pub trait Errors {
    async fn neither(&self) -> Result<u8, Neither>;
    async fn not_encoded(&self) -> Result<Vec<u8>, OnlyDeserialize>;
    async fn not_decoded(&self, a: u8) -> MyResult<u8>;
    async fn boxed(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
    async fn of_io(&self) -> std::io::Result<u8>;
    async fn right(&self) -> Result<u8, Status>;
}

fn main() {}

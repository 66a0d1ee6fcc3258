//! A type of another kind that is named like bytes.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Bytes {
    of: u64,
}

#[rpc_service]
trait Disk {
    async fn reserve(&self, size: Bytes) -> Result<Option<Bytes>, String>;
    async fn free(&self) -> Bytes;
}

fn main() {}

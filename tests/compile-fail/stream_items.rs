//! Items are values that can be sent, and an alias of `Result` has it in its name.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

struct NotSerialize;

#[derive(Serialize)]
struct NotDeserialize;

#[derive(Deserialize)]
struct OnlyDeserialize;

type Outcome<T> = Result<T, String>;

#[rpc_service]
trait Numbers {
    fn returned(&self, limit: u64, by: u64) -> impl Stream<Item = NotDeserialize>;
    fn neither(&self, limit: u64) -> impl Stream<Item = NotSerialize>;
    async fn taken(&self, limit: u64, values: Streaming<OnlyDeserialize>) -> u64;
    fn aliased(&self) -> impl Stream<Item = Outcome<u8>>;
}

fn main() {}

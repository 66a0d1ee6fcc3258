//! A type that borrows is asked where it is decoded, at the lifetime that it has there: the client says that it can not
//! be sent, the server that it can not be received.

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

pub struct Neither<'a>(pub &'a str);

#[derive(Serialize)]
pub struct OnlySerialize<'a>(pub &'a str);

#[derive(Deserialize)]
pub struct OnlyDeserialize<'a>(pub &'a str);

#[derive(Serialize, Deserialize)]
pub struct Both<'a>(pub &'a str);

#[rpc_service]
trait Lines {
    async fn neither(&self, line: Neither<'_>);
    async fn not_decoded(&self, line: OnlySerialize<'_>);
    async fn not_encoded(&self, line: &OnlyDeserialize<'_>);
    async fn right(&self, line: Both<'_>);
}

fn main() {}

//! (Only where a type that borrows can not be an argument; else this case goes.)

use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Borrowing<'a> {
    #[serde(borrow)]
    text: &'a str,
}

#[rpc_service]
pub trait Lent {
    async fn moved(&self, value: Borrowing<'_>) -> usize;
}

fn main() {}

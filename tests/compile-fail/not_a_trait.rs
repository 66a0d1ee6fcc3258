//! The attribute goes on a trait, and nowhere else.

use rpc_runtime::rpc_service;

#[rpc_service]
pub struct Structure;

#[rpc_service]
enum Enumeration {}

#[rpc_service]
async fn function() {}

trait Arith {}

#[rpc_service]
impl Arith for Structure {}

#[rpc_service]
type Alias = u8;

fn main() {
    // The items are there all the same.
    let _: (Structure, Option<Enumeration>, Alias);
    let _ = function;
}

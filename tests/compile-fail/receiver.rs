//! A method takes `&self`.

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn missing(a: u8) -> u8;
    async fn nothing_at_all();
    async fn exclusive(&mut self, a: u8) -> u8;
    async fn by_value(self);
    async fn shared(self: std::sync::Arc<Self>);
    async fn exclusive_in_full(self: &mut Self);
    async fn right(&self) -> u8;
    async fn in_full(self: &Self) -> u8;
}

fn main() {
    let _ = ArithClient::right;
}

//! What a method can not return.

use std::borrow::Cow;

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn reference(&self) -> &str;
    async fn forever(&self) -> &'static str;
    async fn inside(&self, key: u8) -> Result<Option<&[u8]>, String>;
    async fn lifetime(&self) -> Cow<'_, str>;
    async fn opaque(&self) -> impl Copy;
    async fn own(&self) -> Box<Self>;
    async fn right(&self) -> Cow<'static, str>;
}

fn main() {
    let _ = ArithClient::right;
}

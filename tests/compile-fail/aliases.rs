//! An alias of `Result` has `Result` in its name; another would be taken for a plain value.

use rpc_runtime::rpc_service;

type Fetched<T> = Result<T, String>;
type Tried = Result<u8, u8>;
type FetchResult<T> = Result<T, String>;
type Pair = (u8, u8);

#[rpc_service]
trait Arith {
    async fn fetched(&self) -> Fetched<u8>;
    async fn tried(&self) -> Tried;
    async fn right(&self) -> FetchResult<u8>;
    async fn pair(&self) -> Pair;
}

fn main() {
    let _ = ArithClient::right;
}

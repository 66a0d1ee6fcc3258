//! In a generic service the name alone says what a type with parameters is, for a macro as for the compiler.

use rpc_runtime::prelude::*;

type PairResult<T> = (T, T);

#[rpc_service]
trait Store<V> {
    async fn both(&self) -> PairResult<V>;
    async fn right(&self) -> Result<V, String>;
}

fn main() {}

//! A server shares the implementation between its tasks, and moves its futures.

use std::{cell::Cell, rc::Rc};

use rpc_runtime::rpc_service;

#[rpc_service]
trait Arith {
    async fn sum(&self, a: i64) -> i64;
}

struct NotSync(Cell<i64>);

impl Arith for NotSync {
    async fn sum(&self, a: i64) -> i64 {
        a
    }
}

struct NotSend;

impl Arith for NotSend {
    async fn sum(&self, a: i64) -> i64 {
        let shared = Rc::new(a);
        std::future::ready(()).await;
        *shared
    }
}

fn main() {}

//! Streams move between threads, and have the items that the trait says.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use futures_util::stream;
use rpc_runtime::{prelude::Stream, rpc_service};

#[rpc_service]
trait Numbers {
    fn below(&self, limit: u64) -> impl Stream<Item = u64>;
    async fn open(&self) -> Result<impl Stream<Item = u64>, String>;
}

struct Held(Rc<u64>);

impl Stream for Held {
    type Item = u64;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
        Poll::Ready(None)
    }
}

struct NotSend;

impl Numbers for NotSend {
    fn below(&self, limit: u64) -> impl Stream<Item = u64> {
        Held(Rc::new(limit))
    }
    async fn open(&self) -> Result<impl Stream<Item = u64>, String> {
        Ok(Held(Rc::new(1)))
    }
}

struct OtherItems;

impl Numbers for OtherItems {
    fn below(&self, _: u64) -> impl Stream<Item = u32> {
        stream::empty()
    }
    async fn open(&self) -> Result<impl Stream<Item = u64>, String> {
        Ok(stream::empty())
    }
}

fn main() {}

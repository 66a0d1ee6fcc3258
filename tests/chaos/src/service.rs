//! The service that is under load: each handler says in the ledger that it began, and how it ended.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream as streams};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Mark};

/// Work of every kind. `call` is the number under which the ledgers know a call.
#[rpc_service]
pub(crate) trait Work {
    /// Takes so long, and answers with what [`answer`] says.
    async fn run(&self, call: u64, ms: u64) -> u64;
    /// Always fails with its own error.
    async fn fail(&self, call: u64) -> Result<u64, Failed>;
    /// So many items, each the answer to `call` and its place.
    fn count(&self, call: u64, items: u64) -> impl Stream<Item = u64>;
    /// The sum of all items.
    async fn total(&self, call: u64, items: Streaming<u64>) -> u64;
    /// The same bytes, after so long.
    async fn echo(&self, call: u64, ms: u64, bytes: Vec<u8>) -> Vec<u8>;
}

/// The service's own error, with the number of the call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Failed(pub(crate) u64);

/// What belongs to a call and to no other.
pub(crate) fn answer(call: u64) -> u64 {
    call.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17)
}

/// The implementation: it waits and writes down.
pub(crate) struct Worker(pub(crate) Arc<Ledger>);

impl Work for Worker {
    async fn run(&self, call: u64, ms: u64) -> u64 {
        let execution = self.begin(call);
        pass(ms).await;
        execution.returns(answer(call))
    }

    async fn fail(&self, call: u64) -> Result<u64, Failed> {
        Err(self.begin(call).returns(Failed(call)))
    }

    fn count(&self, call: u64, items: u64) -> impl Stream<Item = u64> {
        let execution = self.begin(call);
        let end = streams::once(async move { execution.returns(()) }).filter_map(async |()| None);
        streams::iter(0..items).map(move |item| answer(call).wrapping_add(item)).chain(end)
    }

    async fn total(&self, call: u64, mut items: Streaming<u64>) -> u64 {
        let execution = self.begin(call);
        let mut total = answer(call);
        while let Some(item) = items.next().await {
            // Of a stream that broke off there is no sum; nobody is there to be told.
            let Ok(item) = item else { return 0 };
            total = total.wrapping_add(item);
        }
        execution.returns(total)
    }

    async fn echo(&self, call: u64, ms: u64, bytes: Vec<u8>) -> Vec<u8> {
        let execution = self.begin(call);
        pass(ms).await;
        execution.returns(bytes)
    }
}

/// A handler of no time is over at once.
async fn pass(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

impl Worker {
    fn begin(&self, call: u64) -> Execution {
        self.0.write(Mark::Began, call);
        Execution { ledger: Arc::clone(&self.0), call, end: Mark::Dropped }
    }
}

/// A handler at work: says how it ended.
struct Execution {
    ledger: Arc<Ledger>,
    call: u64,
    end: Mark,
}

impl Execution {
    fn returns<T>(mut self, reply: T) -> T {
        self.end = Mark::Returned;
        reply
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.ledger.write(self.end, self.call);
    }
}

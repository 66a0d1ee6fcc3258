//! The service of the golden sessions, as PROTOCOL.md describes it.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Args {
    a: i32,
    b: i32,
}

impl Args {
    pub(super) fn of(a: i32, b: i32) -> Self {
        Self { a, b }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ArithError {
    DivideByZero,
}

#[rpc_service]
pub(super) trait Arith {
    async fn sum(&self, args: Args) -> i64;
    async fn div(&self, args: Args) -> Result<i64, ArithError>;
    async fn slow(&self);
    async fn pause(&self);
    async fn echo(&self, text: String) -> String;
    async fn relay(&self, args: Args) -> Result<i64, Status>;
    fn count(&self, from: u64, below: u64) -> impl Stream<Item = u64>;
    fn units(&self, times: u64) -> impl Stream<Item = ()>;
    fn watch(&self) -> impl Stream<Item = u64>;
    async fn quotients(&self, of: i64) -> Result<impl Stream<Item = Result<i64, ArithError>>, ArithError>;
    async fn total(&self, start: i64, values: Streaming<i64>) -> i64;
    async fn first(&self, values: Streaming<i64>) -> Option<i64>;
    async fn leave(&self, values: Streaming<i64>) -> Option<i64>;
    async fn unread(&self, values: Streaming<String>);
    fn echo_items(&self, values: Streaming<String>) -> impl Stream<Item = Result<String, Status>>;
}

/// The service as a client sees it that is of a later version.
pub(super) mod later {
    use futures_util::Stream;
    use rpc_runtime::{Status, Streaming};

    use super::{Args, ArithError};

    #[rpc_runtime::rpc_service]
    pub(in crate::protocol) trait Arith {
        async fn sum(&self, args: Args) -> i64;
        async fn div(&self, args: Args) -> Result<i64, ArithError>;
        async fn slow(&self);
        async fn pause(&self);
        async fn echo(&self, text: String) -> String;
        async fn relay(&self, args: Args) -> Result<i64, Status>;
        fn count(&self, from: u64, below: u64) -> impl Stream<Item = u64>;
        fn units(&self, times: u64) -> impl Stream<Item = ()>;
        fn watch(&self) -> impl Stream<Item = u64>;
        async fn quotients(&self, of: i64) -> Result<impl Stream<Item = Result<i64, ArithError>>, ArithError>;
        async fn total(&self, start: i64, values: Streaming<i64>) -> i64;
        async fn first(&self, values: Streaming<i64>) -> Option<i64>;
        async fn leave(&self, values: Streaming<i64>) -> Option<i64>;
        async fn unread(&self, values: Streaming<String>);
        fn echo_items(&self, values: Streaming<String>) -> impl Stream<Item = Result<String, Status>>;
        async fn mul(&self);
    }
}

/// Has a permit for each handler that was started.
#[derive(Clone)]
pub(super) struct Started(Arc<Semaphore>);

impl Started {
    pub(super) fn none() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(super) async fn one_more(&self) {
        self.0.acquire().await.expect("it is not closed").forget();
    }

    fn note(&self) {
        let context = Context::current();
        if let Some(value) = context.metadata().get("key") {
            context.set_response_metadata("key", value);
        }
        self.0.add_permits(1);
    }
}

pub(super) struct Calculator(pub(super) Started);

impl Arith for Calculator {
    async fn sum(&self, args: Args) -> i64 {
        self.0.note();
        i64::from(args.a) + i64::from(args.b)
    }

    async fn div(&self, args: Args) -> Result<i64, ArithError> {
        self.0.note();
        args.a.checked_div(args.b).map(i64::from).ok_or(ArithError::DivideByZero)
    }

    async fn slow(&self) {
        self.0.note();
        std::future::pending::<()>().await;
    }

    async fn pause(&self) {
        self.0.note();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    async fn echo(&self, text: String) -> String {
        self.0.note();
        text
    }

    async fn relay(&self, args: Args) -> Result<i64, Status> {
        self.0.note();
        ArithClient::new(Channel::caller()).sum(args).no_timeout().await
    }

    fn count(&self, from: u64, below: u64) -> impl Stream<Item = u64> {
        self.0.note();
        stream::iter(from..below)
    }

    fn units(&self, times: u64) -> impl Stream<Item = ()> {
        self.0.note();
        stream::iter((0..times).map(|_| ()))
    }

    fn watch(&self) -> impl Stream<Item = u64> {
        self.0.note();
        stream::iter([7]).chain(stream::pending())
    }

    async fn quotients(&self, of: i64) -> Result<impl Stream<Item = Result<i64, ArithError>>, ArithError> {
        self.0.note();
        if of == 0 {
            return Err(ArithError::DivideByZero);
        }
        Ok(stream::iter([2, 1, 0]).map(move |by| of.checked_div(by).ok_or(ArithError::DivideByZero)))
    }

    async fn total(&self, start: i64, mut values: Streaming<i64>) -> i64 {
        self.0.note();
        let mut total = start;
        while let Some(value) = values.next().await {
            match value {
                Ok(value) => total += value,
                Err(_) => return -1,
            }
        }
        total
    }

    async fn first(&self, mut values: Streaming<i64>) -> Option<i64> {
        self.0.note();
        values.next().await?.ok()
    }

    async fn leave(&self, mut values: Streaming<i64>) -> Option<i64> {
        self.0.note();
        let first = values.next().await?.ok();
        drop(values);
        tokio::time::sleep(Duration::from_millis(100)).await;
        first
    }

    async fn unread(&self, values: Streaming<String>) {
        self.0.note();
        std::future::pending::<()>().await;
        drop(values);
    }

    fn echo_items(&self, values: Streaming<String>) -> impl Stream<Item = Result<String, Status>> {
        self.0.note();
        values
    }
}

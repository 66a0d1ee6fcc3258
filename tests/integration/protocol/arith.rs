//! The service of the golden sessions, as PROTOCOL.md describes it, and the calls that they name.

use std::{pin::Pin, sync::Arc, time::Duration};

use rpc_runtime::{Call, Failure, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::document::{Action, count};

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
}

/// The service as a client sees it that is of a later version.
pub(super) mod later {
    use super::{Args, ArithError};

    #[rpc_runtime::rpc_service]
    pub(in crate::protocol) trait Arith {
        async fn sum(&self, args: Args) -> i64;
        async fn div(&self, args: Args) -> Result<i64, ArithError>;
        async fn slow(&self);
        async fn pause(&self);
        async fn echo(&self, text: String) -> String;
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
}

/// A call on its way, and what it ended with in the document's words. Dropped, it is cancelled.
pub(super) type Running = Pin<Box<dyn Future<Output = String> + Send>>;

/// Starts a call that the document names.
pub(super) fn call(channel: Channel, action: &Action) -> Result<Running, String> {
    let Action::Calls { method, arguments, timeout, metadata, .. } = action else { return Err("no call".to_owned()) };
    let client = later::ArithClient::new(channel);
    let numbers = || {
        let (a, b) = arguments.split_once(", ").ok_or("not two numbers")?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        Ok::<_, String>(Args { a: number(a)?, b: number(b)? })
    };
    let options = (*timeout, &metadata[..]);
    Ok(match &method[..] {
        "sum" => running(client.sum(numbers()?), options, |value: i64| value.to_string(), status_of),
        "div" => running(client.div(numbers()?), options, |value: i64| value.to_string(), error_of),
        "slow" => running(client.slow(), options, |()| "null".to_owned(), status_of),
        "pause" => running(client.pause(), options, |()| "null".to_owned(), status_of),
        "mul" => running(client.mul(), options, |()| "null".to_owned(), status_of),
        "echo" => {
            let (times, letter) = arguments.split_once(" x ").ok_or("not how often and what")?;
            let times = count(times).ok_or("not a number")?;
            running(
                client.echo(letter.trim_matches('"').repeat(times)),
                options,
                |text: String| repeated(&text),
                status_of,
            )
        }
        other => return Err(format!("there is no method {other}")),
    })
}

fn running<T: Send + 'static, E: Failure + Send + 'static>(
    mut call: Call<T, E>,
    (timeout, metadata): (Option<Duration>, &[(String, String)]),
    value: impl FnOnce(T) -> String + Send + 'static,
    error: impl FnOnce(E) -> String + Send + 'static,
) -> Running {
    if let Some(timeout) = timeout {
        call = call.timeout(timeout);
    }
    for (key, value) in metadata {
        call = call.metadata(key, value);
    }
    let started = call.start().with_response_metadata();
    Box::pin(async move {
        let (outcome, metadata) = started.await;
        let entries = metadata.iter().map(|(key, value)| format!(", metadata {key}: {value}"));
        let entries: String = entries.collect();
        outcome.map_or_else(error, value) + &entries
    })
}

fn repeated(text: &str) -> String {
    let letter = text.chars().next().unwrap_or_default();
    assert!(text.chars().all(|other| other == letter));
    let mut times = text.len().to_string();
    if times.len() > 3 {
        times.insert(times.len() - 3, ',');
    }
    format!("{times} x \"{letter}\"")
}

fn error_of(error: CallError<ArithError>) -> String {
    match error {
        CallError::Service(error) => format!("service error {}", serde_json::to_string(&error).unwrap()),
        CallError::Status(status) => status_of(status),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a call's error is handed over")]
pub(super) fn status_of(status: Status) -> String {
    let executed = if status.may_have_run() { "unknown" } else { "not executed" };
    format!("{}, {executed}", status.code().name())
}

//! The calls that golden sessions name, and what comes of them in the document's words.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use rpc_runtime::{Call, prelude::*};
use tokio::sync::mpsc;

use super::{
    arith::{Args, ArithError, later::ArithClient},
    document::{Action, count},
};

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Items, or how they ended.
type Items = Pin<Box<dyn Stream<Item = Result<String, String>> + Send>>;

/// What the caller sends.
type Sent<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// A call on its way. Dropped, it is cancelled.
pub(super) struct Running {
    reply: Reply,
    /// For what the caller sends.
    producer: Option<mpsc::Sender<String>>,
}

enum Reply {
    Value(Later<String>),
    Opening(Later<Result<Items, String>>),
    Items(Items),
    Over,
}

impl Running {
    /// What it ended with, behind all items.
    pub(super) async fn end(&mut self) -> String {
        let ended = match &mut self.reply {
            Reply::Value(value) => value.await,
            _ => match self.item().await {
                None => "complete".to_owned(),
                Some(Err(outcome)) => outcome,
                Some(Ok(item)) => format!("not yet, but gives {item}"),
            },
        };
        self.reply = Reply::Over;
        ended
    }

    pub(super) async fn next(&mut self) -> String {
        match self.item().await {
            None => "nothing: complete".to_owned(),
            Some(Err(outcome)) => format!("nothing: {outcome}"),
            Some(Ok(item)) => item,
        }
    }

    async fn item(&mut self) -> Option<Result<String, String>> {
        if let Err(outcome) = self.open().await {
            return Some(Err(outcome));
        }
        let Reply::Items(items) = &mut self.reply else { return Some(Err("no items".to_owned())) };
        items.next().await
    }

    pub(super) async fn open(&mut self) -> Result<(), String> {
        if let Reply::Opening(opening) = &mut self.reply {
            self.reply = Reply::Items(opening.await?);
        }
        Ok(())
    }

    /// Without an item it is the end.
    pub(super) async fn send(&mut self, item: Option<String>) -> Result<(), String> {
        let Some(producer) = &self.producer else { return Err("no items of the caller".to_owned()) };
        match item {
            Some(item) => producer.send(item).await.map_err(|_| "nobody wants the item".to_owned())?,
            None => self.producer = None,
        }
        Ok(())
    }

    pub(super) async fn is_stopped(&self) -> Result<(), String> {
        self.producer.as_ref().ok_or("its items have ended")?.closed().await;
        Ok(())
    }
}

/// Starts a call that the document names.
pub(super) fn call(channel: Channel, action: &Action) -> Result<Running, String> {
    let Action::Calls { method, arguments, timeout, metadata, .. } = action else { return Err("no call".to_owned()) };
    let client = ArithClient::new(channel);
    let numbers = || arguments.split_once(", ").ok_or("not two numbers".to_owned());
    let args = || numbers().and_then(|(a, b)| Ok(Args::of(number(a)?, number(b)?)));
    let options = (*timeout, &metadata[..]);
    Ok(match &method[..] {
        "sum" => value(client.sum(args()?), options, |value| value.to_string(), status_of),
        "div" => value(client.div(args()?), options, |value| value.to_string(), error_of),
        "slow" => value(client.slow(), options, |()| "null".to_owned(), status_of),
        "pause" => value(client.pause(), options, |()| "null".to_owned(), status_of),
        "mul" => value(client.mul(), options, |()| "null".to_owned(), status_of),
        "echo" => value(client.echo(text(arguments)?), options, |text| repeated(&text), status_of),
        "relay" => value(client.relay(args()?), options, |value| value.to_string(), status_of),
        "count" => {
            let (from, below) = numbers()?;
            items(client.count(number(from)?, number(below)?), options, |item| item.to_string(), (status_of, status_of))
        }
        "units" => items(client.units(number(arguments)?), options, |()| "null".to_owned(), (status_of, status_of)),
        "watch" => items(client.watch(), options, |item| item.to_string(), (status_of, status_of)),
        "quotients" => {
            let call = client.quotients(number(arguments)?);
            items(call, options, |item| item.to_string(), (error_of, error_of))
        }
        "total" => {
            let start = number(arguments)?;
            sending(|values: Sent<i64>| {
                value(client.total(start, values), options, |value| value.to_string(), status_of)
            })
        }
        "first" => sending(|values: Sent<i64>| value(client.first(values), options, optional, status_of)),
        "leave" => sending(|values: Sent<i64>| value(client.leave(values), options, optional, status_of)),
        "unread" => {
            sending(|values: Sent<String>| value(client.unread(values), options, |()| "null".to_owned(), status_of))
        }
        "echo_items" => sending(|values: Sent<String>| {
            items(client.echo_items(values), options, |text| repeated(&text), (status_of, status_of))
        }),
        other => return Err(format!("there is no method {other}")),
    })
}

type Options<'a> = (Option<Duration>, &'a [(String, String)]);

fn with_options<T, E>(mut call: Call<T, E>, (timeout, metadata): Options<'_>) -> Call<T, E> {
    if let Some(timeout) = timeout {
        call = call.timeout(timeout);
    }
    for (key, value) in metadata {
        call = call.metadata(key, value);
    }
    call
}

fn value<T: Send + 'static, E: From<Status> + Send + 'static>(
    call: Call<T, E>,
    options: Options<'_>,
    value: impl FnOnce(T) -> String + Send + 'static,
    error: impl FnOnce(E) -> String + Send + 'static,
) -> Running {
    let started = with_options(call, options).start().with_response_metadata();
    let outcome = async move {
        let (outcome, metadata) = started.await;
        let entries = metadata.iter().map(|(key, value)| format!(", metadata {key}: {value}"));
        let entries: String = entries.collect();
        outcome.map_or_else(error, value) + &entries
    };
    Running { reply: Reply::Value(Box::pin(outcome)), producer: None }
}

fn items<T: Send + 'static, F: From<Status> + Send + 'static, E: From<Status> + Send + 'static>(
    call: Call<Streaming<T, F>, E>,
    options: Options<'_>,
    item: impl Fn(T) -> String + Send + 'static,
    (error, end): (impl FnOnce(E) -> String + Send + 'static, impl Fn(F) -> String + Send + 'static),
) -> Running {
    let started = with_options(call, options).start();
    let opening = async move {
        let items = started.await.map_err(error)?;
        let items: Items = Box::pin(items.map(move |next| next.map(&item).map_err(&end)));
        Ok(items)
    };
    Running { reply: Reply::Opening(Box::pin(opening)), producer: None }
}

/// A call that is sent items, which the document has as text.
fn sending<T: Written>(call: impl FnOnce(Sent<T>) -> Running) -> Running {
    let (producer, mut items) = mpsc::channel::<String>(16);
    let items = stream::poll_fn(move |cx| items.poll_recv(cx));
    let items = items.map(|item| T::written(&item).expect("the document has items that the method takes"));
    Running { producer: Some(producer), ..call(Box::pin(items)) }
}

/// What the document can write as an item.
trait Written: Sized + 'static {
    fn written(item: &str) -> Result<Self, String>;
}

impl Written for i64 {
    fn written(item: &str) -> Result<Self, String> {
        number(item)
    }
}

impl Written for String {
    fn written(item: &str) -> Result<Self, String> {
        text(item)
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn text(text: &str) -> Result<String, String> {
    let (times, letter) = text.split_once(" x ").ok_or("not how often and what")?;
    let times = count(times).ok_or("not a number")?;
    Ok(letter.trim_matches('"').repeat(times))
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

fn optional(value: Option<i64>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string())
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

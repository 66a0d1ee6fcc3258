//! Calls of every kind, made from a plan, and how each of them ended for its caller.

use std::{future::Future, pin::Pin, time::Duration};

use arbitrary::Arbitrary;
use rpc_runtime::{Call, CallError, Status, Streaming};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    frames::Method,
    service::{Here, ProbeClient, Torn, numbers},
};

/// The most items that are taken of a stream.
const MOST: usize = 20_000;

#[derive(Debug, Clone, Copy, Arbitrary)]
pub(crate) struct Planned {
    method: Method,
    arguments: (u16, u8),
    timeout_ms: Option<u16>,
    /// Its caller waits no longer than this.
    dropped_after_ms: Option<u16>,
}

/// How a call ended for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With what only the other end can have said.
    Answered,
    Failed {
        may_have_run: bool,
    },
    Dropped,
}

type Ending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Planned {
    /// Puts the call on its way; the future gives its number back, with its outcome.
    pub(crate) fn started(
        self,
        client: &ProbeClient,
        here: &Here,
        number: usize,
    ) -> impl Future<Output = (usize, Outcome)> + Send + 'static {
        let ending = self.call(client, here, number);
        async move {
            let outcome = match self.dropped_after_ms {
                Some(ms) => timeout(Duration::from_millis(u64::from(ms)), ending).await.unwrap_or(Outcome::Dropped),
                None => ending.await,
            };
            (number, outcome)
        }
    }

    fn call(self, client: &ProbeClient, here: &Here, number: usize) -> Ending {
        let (a, b) = (u64::from(self.arguments.0), u64::from(self.arguments.1));
        let items = || here.watched(numbers(b, a));
        match self.method {
            Method::Add | Method::Nothing => self.start(client.add(a, b), number),
            // Sometimes in parts.
            Method::Weigh => self.start(client.weigh(vec![7; 3 * self.arguments.0 as usize], b), number),
            Method::Fill => self.start(client.fill(a, b), number),
            Method::Sleep => self.start(client.sleep(a, b), number),
            Method::Wait => self.start(client.wait(a, b), number),
            Method::Count => self.start(client.count(a, b), number),
            Method::Hang => self.start(client.hang(a, b), number),
            Method::Open => self.start(client.open(a, b), number),
            Method::Total => self.start(client.total(a, b, items()), number),
            Method::First => self.start(client.first(a, b, items()), number),
            Method::Stuck => self.start(client.stuck(a, b, items()), number),
            Method::Relay => self.start(client.relay(a, b, items()), number),
            Method::Back => self.start(client.back(a, b), number),
            Method::BackStreams => self.start(client.back_streams(a, b), number),
        }
    }

    fn start<T: Ended, E: Failure>(self, call: Call<T, E>, number: usize) -> Ending {
        let call = call.metadata("call", format!("{number:02}"));
        let running = match self.timeout_ms {
            Some(ms) => call.timeout(Duration::from_millis(u64::from(ms))),
            None => call,
        }
        .start();
        Box::pin(async move {
            match running.await {
                Ok(value) => value.outcome().await,
                Err(error) => error.outcome(),
            }
        })
    }
}

/// A good session: a call of each kind, one of which is given up.
pub(crate) async fn recorded_calls(client: &ProbeClient, here: &Here) {
    let mut calls = JoinSet::new();
    for (number, method) in Method::ALL.into_iter().enumerate() {
        let dropped_after_ms = method.is_endless().then_some(20);
        let planned = Planned { method, arguments: (12, 7), timeout_ms: Some(60_000), dropped_after_ms };
        calls.spawn(planned.started(client, here, number));
    }
    calls.join_all().await;
}

/// What a call gives when it goes well, to its end.
trait Ended: Send + 'static {
    fn outcome(self) -> Ending;
}

impl Ended for u64 {
    fn outcome(self) -> Ending {
        Box::pin(std::future::ready(Outcome::Answered))
    }
}

impl Ended for Vec<u8> {
    fn outcome(self) -> Ending {
        Box::pin(std::future::ready(Outcome::Answered))
    }
}

impl<E: Failure> Ended for Streaming<u64, E> {
    fn outcome(mut self) -> Ending {
        Box::pin(async move {
            for _ in 0..MOST {
                match self.next().await {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error.outcome(),
                    None => return Outcome::Answered,
                }
            }
            Outcome::Dropped
        })
    }
}

trait Failure: From<Status> + Send + 'static {
    fn outcome(&self) -> Outcome;
}

impl Failure for Status {
    fn outcome(&self) -> Outcome {
        Outcome::Failed { may_have_run: self.may_have_run() }
    }
}

impl Failure for CallError<Torn> {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Service(_) => Outcome::Answered,
            Self::Status(status) => status.outcome(),
        }
    }
}

//! The services of the examples as their users meet them, with those who are slow, give up or are lost; and the mocks
//! that a user makes of a service.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what tests are made of, also outside of their functions")]

mod expectations;
mod job_queue;
mod key_value;
mod mocks;
mod presence;

use std::{future::Future, time::Duration};

use rpc_runtime::{CallError, Status, Streaming};

/// The result of a future that must be there in time.
async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it is there in time")
}

/// The next so many items, none of which may be an error.
async fn take<T, E: From<Status> + std::fmt::Debug>(stream: &mut Streaming<T, E>, count: usize) -> Vec<T> {
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(within(stream.next()).await.expect("there are more").unwrap());
    }
    items
}

/// The service's own error.
fn refused<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, CallError<E>>) -> E {
    match outcome {
        Err(CallError::Service(error)) => error,
        other => panic!("{other:?}"),
    }
}

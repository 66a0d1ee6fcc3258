//! Streams in a trait, in both directions, seen through a client in this process.

mod both_ways;
mod boxed;
mod connected;
mod descriptors;
mod ends;
mod hygiene;
mod openings;
mod received;
mod returned;

use rpc_runtime::prelude::*;

/// All items, and the error that ended them if one did.
async fn collect<T, E: From<Status>>(mut stream: Streaming<T, E>) -> (Vec<T>, Option<E>) {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

/// All items of a stream that came to its end.
async fn complete<T, E: From<Status> + std::fmt::Debug>(stream: Streaming<T, E>) -> Vec<T> {
    let (items, error) = collect(stream).await;
    assert!(error.is_none(), "{error:?}");
    items
}

/// A stream that has these items at once.
fn items<T: Send>(items: impl IntoIterator<Item = T, IntoIter: Send>) -> impl Stream<Item = T> + Send {
    futures_util::stream::iter(items)
}

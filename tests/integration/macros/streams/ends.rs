//! What becomes of the streams of a call that is dropped, has answered, or panics; and what a stream sees of its call.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::StreamExt;
use rpc_runtime::{Code, prelude::*};

use super::{collect, complete, items};

#[rpc_service]
trait Endless {
    fn numbers(&self) -> impl Stream<Item = usize>;
    async fn first(&self, values: Streaming<u8>) -> Option<u8>;
    fn panicking(&self, after: u8) -> impl Stream<Item = u8>;
    fn methods(&self) -> impl Stream<Item = Option<String>>;
}

/// Counts those that are there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Here(Arc<AtomicUsize>);

impl Endless for Here {
    fn numbers(&self) -> impl Stream<Item = usize> {
        let counted = Counted::new(&self.0);
        items(0..).map(move |number| number + counted.0.load(Ordering::Relaxed))
    }
    async fn first(&self, mut values: Streaming<u8>) -> Option<u8> {
        values.next().await?.ok()
    }
    fn panicking(&self, after: u8) -> impl Stream<Item = u8> {
        items(0..).map(move |number| {
            assert!(number < after, "on purpose");
            number
        })
    }
    fn methods(&self) -> impl Stream<Item = Option<String>> {
        items([(); 2]).map(|()| Context::current().method().map(|method| method.full_name.to_owned()))
    }
}

#[tokio::test]
async fn dropping_what_a_client_received_drops_what_the_service_returned() {
    let there = Arc::new(AtomicUsize::new(0));
    let client = EndlessClient::from_service(Here(Arc::clone(&there)));
    let mut numbers = client.numbers().await.unwrap();
    assert_eq!(numbers.next().await.unwrap().unwrap(), 1);
    assert_eq!(there.load(Ordering::Relaxed), 1);
    drop(numbers);
    assert_eq!(there.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_drops_what_the_client_sent() {
    let there = Arc::new(AtomicUsize::new(0));
    let counted = Counted::new(&there);
    let sent = futures_util::stream::repeat(7).map(move |value| value + counted.0.load(Ordering::Relaxed) as u8);
    let first = EndlessClient::from_service(Here::default()).first(sent).await.unwrap();
    assert_eq!((first, there.load(Ordering::Relaxed)), (Some(8), 0));
}

#[tokio::test]
async fn a_panic_of_a_stream_ends_it_behind_the_items_before() {
    let client = EndlessClient::from_service(Here::default());
    let (numbers, status) = collect(client.panicking(3).await.unwrap()).await;
    assert_eq!((numbers, status.unwrap().code()), (vec![0, 1, 2], Code::Internal));
}

#[tokio::test]
async fn a_stream_is_polled_in_the_context_of_its_call() {
    let client = EndlessClient::from_service(Here::default());
    let methods = complete(client.methods().await.unwrap()).await;
    assert_eq!(methods, [Some("Endless.methods".to_owned()), Some("Endless.methods".to_owned())]);
}

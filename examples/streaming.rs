//! The three kinds of stream, each read off a method's signature: items from the server, items from the client, and
//! both at once. `cargo run --example streaming`

use futures_util::{StreamExt, future::ready, stream as streams};
use rpc_runtime::{prelude::*, stream, testing};
use serde::{Deserialize, Serialize};

#[rpc_service]
trait Numbers {
    /// Items from the server; the first `Err` ends them.
    fn count(&self, from: u64) -> impl Stream<Item = Result<u64, TooFar>>;
    /// The same, of a method that may refuse to begin: then the call fails.
    async fn digits(&self, text: String) -> Result<impl Stream<Item = u32>, Status>;
    /// Items from the client, and a plain argument beside them.
    async fn total(&self, at_most: u64, values: Streaming<u64>) -> Result<u64, Status>;
    /// Both.
    fn running_total(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>>;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct TooFar(u64);

struct Counter {
    end: u64,
}

impl Numbers for Counter {
    fn count(&self, from: u64) -> impl Stream<Item = Result<u64, TooFar>> {
        // What a method returns may borrow from the service.
        streams::iter(from..).map(|number| if number < self.end { Ok(number) } else { Err(TooFar(number)) })
    }
    async fn digits(&self, text: String) -> Result<impl Stream<Item = u32>, Status> {
        let digits: Option<Vec<_>> = text.chars().map(|character| character.to_digit(10)).collect();
        digits.map(streams::iter).ok_or_else(|| Status::invalid_argument("not all of it is digits"))
    }
    async fn total(&self, at_most: u64, mut values: Streaming<u64>) -> Result<u64, Status> {
        let mut total = 0;
        while let Some(value) = values.next().await {
            total += value?;
            if total > at_most {
                // An answer before the stream is exhausted stops the sender.
                return Err(Status::new(Code::OutOfRange, format!("more than {at_most}")));
            }
        }
        Ok(total)
    }
    fn running_total(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>> {
        values.scan(0, |total, value| {
            let sum = value.map(|value| *total + value).inspect(|sum| *total = *sum);
            ready(Some(sum))
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().service(NumbersServer::new(Counter { end: 5 }));
    let (channel, _server) = testing::link(server, Channel::builder()).await?;
    let numbers = NumbersClient::new(channel);
    // A stream of results, of which an `Err` is the last.
    let mut count: Vec<_> = numbers.count(2).await?.collect().await;
    assert!(matches!(count.pop(), Some(Err(CallError::Service(TooFar(5))))));
    println!("counted {:?}, and then it was too far", count.iter().flatten().collect::<Vec<_>>());
    assert!(numbers.digits("a".to_owned()).await.is_err());

    // Any stream can be sent, also one that never ends.
    println!("1 + 2 + 3 = {}", numbers.total(100, streams::iter([1, 2, 3])).await?);
    println!("{}", numbers.total(100, streams::iter(1..)).await.expect_err("it does not go on for ever"));

    // To push items instead, there is a channel whose other half is a stream.
    let (sender, values) = stream::channel(1);
    let mut totals = numbers.running_total(values).await?;
    for (value, total) in [(1, 1), (2, 3), (3, 6)] {
        sender.send(value).await.expect("the call goes on");
        assert_eq!(totals.next().await.transpose()?, Some(total));
    }
    drop(sender);
    assert!(totals.next().await.is_none(), "the end of one direction ended the other");
    Ok(())
}

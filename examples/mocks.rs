//! How to test what calls a service: with a mock by hand, and over a connection that is in memory and on a clock that
//! stands still. In a test, `#[tokio::test(start_paused = true)]` stands before each. `cargo run --example mocks`

use std::{sync::Mutex, time::Duration};

use rpc_runtime::{prelude::*, stream, testing};

#[rpc_service]
trait Prices {
    async fn price(&self, share: &str) -> Result<f64, Status>;
    async fn follow(&self, share: &str) -> Result<impl Stream<Item = f64>, Status>;
}

/// Under test: the first price of so much, or the last one that was seen.
async fn wait_for(prices: &PricesClient, share: &str, least: f64) -> Result<f64, Status> {
    let mut last = prices.price(share).await?;
    let mut followed = prices.follow(share).await?;
    while last < least {
        match followed.next().await {
            Some(Ok(price)) => last = price,
            Some(Err(status)) if status.code() != Code::Unavailable => return Err(status),
            _ => break,
        }
    }
    Ok(last)
}

/// Answers after a while, and gives the stream whose other end the test holds.
struct Mock {
    pushed: Mutex<Option<stream::Receiver<f64>>>,
    after: Duration,
}

impl Prices for Mock {
    async fn price(&self, share: &str) -> Result<f64, Status> {
        tokio::time::sleep(self.after).await;
        if share == "ABC" { Ok(7.0) } else { Err(Status::not_found("no such share")) }
    }

    async fn follow(&self, _share: &str) -> Result<impl Stream<Item = f64>, Status> {
        let mut pushed = self.pushed.lock().map_err(|_| Status::internal("a test has failed"))?;
        pushed.take().ok_or_else(|| Status::new(Code::ResourceExhausted, "it is followed already"))
    }
}

fn mock(after: u64) -> (stream::Sender<f64>, Mock) {
    let (push, pushed) = stream::channel(8);
    (push, Mock { pushed: Mutex::new(Some(pushed)), after: Duration::from_secs(after) })
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Without a connection.
    let (push, prices) = mock(0);
    let prices = PricesClient::from_service(prices);
    push.send(7.5).await?;
    push.send(8.25).await?;
    assert_eq!(wait_for(&prices, "ABC", 8.0).await?, 8.25);
    assert_eq!(wait_for(&prices, "XYZ", 8.0).await.map_err(|status| status.code()), Err(Code::NotFound));

    // A service that is slower than the deadline of 30 s, of which none passes.
    let (_push, prices) = mock(40);
    let (channel, _link) =
        testing::link(Server::builder().service(PricesServer::new(prices)), Channel::builder()).await?;
    let slow = wait_for(&PricesClient::new(channel), "ABC", 8.0).await;
    println!("slow: {}", slow.expect_err("it is too slow"));

    // A connection that is lost in the middle.
    let (push, prices) = mock(0);
    let server = Server::builder().service(PricesServer::new(prices));
    let (channel, link) = testing::link(server, Channel::builder()).await?;
    let waiting = tokio::spawn(async move { wait_for(&PricesClient::new(channel), "ABC", 8.0).await });
    push.send(7.75).await?;
    tokio::time::sleep(Duration::from_secs(1)).await; // Until all others wait: this clock stands still.
    drop(link);
    println!("lost: the last price was {}", waiting.await??);
    Ok(())
}

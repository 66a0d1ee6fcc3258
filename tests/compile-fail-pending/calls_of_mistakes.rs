//! Mistakes of every kind in one trait, and calls of the very methods that have them: each is one message, and there is
//! none beside them, because a client has something in place of such a method.

use rpc_runtime::prelude::*;

#[rpc_service(nmae = "other")]
pub trait Arith {
    async fn sum(&self, a: i64, b: i64) -> Result<i64, String>;
    async fn exclusive(&mut self, a: i64) -> i64;
    async fn pattern(&self, (a, b): (i64, i64)) -> i64;
    async fn missing(a: i64) -> i64;
    fn not_async(&self, a: i64) -> i64;
    async fn generic<T: Send>(&self, a: T) -> i64;
    async fn opaque(&self, a: impl std::fmt::Display + Send) -> i64;
    async fn lent(&self, a: &mut i64) -> i64;
    async fn returned(&self) -> &str;
    async fn conditional(&self, #[cfg(unix)] a: i64) -> i64;
    #[rpc(name = "sum")]
    async fn same_on_the_wire(&self) -> i64;
    #[rpc(client = "sum")]
    async fn same_in_the_client(&self) -> i64;
    async fn new(&self) -> i64;
    async fn in_a_tuple(&self) -> (impl Stream<Item = u8>, u8);
    async fn two_streams(&self, a: Streaming<u8>, b: Streaming<u8>) -> u8;
    #[rpc(inlin)]
    async fn option(&self) -> i64;
    fn numbers(&self, below: u64) -> impl Stream<Item = u64>;
    async fn total(&self, values: Streaming<u64>) -> u64;
}

struct Calculator;

impl Arith for Calculator {
    async fn sum(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_add(b).ok_or_else(String::new)
    }
    async fn exclusive(&mut self, a: i64) -> i64 {
        a
    }
    async fn pattern(&self, (a, b): (i64, i64)) -> i64 {
        a + b
    }
    async fn missing(a: i64) -> i64 {
        a
    }
    fn not_async(&self, a: i64) -> i64 {
        a
    }
    async fn generic<T: Send>(&self, _: T) -> i64 {
        1
    }
    async fn opaque(&self, a: impl std::fmt::Display + Send) -> i64 {
        a.to_string().len() as i64
    }
    async fn lent(&self, a: &mut i64) -> i64 {
        *a
    }
    async fn returned(&self) -> &str {
        ""
    }
    async fn conditional(&self, #[cfg(unix)] a: i64) -> i64 {
        a
    }
    async fn same_on_the_wire(&self) -> i64 {
        1
    }
    async fn same_in_the_client(&self) -> i64 {
        1
    }
    async fn new(&self) -> i64 {
        1
    }
    async fn in_a_tuple(&self) -> (impl Stream<Item = u8>, u8) {
        (futures_util::stream::iter([1]), 1)
    }
    async fn two_streams(&self, _: Streaming<u8>, _: Streaming<u8>) -> u8 {
        1
    }
    async fn option(&self) -> i64 {
        1
    }
    fn numbers(&self, below: u64) -> impl Stream<Item = u64> {
        futures_util::stream::iter(0..below)
    }
    async fn total(&self, mut values: Streaming<u64>) -> u64 {
        let mut total = 0;
        while let Some(Ok(value)) = values.next().await {
            total += value;
        }
        total
    }
}

async fn calls(client: ArithClient) -> Result<i64, CallError<String>> {
    let mut lent = 1;
    client.sum(1, 2).await?;
    client.exclusive(1).await?;
    client.pattern((1, 2)).await?;
    client.missing(1).await?;
    client.not_async("1".parse().unwrap_or_default()).await?;
    client.generic(Vec::new()).await?;
    client.opaque(None).await?;
    client.lent(&mut lent).await?;
    let text: String = client.returned().timeout(std::time::Duration::MAX).await?;
    let mut items = client.in_a_tuple().await?;
    while let Some(item) = items.next().await {
        println!("{text} {}", item? + 1);
    }
    let running = client.two_streams(futures_util::stream::iter([1]), futures_util::stream::iter([1])).start();
    for answer in futures_util::future::join_all((0..2).map(|number| client.conditional(number))).await {
        answer?;
    }
    client.same_in_the_client().await?;
    Ok(running.await?)
}

fn main() {
    let server = Server::builder().service(ArithServer::new(Calculator));
    let _ = (server, calls(ArithClient::from_service(Calculator)));
}

//! Mistakes of every kind in one trait, and a program that uses the rest of it: each is one message, and there is none
//! beside them.

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

async fn calls(client: ArithClient) -> Result<(), CallError<String>> {
    let sum: i64 = client.sum(1, 2).timeout(std::time::Duration::MAX).await?;
    let mut numbers = client.numbers(sum as u64).await?;
    while let Some(number) = numbers.next().await {
        client.total(futures_util::stream::iter([number?])).await?;
    }
    client.option().await?;
    client.same_on_the_wire().await?;
    Ok(())
}

fn main() {
    let server = Server::builder().service(ArithServer::new(Calculator).named("other"));
    let _ = (server, calls(ArithClient::from_service(Calculator)));
}

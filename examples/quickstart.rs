//! A server and a client in one program, over a real TCP port: a plain call, a typed error, calls that finish out of
//! order, a deadline, an unknown method, and ten thousand calls at once. `cargo run --release --example quickstart`

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[rpc_service]
trait Arith {
    async fn sum(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ArithError>;
    async fn sleep(&self, ms: u64) -> u64;
}

/// The same service as a later version would have it.
#[rpc_service(name = "Arith")]
trait ArithOfTomorrow {
    async fn power(&self, a: i64, b: u32) -> i64;
}

#[derive(Debug, Serialize, Deserialize)]
enum ArithError {
    DivisionByZero,
}

struct Calculator;

impl Arith for Calculator {
    async fn sum(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ArithError> {
        a.checked_div(b).ok_or(ArithError::DivisionByZero)
    }
    async fn sleep(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().service(ArithServer::new(Calculator)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    println!("serving at {address}");
    let serving = tokio::spawn(server.serve());

    let channel = Channel::connect(&address).await?;
    let arith = ArithClient::new(channel.clone());

    println!("sum(1, 2) = {}", arith.sum(1, 2).await?);
    println!("divide(7, 2) = {}", arith.divide(7, 2).await.expect("2 is not 0"));
    match arith.divide(7, 0).await.expect_err("there is no such quotient") {
        CallError::Service(ArithError::DivisionByZero) => println!("divide(7, 0): division by zero"),
        CallError::Status(status) => return Err(status),
    }

    let began = Instant::now();
    try_join_all([60, 20, 40].map(async |ms| {
        let slept = arith.sleep(ms).await?;
        println!("sleep({ms}) = {slept}, ended after {} ms", began.elapsed().as_millis());
        Ok::<_, Status>(())
    }))
    .await?;
    let late = arith.sleep(10_000).timeout(Duration::from_millis(50)).await;
    println!("sleep(10000) within 50 ms: {}", late.expect_err("it takes longer"));
    let unknown = ArithOfTomorrowClient::new(channel).power(2, 10).await;
    println!("power(2, 10): {}", unknown.expect_err("the server is of today"));

    let began = Instant::now();
    let sums = try_join_all((0..10_000).map(|n| arith.sum(n, n))).await?;
    let (took, right) = (began.elapsed(), (0..).zip(&sums).filter(|&(n, &sum)| sum == 2 * n).count());
    println!("10,000 calls at once: {right} right, in {took:.1?}: {:.0} calls/s", 10_000.0 / took.as_secs_f64());

    handle.shut_down();
    drop(arith);
    serving.await.expect("the server does not panic").map(drop)
}

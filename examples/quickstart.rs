//! A server and a client in one program, over a real TCP port: a plain call, a typed error, calls that finish out of
//! order, a deadline, an unknown method, and ten thousand calls at once.

use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

/// Arithmetic with small numbers.
#[rpc_service]
pub trait Arith {
    /// Adds the two numbers.
    async fn sum(&self, a: i64, b: i64) -> i64;

    /// Divides the first number by the second.
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ArithError>;

    /// Answers after a while.
    async fn sleep(&self, ms: u64) -> u64;
}

/// The same service as a later version would have it.
#[rpc_service(name = "Arith")]
pub trait ArithOfTomorrow {
    /// Not there yet.
    async fn power(&self, a: i64, b: u32) -> i64;
}

/// What can go wrong.
#[derive(Debug, Serialize, Deserialize)]
pub enum ArithError {
    /// There is no such quotient.
    DivisionByZero,
}

impl std::fmt::Display for ArithError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("division by zero")
    }
}

impl std::error::Error for ArithError {}

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
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().service(ArithServer::new(Calculator)).bind("tcp://127.0.0.1:0").await?;
    let (address, handle) = (server.local_address().to_owned(), server.handle());
    println!("serving at {address}");
    let serving = tokio::spawn(server.serve());

    let channel = Channel::connect(&address).await?;
    let arith = ArithClient::new(channel.clone());

    println!("sum(1, 2) = {}", arith.sum(1, 2).await?);
    println!("divide(7, 2) = {}", arith.divide(7, 2).await?);
    match arith.divide(7, 0).await {
        Err(CallError::Service(error @ ArithError::DivisionByZero)) => println!("divide(7, 0): {error}"),
        other => return Err(format!("divide(7, 0) gave {other:?}").into()),
    }

    let began = Instant::now();
    let calls = [60, 20, 40].map(|ms| (ms, arith.sleep(ms).start()));
    let waiting = calls.map(|(ms, call)| async move {
        let slept = call.await?;
        println!("sleep({ms}) = {slept}, ended after {} ms", began.elapsed().as_millis());
        Ok::<_, Status>(())
    });
    try_join_all(waiting).await?;

    match arith.sleep(10_000).timeout(Duration::from_millis(50)).await {
        Err(status) if status.code() == Code::DeadlineExceeded => println!("sleep(10000) within 50 ms: {status}"),
        other => return Err(format!("sleep(10000) gave {other:?}").into()),
    }
    match ArithOfTomorrowClient::new(channel).power(2, 10).await {
        Err(status) => println!("power(2, 10): {status}"),
        Ok(power) => return Err(format!("power(2, 10) gave {power}").into()),
    }

    let began = Instant::now();
    let sums = join_all((0..10_000).map(|n| arith.sum(n, n))).await;
    let took = began.elapsed();
    let right = (0_i64..).zip(&sums).filter(|(n, sum)| matches!(sum, Ok(sum) if *sum == 2 * n)).count();
    println!("10,000 calls at once: {right} right, in {took:.1?}: {:.0} calls/s", 10_000.0 / took.as_secs_f64());
    if let Some(Err(error)) = sums.iter().find(|sum| sum.is_err()) {
        return Err(format!("one of the calls at once failed: {error}").into());
    }
    if right != sums.len() {
        return Err("some of the calls at once went wrong".into());
    }

    handle.shut_down();
    drop(arith);
    serving.await??;
    Ok(())
}

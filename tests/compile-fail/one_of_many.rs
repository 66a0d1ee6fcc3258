//! One mistake is one message: the trait, its implementation, the other methods and their calls are not touched by it.

use rpc_runtime::rpc_service;

#[rpc_service]
pub trait Arith {
    async fn sum(&self, a: i64, b: i64) -> i64;
    async fn wrong(&self, values: &mut Vec<i64>) -> i64;
    async fn scale(&self, by: f64, values: &[f64]) -> Vec<f64>;
}

struct Calculator;

impl Arith for Calculator {
    async fn sum(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn wrong(&self, values: &mut Vec<i64>) -> i64 {
        values.pop().unwrap_or(0)
    }
    async fn scale(&self, by: f64, values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| by * value).collect()
    }
}

fn calls(client: &ArithClient) {
    let _ = client.sum(1, 2);
    let _ = client.scale(1.0, &[2.0]);
}

fn main() {
    let _ = (ArithServer::new(Calculator), calls);
}

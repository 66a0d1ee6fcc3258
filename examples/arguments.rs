//! What arguments and results may be: borrowed ones, several, none; and bytes, which are copied in one piece.
//! `cargo run --example arguments`

use std::{borrow::Cow, time::Instant};

use bytes::Bytes;
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[rpc_service]
trait Samples {
    async fn mean(&self, values: &[f64], weight: f64) -> Option<f64>;
    async fn describe(&self, point: &Point, unit: Option<&str>) -> String;
    async fn shout<'a>(&self, text: Cow<'a, str>) -> String;
    async fn reversed(&self, data: &[u8]) -> Bytes;
    async fn ping(&self);
}

#[derive(Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

struct Here;

impl Samples for Here {
    async fn mean(&self, values: &[f64], weight: f64) -> Option<f64> {
        (!values.is_empty()).then(|| weight * values.iter().sum::<f64>() / values.len() as f64)
    }

    async fn describe(&self, point: &Point, unit: Option<&str>) -> String {
        let unit = unit.unwrap_or("m");
        format!("{} {unit} across, {} {unit} up", point.x, point.y)
    }

    async fn shout<'a>(&self, text: Cow<'a, str>) -> String {
        text.to_uppercase()
    }

    async fn reversed(&self, data: &[u8]) -> Bytes {
        data.iter().rev().copied().collect()
    }

    async fn ping(&self) {}
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let samples = SamplesClient::from_service(Here);

    // Encoded here and now: the call that is returned borrows nothing.
    let values = vec![1.0, 2.0, 6.0];
    let call = samples.mean(&values, 2.0);
    drop(values);
    assert_eq!(call.await?, Some(6.0));
    assert_eq!(samples.mean(&[], 1.0).await?, None);

    println!("{}", samples.describe(&Point { x: 3.0, y: 4.0 }, Some("km")).await?);
    assert_eq!(samples.shout(Cow::Borrowed("hello")).await?, "HELLO");
    samples.ping().await?;

    let data = vec![7; 1 << 20];
    let begin = Instant::now();
    assert_eq!(samples.reversed(&data).await?, data);
    println!("a MiB there and back took {:?}", begin.elapsed());
    Ok(())
}

//! The same client without a connection: for tests, for mocks, and for parts that may move to another process later.
//! `cargo run --example in_process`

use std::time::Duration;

use rpc_runtime::{middleware::from_fn, prelude::*};

#[rpc_service]
trait Weather {
    async fn degrees(&self, city: &str) -> Result<f64, Status>;
}

/// A mock is an implementation like any other.
struct AlwaysMild;

impl Weather for AlwaysMild {
    async fn degrees(&self, city: &str) -> Result<f64, Status> {
        match city {
            "Atlantis" => Err(Status::not_found("no such city")),
            "Nowhere" => std::future::pending().await,
            _ => Ok(21.5),
        }
    }
}

/// What is under test: it takes a client and does not know what is behind it.
async fn report(weather: &WeatherClient, city: &str) -> String {
    match weather.degrees(city).timeout(Duration::from_millis(100)).await {
        Ok(degrees) => format!("{city}: {degrees} degrees"),
        Err(status) => format!("{city}: {}", status.code()),
    }
}

#[tokio::main]
async fn main() {
    let weather = WeatherClient::from_service(AlwaysMild);
    assert_eq!(report(&weather, "Rome").await, "Rome: 21.5 degrees");
    assert_eq!(report(&weather, "Atlantis").await, "Atlantis: NOT_FOUND");
    assert_eq!(report(&weather, "Nowhere").await, "Nowhere: DEADLINE_EXCEEDED");

    // With settings: another codec, and a layer that stands for a bad network.
    let broken = from_fn(|_, _| async { Err(Status::unavailable("the cable is cut")) });
    let channel = Channel::builder().codec(CodecKind::Json).layer(broken).in_process(WeatherServer::new(AlwaysMild));
    let weather = WeatherClient::new(channel);
    println!("{}", weather.degrees("Rome").await.expect_err("the layer refuses all"));
    assert_eq!(report(&weather, "Rome").await, "Rome: UNAVAILABLE");
}

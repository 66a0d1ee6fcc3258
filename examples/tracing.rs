//! Spans for the calls of two services, of which one calls the other, tied together by one trace.
//! `cargo run --example tracing`

use rpc_runtime::{middleware, prelude::*, testing};
use tracing_subscriber::fmt::format::FmtSpan;

#[rpc_service]
trait Shop {
    /// The price of some apples, in cents.
    async fn price(&self, apples: u64) -> Result<u64, Status>;
}

#[rpc_service]
trait Stock {
    async fn cents_each(&self) -> u64;
}

/// Asks another service.
struct Front {
    stock: StockClient,
}

impl Shop for Front {
    async fn price(&self, apples: u64) -> Result<u64, Status> {
        tracing::info!("asked for {apples} apples");
        Ok(apples * self.stock.cents_each().await?)
    }
}

struct Back;

impl Stock for Back {
    async fn cents_each(&self) -> u64 {
        let trace = Context::current().metadata().get("traceparent").unwrap_or("none").to_owned();
        tracing::info!(trace, "asked for a price");
        30
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    // Each span is printed when it ends, with its trace_id, span_id and parent_span_id. An exporter for OpenTelemetry
    // takes the same fields; it would be added here.
    tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).with_ansi(false).with_writer(std::io::stdout).init();

    // The same layer at all four places.
    let back = Server::builder().service(StockServer::new(Back)).layer(middleware::tracing());
    let (channel, _back) = testing::link(back, Channel::builder().layer(middleware::tracing())).await?;

    let front = Front { stock: StockClient::new(channel) };
    let front = Server::builder().service(ShopServer::new(front)).layer(middleware::tracing());
    let (channel, _front) = testing::link(front, Channel::builder().layer(middleware::tracing())).await?;

    let cents = ShopClient::new(channel).price(5).await?;
    println!("five apples cost {cents} cents");
    Ok(())
}

//! From the moment that a caller drops its call to the moment that the server drops the handler, in two processes.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result,
    conductor::{
        ledgers::{Ledgers, Spread, times},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::Mark,
    messages::{Kind, Load, Order, Pace, Serve},
};

const WORKERS: u64 = 8;
const LINKS: usize = 2;
const P50_MS: f64 = 1.0;
const P99_MS: f64 = 5.0;

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = options.pick(Duration::from_secs(10), Duration::from_secs(2));
    row.ask(format!(
        "{WORKERS} callers drop running calls for {} s: handlers are dropped within p50 {P50_MS} ms and p99 \
         {P99_MS} ms",
        time.as_secs()
    ));
    let ledgers = Ledgers::new()?;
    let (_server, address) = Process::server(&Serve { ledger: ledgers.servers(), ..Serve::default() }).await?;
    let load = Load {
        ledger: ledgers.clients(),
        servers: vec![address],
        links: LINKS,
        pace: Pace::Workers(WORKERS),
        kind: Kind::Cancelled,
        ..Load::default()
    };
    let mut client = Process::client(&load).await?;
    sleep(time).await;
    client.order(&Order::Stop).await?;
    client.done(Duration::from_secs(10)).await?;
    // The last cancels are on their way.
    sleep(Duration::from_millis(500)).await;

    let audit = ledgers.audit(row)?;
    let given_up = times(&ledgers.calls()?, |mark| mark == Mark::GivenUp);
    let executions = ledgers.executions()?;
    let dropped = times(&executions, |mark| mark == Mark::Dropped);
    let spread = Spread::of(given_up.iter().filter_map(|(call, at)| dropped.get(call)?.checked_sub(*at)));
    row.saw(format!("from the caller's drop to the handler's: {spread}"));
    row.must(spread.count as u64 == audit.executed, "not every handler that began was dropped after its caller");
    row.reaches(spread.p50 < P50_MS, format!("p50 {:.2} ms is not below {P50_MS} ms", spread.p50));
    row.reaches(spread.p99 < P99_MS, format!("p99 {:.2} ms is not below {P99_MS} ms", spread.p99));
    Ok(())
}

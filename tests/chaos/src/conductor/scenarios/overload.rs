//! E10: more calls than a server can do. It goes on doing about as many as it can, and what it refuses it does not do.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result,
    conductor::{ledgers::Ledgers, options::Options, process::Process, table::Row},
    ledger::Mark,
    messages::{Kind, Load, Order, Pace, Serve},
};

const RUNNING: usize = 64;
const SLEEP_MS: u64 = 10;
/// In a second.
const CAPACITY: u64 = RUNNING as u64 * 1_000 / SLEEP_MS;
const DEADLINE_MS: u64 = 500;
/// Of the peak.
const TARGET: f64 = 0.8;

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = options.pick(Duration::from_secs(8), Duration::from_secs(2));
    row.ask(format!(
        "handlers that sleep {SLEEP_MS} ms, {RUNNING} running, deadlines of {DEADLINE_MS} ms, {} s each: at two and \
         four times {CAPACITY} calls/s the goodput is {TARGET} of the peak, and nothing refused is executed",
        time.as_secs()
    ));
    let peak = goodput(Pace::Workers(RUNNING as u64 * 2), time, row).await?;
    row.saw(format!("peak: {peak:.0} calls/s"));
    for factor in [2, 4] {
        let goodput = goodput(Pace::Rate(factor * CAPACITY), time, row).await?;
        let share = goodput / peak;
        row.saw(format!("{factor} times the capacity: {goodput:.0} calls/s, {share:.2} of the peak"));
        row.reaches(share >= TARGET, format!("goodput at {factor} times the capacity is {share:.2} of the peak"));
    }
    Ok(())
}

/// Successes in a second, the first fifth of the time aside.
async fn goodput(pace: Pace, time: Duration, row: &mut Row) -> Result<f64> {
    let ledgers = Ledgers::new()?;
    let settings = Serve { ledger: ledgers.servers(), running: Some(RUNNING), ..Serve::default() };
    let (_server, address) = Process::server(&settings).await?;
    let load = Load {
        ledger: ledgers.clients(),
        servers: vec![address],
        pace,
        kind: Kind::Run(SLEEP_MS),
        deadline_ms: DEADLINE_MS,
        ..Load::default()
    };
    let mut client = Process::client(&load).await?;
    sleep(time).await;
    client.order(&Order::Stop).await?;
    client.done(Duration::from_secs(20)).await?;
    ledgers.audit(row)?;
    let calls = ledgers.calls()?;
    let (first, end) = (calls.first().map_or(0, |entry| entry.at), time.as_nanos() as u64);
    let counted = (first + end / 5)..(first + end);
    let successes = calls.iter().filter(|entry| entry.mark == Mark::Ok && counted.contains(&entry.at)).count();
    Ok(successes as f64 / (time.as_secs_f64() * 0.8))
}

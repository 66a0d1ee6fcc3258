//! E9: a server with little memory, by its own setting and by the system's limit, under a flood of large calls. It
//! refuses, is not killed, and goes on serving who is honest.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use super::until;
use crate::{
    Result,
    conductor::{
        ledgers::{Ledgers, Spread, times},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::Mark,
    messages::{ATTEMPTS, Kind, Load, Order, Pace, Serve},
};

const MEMORY: usize = 32 << 20;
/// What the system lets the process have of addresses: four times that, and what threads and allocator reserve.
const ADDRESS_SPACE: u64 = 768 << 20;
const RUNNING: usize = 2;
const FLOODERS: u64 = 24;
const SIZE: usize = 512 << 10;
const DEADLINE_MS: u64 = 2_000;
/// The probe's number is above this.
const PROBE: u64 = 1 << 32;

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = options.pick(Duration::from_secs(10), Duration::from_secs(3));
    row.ask(format!(
        "{} s of calls of {} KiB by {} callers on {FLOODERS} connections to a server with {} MiB of memory and {} MiB \
         of addresses: refused and not killed, an honest probe is served",
        time.as_secs(),
        SIZE >> 10,
        FLOODERS * 8,
        MEMORY >> 20,
        ADDRESS_SPACE >> 20
    ));
    let ledgers = Ledgers::new()?;
    let settings = Serve {
        ledger: ledgers.servers(),
        running: Some(RUNNING),
        memory: Some(MEMORY),
        address_space: Some(ADDRESS_SPACE),
        ..Serve::default()
    };
    let (mut server, address) = Process::server(&settings).await?;
    let flood = Load {
        ledger: ledgers.clients(),
        servers: vec![address],
        links: FLOODERS as usize,
        pace: Pace::Workers(FLOODERS * 8),
        kind: Kind::Large(50, SIZE),
        deadline_ms: DEADLINE_MS,
        again: true,
        ..Load::default()
    };
    let probe = Load { links: 1, pace: Pace::Workers(1), kind: Kind::Run(1), first: PROBE, ..flood.clone() };
    let (mut flood, mut probe) = (Process::client(&flood).await?, Process::client(&probe).await?);
    sleep(time).await;
    let under_flood = server.sample().await?;
    probe.order(&Order::Stop).await?;
    probe.done(Duration::from_secs(20)).await?;
    flood.order(&Order::Stop).await?;
    flood.done(Duration::from_secs(20)).await?;
    let after = until(&mut server, "a server that all have left", |sample| sample.connections == 0).await?;
    server.signal(Signal::TERM)?;
    let status = server.ended(Duration::from_secs(20)).await?;

    let audit = ledgers.audit(row)?;
    row.saw(format!(
        "the server held {} KiB, refused {} calls, closed {} connections; resident {} KiB, at most {} KiB",
        under_flood.memory_held >> 10,
        after.refused,
        after.closed,
        under_flood.resident_kib,
        after.peak_kib
    ));
    row.must(status.success(), format!("the server ended with {status}"));
    row.must(after.refused + after.closed > 0, "nothing was refused");
    row.must(audit.ended(Mark::Ok) > 0, "nothing was served");
    row.must(after.memory_held == 0, format!("it still holds {} bytes", after.memory_held));
    judge_probe(row, &ledgers)
}

/// From the first attempt of each piece of the probe's work to its success.
fn judge_probe(row: &mut Row, ledgers: &Ledgers) -> Result<()> {
    let calls = ledgers.calls()?;
    let is_probe = |call: &u64| call / ATTEMPTS >= PROBE;
    let started = times(&calls, |mark| mark == Mark::Started);
    let served = times(&calls, |mark| mark == Mark::Ok);
    let waits = served.iter().filter(|(call, _)| is_probe(call)).filter_map(|(call, at)| {
        // The first attempt's number.
        at.checked_sub(*started.get(&(call / ATTEMPTS * ATTEMPTS))?)
    });
    let spread = Spread::of(waits);
    let failed = calls.iter().filter(|entry| is_probe(&entry.call) && entry.mark == Mark::Unknown).count();
    row.saw(format!("the probe, attempts that were refused included: {spread}; {failed} failed"));
    row.must(spread.count > 0 && failed == 0, format!("the probe failed {failed} times"));
    Ok(())
}

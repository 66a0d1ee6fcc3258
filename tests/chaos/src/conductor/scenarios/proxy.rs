//! A proxy that delays, splits, stops a direction, half-closes, cuts and resets, by a seed. The ledgers agree whatever
//! it does, and the server is as it was before when all have gone.

use std::time::Duration;

use tokio::time::sleep;

use super::until;
use crate::{
    Result,
    conductor::{ledgers::Ledgers, options::Options, process::Process, table::Row},
    ledger::Mark,
    messages::{Kind, Load, Order, Pace, Relay, Serve},
};

const CLIENTS: u64 = 2;
const WORKERS: u64 = 48;
const LINKS: usize = 12;
const FAULTS: [&str; 7] = [
    "blocks delayed",
    "blocks split",
    "directions stopped",
    "half-closed to the server",
    "half-closed to the client",
    "cut",
    "reset",
];

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = options.pick(Duration::from_secs(30), Duration::from_secs(6));
    row.ask(format!(
        "{} s of calls of all kinds by {CLIENTS} clients with {WORKERS} callers each through a proxy that breaks \
         everything, seed {}: every call as its outcome says",
        time.as_secs(),
        options.seed
    ));
    let ledgers = Ledgers::new()?;
    let limits = (Some(1_000), Some((500, 500)));
    let settings = Serve { ledger: ledgers.servers(), stall_ms: limits.0, keepalive_ms: limits.1, ..Serve::default() };
    let (mut server, address) = Process::server(&settings).await?;
    let before = server.sample().await?;
    let (mut proxy, through) = Process::proxy(&Relay { server: address, seed: Some(options.seed) }).await?;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let load = Load {
            ledger: ledgers.clients(),
            servers: vec![through.clone()],
            links: LINKS,
            pace: Pace::Workers(WORKERS),
            kind: Kind::Mixed,
            deadline_ms: 2_000,
            first: number << 32,
            again: true,
            stall_ms: limits.0,
            keepalive_ms: limits.1,
            ..Load::default()
        };
        clients.push(Process::client(&load).await?);
    }
    sleep(time).await;
    for mut client in clients {
        client.order(&Order::Stop).await?;
        client.done(Duration::from_secs(40)).await?;
    }
    proxy.order(&Order::Stop).await?;
    let faults = proxy.done(Duration::from_secs(5)).await?;
    let after = until(&mut server, "a server that all have left", |sample| sample.connections == 0).await?;

    let audit = ledgers.audit(row)?;
    row.saw(format!("the proxy: {faults:?}"));
    for fault in FAULTS {
        row.must(faults.get(fault).is_some_and(|count| *count > 0), format!("nothing was {fault}"));
    }
    for outcome in [Mark::Ok, Mark::Refused, Mark::NotExecuted, Mark::Unknown] {
        row.must(audit.ended(outcome) > 0, format!("no call ended {outcome:?}"));
    }
    row.must(audit.duplicated == 0, format!("{} pieces of work ran twice", audit.duplicated));
    row.saw(format!(
        "the server before and after: {} and {} descriptors, {} and {} tasks",
        before.descriptors, after.descriptors, before.tasks, after.tasks
    ));
    row.must(after.in_flight == 0, "the server kept calls");
    row.must(after.descriptors <= before.descriptors, "the server kept descriptors");
    row.must(after.tasks <= before.tasks, "the server kept tasks");
    Ok(())
}

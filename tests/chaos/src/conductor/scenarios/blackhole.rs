//! G2, G3: from one moment on nothing passes, in both directions or in one. Calls end by their deadline, or as
//! *unknown* within the time of keepalive; the server drops its handlers in the same time.

use std::time::Duration;

use super::until_in_flight;
use crate::{
    Result, clock,
    conductor::{
        ledgers::{Ledgers, Spread, times},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::Mark,
    messages::{Kind, Load, Order, Pace, Relay, Report, Serve},
};

/// Silence, and time for the answer.
const KEEPALIVE_MS: (u64, u64) = (500, 500);
/// Both, and for each the quarter that a look may come later; and the machine's own time.
const NOTICED_MS: f64 = 1_000.0 + 2.0 * 125.0 + 250.0;
const CALLS: u64 = 200;
const LINKS: usize = 4;
/// Of the calls that have less time than keepalive takes: from their start, before the blackhole.
const SHORT_MS: u64 = 700;

pub(super) async fn play(_options: &Options, row: &mut Row) -> Result<()> {
    row.ask(format!(
        "{CALLS} running calls over {LINKS} connections into a blackhole, keepalive {KEEPALIVE_MS:?} ms: all unknown \
         and all handlers dropped within {NOTICED_MS} ms; with deadlines of {SHORT_MS} ms by these"
    ));
    for (name, to_server, to_client) in
        [("both ways", true, true), ("to the server", true, false), ("to the client", false, true)]
    {
        for deadline_ms in [60_000, SHORT_MS] {
            swallow(row, name, Order::Swallow { to_server, to_client }, deadline_ms).await?;
        }
    }
    Ok(())
}

async fn swallow(row: &mut Row, name: &str, order: Order, deadline_ms: u64) -> Result<()> {
    let ledgers = Ledgers::new()?;
    let settings = Serve { ledger: ledgers.servers(), keepalive_ms: Some(KEEPALIVE_MS), ..Serve::default() };
    let (mut server, address) = Process::server(&settings).await?;
    let (mut proxy, through) = Process::proxy(&Relay { server: address, seed: None }).await?;
    let mut load = Load {
        ledger: ledgers.clients(),
        servers: vec![through],
        links: LINKS,
        pace: Pace::Burst(CALLS),
        kind: Kind::Run(60_000),
        deadline_ms,
        keepalive_ms: Some(KEEPALIVE_MS),
        ..Load::default()
    };
    let client = Process::client(&load).await?;
    until_in_flight(&mut server, CALLS).await?;
    let began = clock::now();
    proxy.order(&order).await?;
    match proxy.report(Duration::from_secs(1)).await? {
        Report::Obeyed => {}
        other => return Err(format!("proxy: {other:?}").into()),
    }
    client.done(Duration::from_secs(10)).await?;
    until_in_flight(&mut server, 0).await?;

    // Through the same proxy, which lets pass what is new.
    (load.kind, load.first) = (Kind::Run(0), 1 << 32);
    Process::client(&load).await?.done(Duration::from_secs(10)).await?;
    let mut one = row.part();
    let audit = ledgers.audit(&mut one)?;
    let place = format!("{name}, deadlines of {deadline_ms} ms");
    row.faults.extend(one.faults.into_iter().map(|fault| format!("{place}: {fault}")));
    row.must(audit.ended(Mark::Unknown) == CALLS, format!("{place}: not all unknown: {:?}", audit.outcomes));
    row.must(audit.ended(Mark::Ok) == CALLS, format!("{place}: afterwards not all ok: {:?}", audit.outcomes));

    let (calls, executions) = (ledgers.calls()?, ledgers.executions()?);
    let started = times(&calls, |mark| mark == Mark::Started);
    let ended = times(&calls, |mark| mark == Mark::Unknown);
    let from = |call: &u64| if deadline_ms == SHORT_MS { started.get(call).copied().unwrap_or(began) } else { began };
    let outcome = Spread::of(ended.iter().map(|(call, at)| at.saturating_sub(from(call))));
    let dropped = times(&executions, |mark| mark == Mark::Dropped);
    let handlers = Spread::of(dropped.iter().map(|(call, at)| at.saturating_sub(from(call))));
    row.saw(format!("{place}: callers {outcome}; handlers {handlers}"));
    let most = if deadline_ms == SHORT_MS { SHORT_MS as f64 + 100.0 } else { NOTICED_MS };
    row.must(handlers.count as u64 == CALLS, format!("{place}: {} handlers were dropped", handlers.count));
    for (whose, spread) in [("callers", outcome), ("handlers", handlers)] {
        row.reaches(spread.max <= most, format!("{place}: {whose} were held for {:.0} ms", spread.max));
    }
    Ok(())
}

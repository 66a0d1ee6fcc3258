//! G7: a server is killed with calls pending on several connections. Each ends at once, as *unknown*.

use std::time::Duration;

use rustix::process::Signal;

use super::until_in_flight;
use crate::{
    Result,
    conductor::{
        ledgers::{Ledgers, Spread},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::Mark,
    messages::{Kind, Load, Pace, Serve},
};

const CALLS: u64 = 2_000;
const LINKS: usize = 8;
const TARGET_MS: f64 = 50.0;

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let rounds = options.pick(10, 1);
    row.ask(format!(
        "{rounds} times SIGKILL with {CALLS} calls running over {LINKS} connections: each ends unknown, p99 below \
         {TARGET_MS} ms"
    ));
    let mut times = Vec::new();
    for round in 0..rounds {
        let ledgers = Ledgers::new()?;
        let (mut server, address) = Process::server(&Serve { ledger: ledgers.servers(), ..Serve::default() }).await?;
        let load = Load {
            ledger: ledgers.clients(),
            servers: vec![address],
            links: LINKS,
            pace: Pace::Burst(CALLS),
            kind: Kind::Run(60_000),
            deadline_ms: 60_000,
            ..Load::default()
        };
        let client = Process::client(&load).await?;
        until_in_flight(&mut server, CALLS).await?;
        let killed = server.signal(Signal::KILL)?;
        client.done(Duration::from_secs(10)).await?;

        let outcomes = ledgers.calls()?;
        let ended = outcomes.iter().filter(|entry| entry.mark.is_outcome());
        times.extend(ended.map(|entry| entry.at.saturating_sub(killed)));
        let mut one = row.part();
        let audit = ledgers.audit(&mut one)?;
        row.faults.append(&mut one.faults);
        row.must(audit.ended(Mark::Unknown) == CALLS, format!("round {round}: not all unknown: {:?}", audit.outcomes));
        row.must(audit.executed == CALLS, format!("round {round}: {} executed", audit.executed));
    }
    let spread = Spread::of(times);
    row.saw(format!("from the signal to the outcome: {spread}"));
    row.reaches(spread.p99 < TARGET_MS, format!("p99 {:.2} ms is not below {TARGET_MS} ms", spread.p99));
    Ok(())
}

//! G6: a server is asked to end while it is under load. What it accepted it answers, and all else was not executed.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    Result, clock,
    conductor::{
        ledgers::{Ledgers, Spread},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::Mark,
    messages::{Kind, Load, Order, Pace, Serve},
};

const CLIENTS: u64 = 2;
const WORKERS: u64 = 100;
const LINKS: usize = 4;
const UNDER_LOAD: Duration = Duration::from_millis(700);
/// With the server gone.
const AFTER: Duration = Duration::from_millis(100);

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let rounds = options.pick(20, 3);
    row.ask(format!(
        "{rounds} times SIGTERM under the load of {CLIENTS} clients with {WORKERS} callers each, calls of 20 ms: no \
         accepted call fails, all others are not executed"
    ));
    let (ledgers, mut ends) = (Ledgers::new()?, Vec::new());
    for round in 0..rounds {
        let (mut server, address) = Process::server(&Serve { ledger: ledgers.servers(), ..Serve::default() }).await?;
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let load = Load {
                ledger: ledgers.clients(),
                servers: vec![address.clone()],
                links: LINKS,
                pace: Pace::Workers(WORKERS),
                kind: Kind::Run(20),
                first: (round * CLIENTS + number) << 32,
                ..Load::default()
            };
            clients.push(Process::client(&load).await?);
        }
        sleep(UNDER_LOAD).await;
        let asked = server.signal(Signal::TERM)?;
        let status = server.ended(Duration::from_secs(40)).await?;
        ends.push(clock::now() - asked);
        row.must(status.success(), format!("round {round}: the server cut off calls, and ended with {status}"));
        sleep(AFTER).await;
        for mut client in clients {
            client.order(&Order::Stop).await?;
            client.done(Duration::from_secs(40)).await?;
        }
    }
    let audit = ledgers.audit(row)?;
    row.saw(format!("from the signal to the server's end: {}", Spread::of(ends)));
    row.must(audit.ended(Mark::Unknown) == 0, "calls that were accepted failed");
    row.must(audit.ended(Mark::NotExecuted) > 0, "no call met a server that was leaving");
    row.must(audit.ended(Mark::Ok) == audit.executed, "executed calls did not all succeed");
    Ok(())
}

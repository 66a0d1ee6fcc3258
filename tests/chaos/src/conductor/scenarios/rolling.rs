//! G9: three servers are restarted in turn, again and again, while clients call all the time and go to another server
//! with what was not executed. Nothing is lost and nothing runs twice.

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

/// In so few rounds no call may happen to meet a server that is leaving.
const MET_BY_CHANCE: usize = 5;
const SERVERS: usize = 3;
const CLIENTS: u64 = 2;
const WORKERS: u64 = 32;
const LINKS: usize = 6;
/// Between two restarts.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let rounds = options.pick(20, 3);
    row.ask(format!(
        "{rounds} rolling restarts of {SERVERS} servers by SIGTERM under the load of {CLIENTS} clients with {WORKERS} \
         callers each: nothing lost, nothing run twice"
    ));
    let ledgers = Ledgers::new()?;
    let mut settings = Serve { ledger: ledgers.servers(), ..Serve::default() };
    let (mut servers, mut addresses) = (Vec::new(), Vec::new());
    for _ in 0..SERVERS {
        let (server, address) = Process::server(&settings).await?;
        servers.push(server);
        addresses.push(address);
    }
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let load = Load {
            ledger: ledgers.clients(),
            servers: addresses.clone(),
            links: LINKS,
            pace: Pace::Workers(WORKERS),
            kind: Kind::Run(5),
            first: number << 32,
            again: true,
            ..Load::default()
        };
        clients.push(Process::client(&load).await?);
    }
    let mut drains = Vec::new();
    for round in 0..rounds {
        for (server, address) in servers.iter_mut().zip(&addresses) {
            sleep(PAUSE).await;
            let asked = server.signal(Signal::TERM)?;
            let status = server.ended(Duration::from_secs(40)).await?;
            drains.push(clock::now() - asked);
            row.must(status.success(), format!("round {round}: a server cut off calls, and ended with {status}"));
            settings.address = Some(address.clone());
            *server = Process::server(&settings).await?.0;
        }
    }
    for mut client in clients {
        client.order(&Order::Stop).await?;
        client.done(Duration::from_secs(40)).await?;
    }
    let audit = ledgers.audit(row)?;
    row.saw(format!(
        "{} lost, {} run twice, {} tried elsewhere; from the signal to a server's end: {}",
        audit.lost,
        audit.duplicated,
        audit.ended(Mark::NotExecuted),
        Spread::of(drains)
    ));
    row.must(audit.lost == 0, format!("{} pieces of work were lost", audit.lost));
    row.must(audit.duplicated == 0, format!("{} pieces of work ran twice", audit.duplicated));
    if rounds > MET_BY_CHANCE {
        row.must(audit.ended(Mark::NotExecuted) > 0, "no call met a server that was leaving");
    }
    Ok(())
}

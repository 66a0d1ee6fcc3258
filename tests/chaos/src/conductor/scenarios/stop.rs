//! G8: a server is stopped for a while, and goes on. Deadlines fire on time; what comes late is nobody's. A client
//! whose keepalive is shorter than the stop notices it, one whose keepalive is longer keeps its connections.

use std::{collections::HashMap, time::Duration};

use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    Result,
    conductor::{
        ledgers::{Ledgers, Spread, times},
        options::Options,
        process::Process,
        table::Row,
    },
    ledger::{Entry, Mark},
    messages::{Kind, Load, Order, Pace, Serve},
};

const RATE: u64 = 500;
const LINKS: usize = 4;
const DEADLINE_MS: u64 = 400;
/// A deadline may fire so much later than it says.
const LATE_MS: f64 = 50.0;
const KEEPALIVE_MS: (u64, u64) = (500, 500);
/// Both, and the quarters by which looks may be later; and the machine's own time.
const NOTICED_MS: f64 = 1_500.0;
/// The patient client's number is above this, the watchful one's below.
const PATIENT: u64 = 1 << 32;
const AROUND: Duration = Duration::from_secs(1);

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = if options.long { Duration::from_secs(30) } else { options.pick(Duration::from_secs(5), AROUND * 2) };
    row.ask(format!(
        "SIGSTOP for {} s under {RATE} calls/s with deadlines of {DEADLINE_MS} ms: they fire within {LATE_MS} ms, late \
         replies are nobody's; keepalive {KEEPALIVE_MS:?} ms notices within {NOTICED_MS} ms",
        time.as_secs()
    ));
    let ledgers = Ledgers::new()?;
    let (server, address) = Process::server(&Serve { ledger: ledgers.servers(), ..Serve::default() }).await?;
    let patient = Load {
        ledger: ledgers.clients(),
        servers: vec![address],
        links: LINKS,
        pace: Pace::Rate(RATE),
        kind: Kind::Run(20),
        deadline_ms: DEADLINE_MS,
        first: PATIENT,
        ..Load::default()
    };
    let watchful = Load {
        pace: Pace::Workers(64),
        deadline_ms: 30_000,
        first: 0,
        keepalive_ms: Some(KEEPALIVE_MS),
        ..patient.clone()
    };
    let (mut patient, mut watchful) = (Process::client(&patient).await?, Process::client(&watchful).await?);
    sleep(AROUND).await;
    let stopped = server.signal(Signal::STOP)?;
    sleep(time).await;
    let goes_on = server.signal(Signal::CONT)?;
    sleep(AROUND).await;
    let patient_at_end = patient.sample().await?;
    for client in [&mut patient, &mut watchful] {
        client.order(&Order::Stop).await?;
    }
    patient.done(Duration::from_secs(10)).await?;
    watchful.done(Duration::from_secs(40)).await?;

    ledgers.audit(row)?;
    let [patient, watchful] = calls_of_both(&ledgers.calls()?);
    judge_deadlines(row, &patient, stopped..goes_on);
    row.saw(format!("{} late replies were nobody's", patient_at_end.late));
    row.must(patient_at_end.late > 0, "no reply was late");
    row.must(patient_at_end.connections == LINKS as u64, "the patient client lost connections");

    let unknown = times(&watchful, |mark| mark == Mark::Unknown);
    let noticed = Spread::of(unknown.values().map(|at| at.saturating_sub(stopped)));
    row.saw(format!("keepalive ended calls after {noticed}"));
    row.must(noticed.count > 0, "keepalive ended no call");
    row.reaches(noticed.max <= NOTICED_MS, format!("keepalive took {:.0} ms", noticed.max));
    for (name, entries) in [("patient", &patient), ("watchful", &watchful)] {
        let again = entries.iter().filter(|entry| entry.mark == Mark::Ok && entry.at > goes_on).map(|entry| entry.at);
        let first = again.min().map(|at| (at - goes_on) as f64 / 1e6);
        row.saw(format!("the {name} client's first success after the stop: {first:.1?} ms"));
        row.must(first.is_some_and(|ms| ms < 1_000.0), format!("the {name} client was not served within 1 s"));
    }
    Ok(())
}

fn calls_of_both(entries: &[Entry]) -> [Vec<Entry>; 2] {
    let of = |is_patient| {
        let is_theirs = move |entry: &&Entry| (entry.call / crate::messages::ATTEMPTS >= PATIENT) == is_patient;
        entries.iter().filter(is_theirs).copied().collect()
    };
    [of(true), of(false)]
}

/// Of the calls that were started while the server stood still.
fn judge_deadlines(row: &mut Row, entries: &[Entry], still: std::ops::Range<u64>) {
    // Those that ended after it may have been answered.
    let started: HashMap<u64, u64> = times(entries, |mark| mark == Mark::Started);
    let ended = times(entries, |mark| mark.is_outcome());
    let deadline = DEADLINE_MS * 1_000_000;
    let is_still = |at: u64| still.contains(&at) && still.contains(&(at + deadline + 100_000_000));
    let lasted = started.iter().filter(|(_, at)| is_still(**at)).filter_map(|(call, at)| Some(ended.get(call)? - at));
    let lateness: Vec<u64> = lasted.map(|lasted| lasted.saturating_sub(deadline)).collect();
    let spread = Spread::of(lateness);
    row.saw(format!("deadlines fired late by {spread}"));
    row.must(spread.count > 0, "no deadline fired while the server stood still");
    row.reaches(spread.p99 < LATE_MS, format!("deadlines fired late by {:.1} ms", spread.p99));
}

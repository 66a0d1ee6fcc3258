//! E8: a server whose process has no descriptors left. It accepts again and again, but not so often that it takes the
//! processor; it serves those that it has; and as soon as there are descriptors, it lets in who waits.

use std::{collections::BTreeSet, future::Future, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use rpc_runtime::{Channel, Code, Status};
use rustix::process::{Resource, Rlimit, prlimit};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Result,
    conductor::{ledgers::Spread, options::Options, process::Process, table::Row},
    messages::Serve,
    sample::processor_ms,
    service::{WorkClient, answer},
};

const LIMIT: u64 = 64;
/// More than that.
const CONNECTIONS: usize = 100;
/// Those that a server has when its descriptors end, and those that wait outside.
const INSIDE: usize = 40;
const OUTSIDE: usize = 20;
const PROCESSOR_PERCENT: f64 = 10.0;
const RELIEF: Duration = Duration::from_secs(2);

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    row.ask(format!(
        "{CONNECTIONS} connections to a server under RLIMIT_NOFILE={LIMIT}: served or refused with the reason; and a \
         server that is out of descriptors: processor below {PROCESSOR_PERCENT} %, first success within \
         {RELIEF:?} of relief"
    ));
    low_limit(row).await?;
    let time = options.pick(Duration::from_secs(4), Duration::from_secs(2));
    for by_limit in [false, true] {
        exhausted(row, time, by_limit).await?;
    }
    Ok(())
}

/// The limit is low from the start: the server knows, and refuses.
async fn low_limit(row: &mut Row) -> Result<()> {
    let (server, address) = Process::server(&Serve { descriptors: Some(LIMIT), ..Serve::default() }).await?;
    let before = processor_ms(server.pid().as_raw_nonzero().get())?;
    let began = Instant::now();
    let dialled = join_all((0..CONNECTIONS).map(|_| Channel::connect(&address))).await;
    let (served, refused): (Vec<_>, Vec<_>) = dialled.into_iter().partition(std::result::Result::is_ok);
    let took = began.elapsed();
    let clients: Vec<_> = served.into_iter().flatten().map(WorkClient::new).collect();
    let refusals: Vec<Status> = refused.into_iter().filter_map(std::result::Result::err).collect();
    row.saw(format!("limit {LIMIT}: {} served, {} refused, within {took:.1?}", clients.len(), refusals.len()));
    if let Some(status) = refusals.first() {
        row.saw(format!("refused with: {status}"));
    }
    let is_told = |status: &Status| status.code() == Code::ResourceExhausted && !status.may_have_run();
    row.must(refusals.iter().all(is_told), format!("refused without the reason: {refusals:?}"));
    row.must(!refusals.is_empty() && clients.len() as u64 >= LIMIT / 4, "too few or too many were let in");
    row.must(took < Duration::from_secs(2), format!("the refusals took {took:.1?}"));
    row.must(all_answer(&clients).await?.is_some(), "those that were let in were not all served");
    let spent = processor_ms(server.pid().as_raw_nonzero().get())? - before;
    row.saw(format!("for which it took {spent} ms of the processor"));
    Ok(())
}

/// The limit falls to what the process has, while it serves.
async fn exhausted(row: &mut Row, time: Duration, by_limit: bool) -> Result<()> {
    let (server, address) = Process::server(&Serve::default()).await?;
    let pid = server.pid();
    let dialled = join_all((0..INSIDE).map(|_| Channel::connect(&address))).await;
    let mut clients: Vec<_> = dialled.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let inside: Vec<_> = clients.iter().cloned().map(WorkClient::new).collect();
    let has = lowest_free_descriptor(pid.as_raw_nonzero().get())?;
    let limit = |most| Rlimit { current: Some(most), maximum: Some(1_024) };
    prlimit(Some(pid), Resource::Nofile, limit(has))?;

    let mut outside: FuturesUnordered<_> = (0..OUTSIDE).map(|_| first_success(&address)).collect();
    let before = processor_ms(pid.as_raw_nonzero().get())?;
    let early = timeout(time, outside.next()).await;
    let percent = (processor_ms(pid.as_raw_nonzero().get())? - before) as f64 / time.as_secs_f64() / 10.0;
    row.must(early.is_err(), format!("somebody was let in, or turned away, without a descriptor: {early:?}"));
    let calls = all_answer(&inside).await?;
    row.must(calls.is_some(), "those inside were not served");

    let began = Instant::now();
    if by_limit {
        prlimit(Some(pid), Resource::Nofile, limit(1_024))?;
    } else {
        clients.truncate(INSIDE / 2);
    }
    drop(inside);
    let first = timeout(RELIEF * 2, outside.next()).await;
    let (after, name) = (began.elapsed(), if by_limit { "a higher limit" } else { "half of them leaving" });
    row.saw(format!(
        "out of descriptors at {has}: {percent:.1} % of a processor, calls inside {}; first success {after:.1?} after \
         {name}",
        calls.map_or_else(|| "failed".to_owned(), |spread| spread.to_string())
    ));
    row.must(matches!(first, Ok(Some(Ok(())))), format!("nobody was let in after {name}: {first:?}"));
    row.must(after <= RELIEF, format!("the first success came {after:.1?} after {name}"));
    row.reaches(percent < PROCESSOR_PERCENT, format!("out of descriptors it took {percent:.1} % of a processor"));
    drop(clients);
    Ok(())
}

/// Below it there is none free: a limit of that many leaves none. Descriptors above it may be inherited.
fn lowest_free_descriptor(pid: i32) -> Result<u64> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().parse()?));
    let taken = names.collect::<Result<BTreeSet<u64>>>()?;
    (0..).find(|number| !taken.contains(number)).ok_or_else(|| "all descriptors are taken".into())
}

/// Dials and calls.
fn first_success(address: &str) -> impl Future<Output = std::result::Result<(), Status>> {
    let address = address.to_owned();
    async move { WorkClient::new(Channel::connect(&address).await?).run(1, 0).await.map(drop) }
}

/// How long calls take, one after the other for each; nothing if one failed.
async fn all_answer(clients: &[WorkClient]) -> Result<Option<Spread>> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let calls = clients.iter().map(|client| async {
            let began = Instant::now();
            (client.run(1, 0).timeout(Duration::from_secs(2)).await, began.elapsed())
        });
        for (reply, time) in join_all(calls).await {
            if !reply.is_ok_and(|reply| reply == answer(1)) {
                return Ok(None);
            }
            times.push(u64::try_from(time.as_nanos())?);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(Some(Spread::of(times)))
}

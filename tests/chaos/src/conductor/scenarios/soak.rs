//! A steady load of everything for as long as one likes: memory, descriptors and tasks of both sides must not grow.

use std::{fs::File, io::Write, path::PathBuf, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::{
    Result,
    conductor::{
        options::Options,
        process::Process,
        statistics::{Slope, means},
        table::Row,
    },
    messages::{Kind, Load, Order, Pace, Serve},
    sample::Sample,
};

const RATE: u64 = 1_500;
const LINKS: usize = 8;
const RECONNECT_MS: u64 = 2_000;
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Samples whose mean is one point of the series: a minute.
const BLOCK: usize = 6;
/// Until here every table and every pool of the allocator has seen all that comes: a sixth of the time, and no more
/// than this.
const WARM_UP: Duration = Duration::from_secs(600);

/// In the beginning each side stands still for so long, so that backlogs which the machine causes later find the pools
/// as large as they need.
const STILL: Duration = Duration::from_secs(2);

/// What is looked at, and how a sample tells it.
type Series = (&'static str, fn(&Sample) -> u64);
const SERIES: [Series; 3] = [
    ("resident KiB", |sample| sample.resident_kib),
    ("descriptors", |sample| sample.descriptors),
    ("tasks", |sample| sample.tasks),
];

pub(super) async fn play(options: &Options, row: &mut Row) -> Result<()> {
    let time = Duration::from_secs(60 * options.minutes);
    row.ask(format!(
        "{} min of {RATE} calls/s of all kinds over {LINKS} connections, one of which is closed or dropped every \
         {RECONNECT_MS} ms: no growth",
        options.minutes
    ));
    let (mut server, address) = Process::server(&Serve::default()).await?;
    let load = Load {
        servers: vec![address],
        links: LINKS,
        pace: Pace::Rate(RATE),
        kind: Kind::Mixed,
        reconnect_ms: Some(RECONNECT_MS),
        ..Load::default()
    };
    let mut client = Process::client(&load).await?;
    let path = options.samples.clone().unwrap_or_else(|| PathBuf::from("soak-samples.jsonl"));
    for process in [&server, &client] {
        process.signal(Signal::STOP)?;
        sleep(STILL).await;
        process.signal(Signal::CONT)?;
    }
    let samples = watch(&mut server, &mut client, time, &path).await?;

    client.order(&Order::Stop).await?;
    let outcomes = client.done(Duration::from_secs(60)).await?;
    let calls: u64 = outcomes.values().sum();
    row.saw(format!("{calls} calls: {outcomes:?}"));
    for wrong in ["Wrong", "Hung"] {
        row.must(!outcomes.contains_key(wrong), format!("calls were {wrong}"));
    }
    row.must(calls > 0 && outcomes.contains_key("Ok"), "nothing succeeded");
    server.signal(Signal::TERM)?;
    let status = server.ended(Duration::from_secs(60)).await?;
    row.must(status.success(), format!("the server ended with {status}"));
    judge(row, &samples, time);
    Ok(())
}

/// Both sides every ten seconds, also into a file.
async fn watch(
    server: &mut Process,
    client: &mut Process,
    time: Duration,
    path: &std::path::Path,
) -> Result<Vec<[Sample; 2]>> {
    let mut file = File::create(path)?;
    let (began, mut samples) = (Instant::now(), Vec::new());
    let mut tick = interval_at(began + SAMPLE_EVERY, SAMPLE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while began.elapsed() < time {
        tick.tick().await;
        let (server, client) = (server.sample().await?, client.sample().await?);
        let line = serde_json::json!({ "server": server, "client": client });
        writeln!(file, "{line}")?;
        samples.push([server, client]);
    }
    Ok(samples)
}

fn judge(row: &mut Row, samples: &[[Sample; 2]], time: Duration) {
    let warm_up = (time / 6).min(WARM_UP);
    let skipped = (warm_up.as_secs() / SAMPLE_EVERY.as_secs()) as usize;
    let warm = samples.get(skipped..).unwrap_or_default();
    let minutes = (time - warm_up).as_secs_f64() / 60.0;
    row.saw(format!(
        "slopes by least squares over the means of {BLOCK} samples, after {} s; noise: zero is within two standard \
         errors, or the growth is below 1 %",
        warm_up.as_secs()
    ));
    for (side, name) in ["server", "client"].into_iter().enumerate() {
        for (what, of) in SERIES {
            let minute = |sample: &Sample| sample.at_ms as f64 / 60_000.0;
            let points: Vec<_> = warm.iter().map(|both| (minute(&both[side]), of(&both[side]) as f64)).collect();
            let Some(slope) = Slope::of(&means(&points, BLOCK)) else {
                row.saw(format!("{name}'s {what}: too short for a slope"));
                continue;
            };
            let range =
                points.iter().fold((f64::MAX, f64::MIN), |(low, high), point| (low.min(point.1), high.max(point.1)));
            let text = format!(
                "{name}'s {what}: {:+.3} ± {:.3} a minute, {:+.1} in all, at a mean of {:.1} ({} to {})",
                slope.slope,
                2.0 * slope.error,
                slope.slope * minutes,
                slope.mean,
                range.0,
                range.1
            );
            row.must(slope.is_within_noise(minutes), format!("it grows: {text}"));
            row.saw(text);
        }
    }
}

//! One measurement: a fresh server, a fresh client runtime, some warm-up, and a window in which things count.

use std::thread;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::allocations;
use crate::cpu::Spent;
use crate::server::{self, PATIENCE, Server};
use crate::subject::{Failure, Row, Subject};
use crate::window::{Tally, Window};

/// How often and for how long.
pub struct Settings {
    /// How often everything is measured.
    pub rounds: u32,
    /// What passes before anything counts.
    pub warm_up: Duration,
    /// For how long things count.
    pub window: Duration,
    /// How often to repeat a measurement that other processes disturbed.
    pub retries: u32,
}

impl Settings {
    /// What figures are published from.
    pub const FULL: Self =
        Self { rounds: 5, warm_up: Duration::from_millis(500), window: Duration::from_secs(1), retries: 0 };

    /// What shows that everything runs.
    pub const QUICK: Self =
        Self { rounds: 2, warm_up: Duration::from_millis(200), window: Duration::from_millis(300), retries: 0 };

    /// Cores that others may take before they have disturbed a measurement: one that is busy drives both sides onto
    /// the other, which changes every figure.
    const DISTURBED: f64 = 0.15;

    /// A window is never longer, so that a run ends.
    pub const LONGEST: Duration = Duration::from_secs(60);
}

/// One measurement and where it belongs.
pub struct Record {
    /// Counted from 1.
    pub round: u32,
    /// What was to be done.
    pub row: &'static Row,
    /// Who did it.
    pub subject: &'static str,
    /// The measurement, or why there is none.
    pub outcome: Result<Measurement, String>,
}

/// What the window showed.
pub struct Measurement {
    /// Calls or items.
    pub per_second: f64,
    /// The median and the 99th percentile in µs, if there was one thing at a time.
    pub latency_us: Option<[f64; 2]>,
    /// Of this process.
    pub client: Cost,
    /// Of the other.
    pub server: Cost,
    /// Cores that other processes took.
    pub others: f64,
}

/// What a call or an item costs one side.
pub struct Cost {
    /// User and system time in µs.
    pub cpu_us: f64,
    /// Allocations and reallocations.
    pub allocations: f64,
}

/// Measures, and again while others disturb it; the least disturbed measurement counts.
pub fn measure(subject: &'static Subject, row: &'static Row, settings: &Settings) -> Result<Measurement, Failure> {
    let mut best = measure_once(subject, row, settings)?;
    for _ in 0..settings.retries {
        if best.others <= Settings::DISTURBED {
            break;
        }
        let next = measure_once(subject, row, settings)?;
        if next.others < best.others {
            best = next;
        }
    }
    Ok(best)
}

/// Takes about the warm-up and the window, and never longer than [`PATIENCE`] on top for each thing it waits for.
fn measure_once(subject: &'static Subject, row: &'static Row, settings: &Settings) -> Result<Measurement, Failure> {
    let mut server = Server::start(subject, row)?;
    let runtime = server::runtime(row.one_core)?;
    let window = Window::new(row);
    let work = runtime.spawn((subject.drive)(server.address().to_owned(), window.clone()));

    thread::sleep(settings.warm_up);
    let server_allocations = server.allocations()?;
    let earlier = Spent::so_far(server.process_id())?;
    let client_allocations = allocations::count();
    window.open();
    let opened = Instant::now();
    thread::sleep(settings.window);
    window.close();
    let open_for = opened.elapsed();
    let client_allocations = allocations::count() - client_allocations;
    let spent = Spent::so_far(server.process_id())?.since(&earlier);

    let tallies = runtime.block_on(async { timeout(PATIENCE, work).await });
    runtime.shutdown_timeout(PATIENCE);
    let tallies = tallies.map_err(|_| format!("it was still under way {} s later", PATIENCE.as_secs()))???;
    // Asked only now that the server is idle, because a busy one is slow to answer; the calls that were under way when
    // the window closed make up for those that were when it opened.
    let server_allocations = server.allocations()? - server_allocations;

    let completed: u64 = tallies.iter().map(Tally::count).sum();
    if completed == 0 {
        return Err("nothing completed".into());
    }
    let cost = |spent: Duration, allocations: u64| Cost {
        cpu_us: spent.as_secs_f64() * 1e6 / completed as f64,
        allocations: allocations as f64 / completed as f64,
    };
    Ok(Measurement {
        per_second: completed as f64 / open_for.as_secs_f64(),
        latency_us: latency_us(tallies),
        client: cost(spent.client, client_allocations),
        server: cost(spent.server, server_allocations),
        others: spent.others,
    })
}

fn latency_us(tallies: Vec<Tally>) -> Option<[f64; 2]> {
    let mut latencies: Vec<u32> = tallies.into_iter().flat_map(Tally::into_latencies).collect();
    latencies.sort_unstable();
    let last = latencies.len().checked_sub(1)?;
    Some([last / 2, last * 99 / 100].map(|index| f64::from(latencies[index]) / 1e3))
}

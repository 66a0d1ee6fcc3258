//! CPU time, as Linux tells it in `/proc`, and where it is spent.

use std::fs;
use std::process;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::subject::Failure;

/// One clock tick of `/proc`: 1/100 s on every Linux that Rust runs on, whatever rate the kernel itself ticks at.
const TICK_MS: u64 = 10;

/// What has been spent up to one moment.
pub struct Spent {
    at: Instant,
    idle: Duration,
    cores: usize,
    client: Duration,
    server: Duration,
}

/// What was spent between two moments.
pub struct Spending {
    /// By this process.
    pub client: Duration,
    /// By the other.
    pub server: Duration,
    /// Cores that other processes took, or the host of a virtual machine; good to a few hundredths.
    pub others: f64,
}

impl Spent {
    /// Until now; this process is the client.
    pub fn so_far(server: u32) -> Result<Self, Failure> {
        let (idle, cores) = idle()?;
        Ok(Self { at: Instant::now(), idle, cores, client: spent(process::id())?, server: spent(server)? })
    }

    /// Since an earlier moment.
    pub fn since(&self, earlier: &Self) -> Spending {
        let [client, server] = [self.client - earlier.client, self.server - earlier.server];
        let known = self.idle.saturating_sub(earlier.idle) + client + server;
        let others = self.cores as f64 - known.as_secs_f64() / (self.at - earlier.at).as_secs_f64();
        Spending { client, server, others: others.max(0.0) }
    }
}

/// Keeps this thread, and those that it starts from now on, on the first core.
pub fn stay_on_first_core() -> Result<(), Failure> {
    let mut first = CpuSet::new();
    first.set(0);
    Ok(sched_setaffinity(None, &first)?)
}

/// What the processes that this one started, and those that they started, have spent so far, as far as they have ended.
pub fn spent_by_children() -> Result<Duration, Failure> {
    ticks_of(process::id(), 13)
}

/// What all threads of the process have spent so far, in user and system mode, to 10 ms.
fn spent(process_id: u32) -> Result<Duration, Failure> {
    ticks_of(process_id, 11)
}

/// Two fields of a process that stand so far behind its name.
fn ticks_of(process_id: u32, behind: usize) -> Result<Duration, Failure> {
    let path = format!("/proc/{process_id}/stat");
    let stat = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    // The second field is the program's name in parentheses, in which anything may stand; `utime` and `stime` are
    // the 14th and 15th, `cutime` and `cstime` follow.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
    let ticks: Vec<u64> =
        fields.into_iter().flatten().skip(behind).take(2).map(str::parse).collect::<Result<_, _>>()?;
    match ticks[..] {
        [user, system] => Ok(Duration::from_millis(TICK_MS * (user + system))),
        _ => Err(format!("{path} has fewer than 17 fields").into()),
    }
}

/// How long all cores together have had nothing to do, and how many there are, whichever of them this process may use.
fn idle() -> Result<(Duration, usize), Failure> {
    let stat = fs::read_to_string("/proc/stat").map_err(|error| format!("cannot read /proc/stat: {error}"))?;
    // First the sum, `cpu user nice system idle iowait ...` in ticks, then a line for each core.
    let cores = stat.lines().skip(1).take_while(|line| line.starts_with("cpu")).count();
    let fields = stat.lines().next().into_iter().flat_map(str::split_whitespace).skip(4).take(2);
    let ticks: u64 = fields.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok((Duration::from_millis(TICK_MS * ticks), cores))
}

//! What a process holds of its machine, as `/proc` says.

use std::{fs, io};

use rpc_runtime::Stats;
use serde::{Deserialize, Serialize};

use crate::clock;

/// A process at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Milliseconds of the shared clock.
    pub(crate) at_ms: u64,
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: u64,
    pub(crate) tasks: u64,
    pub(crate) threads: u64,
    pub(crate) connections: u64,
    /// Calls of a client, or served by a server, that are under way.
    pub(crate) in_flight: u64,
    pub(crate) total: u64,
    pub(crate) memory_held: u64,
    /// The most that was ever resident.
    pub(crate) peak_kib: u64,
    /// Responses that nobody waited for any more.
    pub(crate) late: u64,
    /// Calls that were refused, and connections that were closed, for want of memory.
    pub(crate) refused: u64,
    pub(crate) closed: u64,
}

impl Sample {
    /// This process, within its runtime; `stats` are those of its servers or channels.
    pub(crate) fn take(stats: &[Stats]) -> io::Result<Self> {
        let sum = |count: fn(&Stats) -> u64| stats.iter().map(count).sum();
        Ok(Self {
            at_ms: clock::now() / 1_000_000,
            resident_kib: status("VmRSS:")?,
            // Less the one of the listing.
            descriptors: fs::read_dir("/proc/self/fd")?.count() as u64 - 1,
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64,
            threads: status("Threads:")?,
            connections: sum(|stats| stats.connections as u64),
            in_flight: sum(|stats| (stats.calls_in_flight + stats.served_in_flight) as u64),
            total: sum(|stats| stats.calls_total + stats.served_total),
            memory_held: sum(|stats| stats.memory_held as u64),
            peak_kib: status("VmHWM:")?,
            late: sum(|stats| stats.late_responses),
            refused: sum(|stats| stats.refused.memory),
            closed: sum(|stats| stats.closed.memory),
        })
    }
}

/// A number of this process's status.
fn status(name: &str) -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|word| word.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no {name} in the status of this process")))
}

/// The processor time that a process has taken, in milliseconds: of all its threads, with what the system did for it.
pub(crate) fn processor_ms(pid: i32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have spaces; user and system time are the fields 14 and 15, in hundredths of a second.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: Option<u64> = fields.skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum();
    ticks.map(|ticks| ticks * 10).ok_or_else(|| io::Error::other(format!("no times in the status of {pid}")))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_thread_that_is_busy_for_half_a_second_takes_about_that_much() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let (before, began) = (processor_ms(pid).unwrap(), Instant::now());
        while began.elapsed() < Duration::from_millis(500) {}
        // Less where others want the processor too; never nothing.
        assert!((50..=5_000).contains(&(processor_ms(pid).unwrap() - before)));
    }
}

//! What runs have shown, added up: calls by outcome, faults by kind, and what was violated.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What is done to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Delay,
    Partition,
    PartitionOneWay,
    Reset,
    HalfClose,
    Stall,
    Crumbs,
    Corruption,
    ServerCrash,
    ClientCrash,
    PowerOff,
    Shutdown,
    Pause,
    ClockStep,
    Descriptors,
    SlowConsumer,
    StoppedConsumer,
    Cancel,
    Deadline,
    Flood,
    Panic,
}

/// Their names, in the order of [`Fault`].
const FAULTS: &[(Fault, &str)] = &[
    (Fault::Delay, "delay"),
    (Fault::Partition, "partition"),
    (Fault::PartitionOneWay, "partition_one_way"),
    (Fault::Reset, "reset"),
    (Fault::HalfClose, "half_close"),
    (Fault::Stall, "stall"),
    (Fault::Crumbs, "crumbs"),
    (Fault::Corruption, "corruption"),
    (Fault::ServerCrash, "server_crash"),
    (Fault::ClientCrash, "client_crash"),
    (Fault::PowerOff, "power_off"),
    (Fault::Shutdown, "shutdown"),
    (Fault::Pause, "pause"),
    (Fault::ClockStep, "clock_step"),
    (Fault::Descriptors, "descriptors"),
    (Fault::SlowConsumer, "slow_consumer"),
    (Fault::StoppedConsumer, "stopped_consumer"),
    (Fault::Cancel, "cancel"),
    (Fault::Deadline, "deadline"),
    (Fault::Flood, "flood"),
    (Fault::Panic, "panic"),
];

/// Runs, added up.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) seeds: u64,
    /// Calls that were started.
    pub(crate) calls: u64,
    /// Calls whose requests were seen on the wire.
    pub(crate) written: u64,
    /// Calls whose outcome was compared with what the handlers did.
    pub(crate) compared: u64,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    /// Calls that were answered, but whose handler did not run to that end.
    pub(crate) lost: u64,
    /// Calls whose handler ran twice.
    pub(crate) duplicated: u64,
    /// Calls without an outcome when their time was over.
    pub(crate) hung: u64,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) violations: u64,
    /// The first of the lowest seed.
    pub(crate) first: Option<(u64, String)>,
    /// Of the traces of all seeds, whatever their order.
    pub(crate) trace: u64,
}

impl Report {
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(crate) fn violation(&mut self, seed: u64, what: &str) {
        self.violations += 1;
        if self.first.as_ref().is_none_or(|(first, _)| seed < *first) {
            self.first = Some((seed, what.to_owned()));
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.calls += other.calls;
        self.written += other.written;
        self.compared += other.compared;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.hung += other.hung;
        self.items += other.items;
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.trace ^= other.trace;
        for (of, into) in [(other.outcomes, &mut self.outcomes), (other.kinds, &mut self.kinds)] {
            for (name, count) in of {
                *into.entry(name).or_default() += count;
            }
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.violations += other.violations;
        if let Some((seed, what)) = other.first {
            if self.first.as_ref().is_none_or(|(first, _)| seed < *first) {
                self.first = Some((seed, what));
            }
        }
    }

    /// Kinds of faults that never happened: such a run has shown nothing about them.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        FAULTS.iter().filter(|(fault, _)| !self.faults.contains_key(fault)).map(|(_, name)| *name).collect()
    }

    /// Whether nothing was violated, and something could have been.
    pub(crate) fn is_clean(&self) -> bool {
        self.violations == 0 && self.compared > 0 && self.written > 0 && self.frames > 0
    }

    pub(crate) fn to_json(&self) -> Value {
        let faults: Map<_, _> = FAULTS
            .iter()
            .map(|(fault, name)| ((*name).to_owned(), json!(self.faults.get(fault).unwrap_or(&0))))
            .collect();
        json!({
            "seeds": self.seeds,
            "calls": self.calls,
            "written": self.written,
            "compared": self.compared,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "hung": self.hung,
            "unknown": self.outcomes.get("unknown").unwrap_or(&0),
            "outcomes": self.outcomes,
            "kinds": self.kinds,
            "items": self.items,
            "bytes": self.bytes,
            "frames": self.frames,
            "faults_total": self.faults.values().sum::<u64>(),
            "faults": faults,
            "violations": self.violations,
            "first_violation": self.first.as_ref().map(|(_, what)| what),
            "first_bad_seed": self.first.as_ref().map(|(seed, _)| seed),
            "trace": format!("{:016x}", self.trace),
        })
    }
}

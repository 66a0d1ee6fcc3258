//! What all attacks have shown, as one table, and whether this project has reached what it has to.

use std::{fmt, time::Duration};

use crate::{
    attack::Case,
    probe::{Feelings, Felt, quantile},
    process,
    run::{Attacked, Pace, Record},
    subject::Subject,
};

/// The most memory, and the most that the probe may slow down.
const MOST_KIB: u64 = 400 << 10;
const MOST_SLOWER: f64 = 5.0;
/// The project that is measured against its promises.
const OURS: &str = "ours";

/// The records of a run.
pub struct Report {
    pace: Pace,
    load: String,
    rows: Vec<(&'static str, Case, Record)>,
}

impl Report {
    /// An empty one.
    pub fn new(pace: Pace) -> Self {
        Self { pace, load: process::load(), rows: Vec::new() }
    }

    /// Takes a record.
    pub fn add(&mut self, subject: &'static Subject, case: Case, record: Record) {
        self.rows.push((subject.name, case, record));
    }

    /// A line for those who wait.
    pub fn progress(&self, subject: &Subject, case: Case, record: &Record) -> String {
        let calm = record.calm.fresh.quantile(990).unwrap_or_default();
        row(subject.name, case, record, calm, record.calm.kept.quantile(990).unwrap_or_default())
    }

    /// Whether this project has kept what it promises. How much slower the probe may be is left out of a quick run,
    /// which has too few for a quantile.
    pub fn is_good(&self) -> bool {
        self.misses().is_empty()
    }

    fn misses(&self) -> Vec<String> {
        let ours = self.rows.iter().filter(|(name, ..)| *name == OURS);
        let attacked = ours.filter_map(|(_, case, record)| Some((case, record, record.attacked.as_ref()?)));
        let faults = attacked.flat_map(|(case, record, attacked)| {
            let faults = attacked.faults(record);
            faults.into_iter().map(|fault| format!("{}: {fault}", case.name()))
        });
        faults.collect()
    }

    /// What calm probes of a framework took, 99 of 100 of them, over all of its calm times.
    fn calm(&self, name: &str, of: fn(&Feelings) -> &Felt) -> Duration {
        let own = self.rows.iter().filter(|(other, ..)| *other == name);
        let times: Vec<_> = own.flat_map(|(.., record)| of(&record.calm).served.iter().copied()).collect();
        quantile(&times, 990).unwrap_or_default()
    }
}

impl Attacked {
    /// What is not as promised.
    fn faults(&self, record: &Record) -> Vec<String> {
        let mut faults = Vec::new();
        let (fresh, kept) = (&self.felt.fresh, &self.felt.kept);
        let fresh_served =
            if self.leaves_no_room { fresh.failures.is_empty() } else { fresh.served.len() == fresh.count() };
        if !(fresh_served && kept.served.len() == kept.count()) {
            let why = fresh.failures.first().or(kept.failures.first());
            faults.push(format!("not all probes were served: {}", why.map_or("refused", |why| why)));
        }
        match self.during {
            None => faults.push("the server is dead".to_owned()),
            Some(during) if during.peak_kib >= MOST_KIB => {
                faults.push(format!("{} MiB of memory, {} are allowed", during.peak_kib >> 10, MOST_KIB >> 10));
            }
            Some(_) => {}
        }
        if !self.is_back() {
            faults.push(format!("not back at its baseline: {}", self.back(record)));
        }
        faults
    }

    /// Whether descriptors and probes are as they were before. What memory the allocator keeps for itself is told, and
    /// not judged: from here it can not be told from a leak.
    fn is_back(&self) -> bool {
        let served = |felt: &Felt| felt.served.len() == felt.count() && felt.count() > 0;
        self.relieved.is_some() && self.after.is_some() && served(&self.relief.fresh) && served(&self.relief.kept)
    }

    fn back(&self, record: &Record) -> String {
        let yes = if self.is_back() { "yes" } else { "no" };
        match (self.after, self.relieved) {
            (None, _) => "no, dead".to_owned(),
            (Some(after), Some(time)) => format!("{yes}, {} ms, {} MiB", time.as_millis(), after.resident_kib >> 10),
            (Some(after), None) => {
                let left = after.descriptors.saturating_sub(record.before.descriptors);
                format!("{yes}, {left} descriptors, {} MiB", after.resident_kib >> 10)
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pace { attack, fewer, .. } = self.pace;
        let load = &self.load;
        writeln!(
            f,
            "each attack for {attack:?}, peers divided by {fewer}; load before: {load}, after: {}\n",
            process::load()
        )?;
        writeln!(
            f,
            "| against | attack | peers (opened) | sent MiB | fresh served | p99 ms (of calm) | kept served | \
             p99 ms (of calm) | peak MiB | server CPU s | peers' CPU s | back at its baseline |"
        )?;
        writeln!(f, "|{}", "---|".repeat(12))?;
        for (name, case, record) in &self.rows {
            let (fresh, kept) = (self.calm(name, |felt| &felt.fresh), self.calm(name, |felt| &felt.kept));
            writeln!(f, "{}", row(name, *case, record, fresh, kept))?;
        }
        for (name, case, record) in &self.rows {
            let Some(attacked) = &record.attacked else { continue };
            let felt = &attacked.felt;
            for (kind, felt) in [("fresh", &felt.fresh), ("kept", &felt.kept)] {
                if let Some(why) = felt.failures.first() {
                    let why: String = why.chars().take(200).collect();
                    writeln!(f, "{name}, {}, {kind}: {} not served: {why}", case.name(), felt.failures.len())?;
                }
            }
        }
        self.misses().iter().try_for_each(|miss| writeln!(f, "MISSED: {miss}"))?;
        let slower = self.rows.iter().filter_map(|(name, case, record)| {
            let felt = &record.attacked.as_ref()?.felt;
            let fresh = ratio(&felt.fresh, self.calm(name, |felt| &felt.fresh))?;
            let kept = ratio(&felt.kept, self.calm(name, |felt| &felt.kept))?;
            let most = fresh.max(kept);
            (most > MOST_SLOWER).then(|| format!("{name}, {}: {most:.1} times slower", case.name()))
        });
        slower.into_iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn row(name: &str, case: Case, record: &Record, calm_fresh: Duration, calm_kept: Duration) -> String {
    let Some(attacked) = &record.attacked else {
        return format!("| {name} | {} | no such case |{}", case.name(), " |".repeat(9));
    };
    let felt = &attacked.felt;
    let (peak, cpu) = attacked.during.map_or(("dead".to_owned(), "dead".to_owned()), |during| {
        let cpu = during.cpu.saturating_sub(record.before.cpu);
        ((during.peak_kib >> 10).to_string(), format!("{:.2}", cpu.as_secs_f64()))
    });
    format!(
        "| {name} | {} | {} ({}) | {} | {} | {} | {} | {} | {peak} | {cpu} | {:.2} | {} |",
        case.name(),
        attacked.most_open,
        attacked.opened,
        attacked.sent >> 20,
        served(&felt.fresh),
        slower(&felt.fresh, calm_fresh),
        served(&felt.kept),
        slower(&felt.kept, calm_kept),
        attacked.cost.as_secs_f64(),
        attacked.back(record),
    )
}

fn served(felt: &Felt) -> String {
    let mut text = format!("{:.4}", felt.percent_served());
    let end = text.trim_end_matches('0').trim_end_matches('.').len();
    text.truncate(end);
    match quantile(&felt.refused, 990) {
        Some(time) => format!("{text} % ({} refused, p99 {} ms)", felt.refused.len(), ms(time)),
        None => format!("{text} %"),
    }
}

fn slower(felt: &Felt, calm: Duration) -> String {
    match (felt.quantile(990), ratio(felt, calm)) {
        (Some(time), Some(ratio)) => format!("{} ({ratio:.1})", ms(time)),
        _ => "–".to_owned(),
    }
}

fn ratio(felt: &Felt, calm: Duration) -> Option<f64> {
    Some(felt.quantile(990)?.as_secs_f64() / calm.as_secs_f64()).filter(|ratio| ratio.is_finite())
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1_000.0)
}

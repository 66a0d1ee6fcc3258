//! From records to medians, and from these to a table and to JSON.

use std::fmt;
use std::thread;

use serde::Serialize;

use crate::measure::{Measurement, Record, Settings};
use crate::server::WORKERS;
use crate::subject::Row;
use crate::suite::Suite;

/// Everything that a run found out. `Display` is the table, `Serialize` the JSON.
#[derive(Serialize)]
pub struct Report<'a> {
    #[serde(skip)]
    settings: &'a Settings,
    unit: &'static str,
    rounds: u32,
    warm_up_seconds: f64,
    window_seconds: f64,
    cores: usize,
    workers: usize,
    rows: Vec<RowSummary>,
}

#[derive(Serialize)]
struct RowSummary {
    row: &'static Row,
    subjects: Vec<SubjectSummary>,
}

/// A field is absent where it means nothing, or where no round succeeded.
#[derive(Serialize)]
struct SubjectSummary {
    name: &'static str,
    per_second: Option<Spread>,
    /// To the floor of the same round.
    ratio_to_floor: Option<Spread>,
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    cpu_us_each: Option<Spread>,
    client_allocations_each: Option<Spread>,
    server_allocations_each: Option<Spread>,
    /// Cores that other processes took.
    others: Option<Spread>,
    failures: Vec<String>,
}

/// What several rounds showed of one thing.
#[derive(Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

/// Medians over the rounds, row by row, subject by subject.
pub fn summarise<'a>(suite: &'static Suite, settings: &'a Settings, records: &[Record]) -> Report<'a> {
    let measured = suite.rows.iter().filter(|row| records.iter().any(|record| record.row == *row));
    let rows = measured.map(|row| RowSummary { row, subjects: summarise_row(suite, row, records) }).collect();
    Report {
        settings,
        unit: suite.unit,
        rounds: settings.rounds,
        warm_up_seconds: settings.warm_up.as_secs_f64(),
        window_seconds: settings.window.as_secs_f64(),
        cores: thread::available_parallelism().map_or(1, usize::from),
        workers: WORKERS,
        rows,
    }
}

fn summarise_row(suite: &Suite, row: &'static Row, records: &[Record]) -> Vec<SubjectSummary> {
    let of_row = || records.iter().filter(|record| record.row == row);
    let in_first_round = of_row().filter(|record| record.round == 1);
    in_first_round.map(|first| summarise_subject(suite, row, first.subject, &of_row().collect::<Vec<_>>())).collect()
}

fn summarise_subject(suite: &Suite, row: &Row, name: &'static str, records: &[&Record]) -> SubjectSummary {
    let own: Vec<&Record> = records.iter().copied().filter(|record| record.subject == name).collect();
    let spread = |value: &dyn Fn(&Measurement) -> Option<f64>| {
        Spread::of(own.iter().filter_map(|record| value(record.outcome.as_ref().ok()?)).collect())
    };
    let ratio = |record: &&Record| {
        let in_round = |other: &&&Record| other.subject == suite.subjects[0].name && other.round == record.round;
        let floor = records.iter().find(in_round)?.outcome.as_ref().ok()?;
        Some(record.outcome.as_ref().ok()?.per_second / floor.per_second)
    };
    SubjectSummary {
        name,
        per_second: spread(&|measurement| Some(measurement.per_second)),
        ratio_to_floor: Spread::of(own.iter().filter_map(ratio).collect()),
        p50_us: spread(&|measurement| measurement.latency_us.map(|[p50, _]| p50)),
        p99_us: spread(&|measurement| measurement.latency_us.map(|[_, p99]| p99)),
        // Burners take all the CPU that calls leave them.
        cpu_us_each: spread(&|measurement| {
            (row.burners == 0).then_some(measurement.client.cpu_us + measurement.server.cpu_us)
        }),
        client_allocations_each: spread(&|measurement| Some(measurement.client.allocations)),
        server_allocations_each: spread(&|measurement| Some(measurement.server.allocations)),
        others: spread(&|measurement| Some(measurement.others)),
        failures: own.iter().filter_map(|record| record.outcome.as_ref().err().cloned()).collect(),
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => return None,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self { median, min: values[0], max: values[values.len() - 1] })
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, unit, cores, workers, .. } = self;
        writeln!(
            f,
            "{} rounds of {:?} after {:?} of warm-up; {cores} cores, {workers} workers a side; median (min – max)",
            settings.rounds, settings.window, settings.warm_up
        )?;
        for RowSummary { row, subjects } in &self.rows {
            let latency = row.has_latency();
            writeln!(f, "\n{row}")?;
            write!(f, "  {:<8}{:>28}{:>26}", "", format!("{unit}s/s"), "of the floor")?;
            if latency {
                write!(f, "{:>26}{:>26}", "p50 µs", "p99 µs")?;
            }
            let [cpu, allocations] = ["CPU µs", "allocations"].map(|cost| format!("{cost}/{unit}"));
            writeln!(f, "{cpu:>28}{allocations:>20}{:>14}", "others' cores")?;
            for subject in subjects {
                subject.write_line(f, latency)?;
            }
        }
        Ok(())
    }
}

impl SubjectSummary {
    fn write_line(&self, f: &mut fmt::Formatter<'_>, latency: bool) -> fmt::Result {
        write!(f, "  {:<8}{:>28}", self.name, cell(self.per_second.as_ref(), scaled))?;
        write!(f, "{:>26}", cell(self.ratio_to_floor.as_ref(), |value| format!("{value:.3}")))?;
        if latency {
            for spread in [&self.p50_us, &self.p99_us] {
                write!(f, "{:>26}", cell(spread.as_ref(), |value| format!("{value:.1}")))?;
            }
        }
        write!(f, "{:>28}", cell(self.cpu_us_each.as_ref(), rounded))?;
        let allocations = [&self.client_allocations_each, &self.server_allocations_each]
            .map(|spread| spread.as_ref().map_or("–".to_owned(), |spread| rounded(spread.median)));
        write!(f, "{:>20}", allocations.join(" + "))?;
        let others = self.others.as_ref().map_or("–".to_owned(), |spread| format!("{:.2}", spread.max));
        writeln!(f, "{others:>14}")?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "  {:<8}failed: {failure}", ""))
    }
}

fn cell(spread: Option<&Spread>, show: impl Fn(f64) -> String) -> String {
    spread.map_or("–".to_owned(), |Spread { median, min, max }| {
        format!("{} ({} – {})", show(*median), show(*min), show(*max))
    })
}

fn scaled(value: f64) -> String {
    match value {
        millions if millions >= 1e6 => format!("{:.2} M", millions / 1e6),
        thousands if thousands >= 1e5 => format!("{:.0} k", thousands / 1e3),
        thousands if thousands >= 1e3 => format!("{:.1} k", thousands / 1e3),
        few => format!("{few:.0}"),
    }
}

/// An item of a stream may cost a few nanoseconds, a call a few microseconds.
fn rounded(value: f64) -> String {
    if value > 0.0 && value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") }
}

//! Clients and servers of the real runtime in one thread, in virtual time, over a network that fails as a seed has it.
//! Each call's history is compared with what its handler did. `cargo run --release -p sim -- --seeds 0..1000 --json`

mod caller;
mod client;
mod history;
mod host;
mod net;
mod observer;
mod panics;
mod plant;
mod report;
mod runs;
mod services;
mod trace;
mod world;

use std::{ops::Range, process::ExitCode};

/// What the command line asks for.
struct Options {
    seeds: Range<u64>,
    threads: usize,
    json: bool,
    /// Each seed runs twice, and its traces must be the same.
    twice: bool,
    /// Every event is told.
    trace: bool,
}

const USAGE: &str = "usage: sim [plant] [--seeds A..B] [--threads N] [--twice] [--trace] [--json]";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "plant").is_some() {
        return plant::run(arguments);
    }
    panics::watch();
    let options = match options(arguments) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let report = runs::all(&options);
    let missing = report.missing();
    if options.json {
        println!("{}", report.to_json());
    } else {
        println!("{:#}", report.to_json());
    }
    // A few seeds may have some fault by chance only.
    let enough = options.seeds.end - options.seeds.start < 100 || missing.is_empty();
    if !enough {
        eprintln!("these faults never happened: {}", missing.join(", "));
    }
    if report.is_clean() && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut options = Options { seeds: 0..100, threads, json: false, twice: false, trace: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--seeds" => options.seeds = range(&value()?)?,
            "--threads" => options.threads = number(&value()?)?,
            "--json" => options.json = true,
            "--twice" => options.twice = true,
            "--trace" => options.trace = true,
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(options)
}

/// `A..B`, or one number.
fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = match text.split_once("..") {
        Some((first, end)) => (number(first)?, number(end)?),
        None => (number(text)?, number::<u64>(text)? + 1),
    };
    if first < end { Ok(first..end) } else { Err(format!("{text} has no seed")) }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds that once found a mistake of the runtime, which was mended.
    const KEPT: &[(u64, &str)] = &[(1, "a call was sent in the very moment in which its time was over")];

    fn options(seeds: Range<u64>) -> Options {
        panics::watch();
        Options { seeds, threads: 1, json: false, twice: false, trace: false }
    }

    #[test]
    fn seeds_that_once_found_something_find_nothing_more() {
        for (seed, what) in KEPT {
            let report = runs::all(&options(*seed..seed + 1));
            assert!(report.is_clean(), "{what}: {:?}", report.first);
        }
    }

    #[test]
    fn a_report_names_the_faults_that_never_happened() {
        let mut report = report::Report::default();
        report.fault(report::Fault::Reset);
        assert!(!report.missing().contains(&"reset"));
        assert!(report.missing().contains(&"partition"));
        assert!(!report.is_clean(), "nothing was compared");
    }

    #[test]
    fn seeds_are_a_range_or_one_number() {
        assert_eq!((range("3..5"), range("7")), (Ok(3..5), Ok(7..8)));
        assert!(range("5..5").is_err() && range("x").is_err());
    }
}

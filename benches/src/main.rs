//! Measures calls per second, latency, CPU and allocations of this project's runtime beside the floor that tokio
//! itself sets, and beside peers. This file holds the arguments; README.md says what each row means.

use std::env;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

mod allocations;
mod cpu;
mod floor;
mod measure;
#[cfg(feature = "ours")]
mod ours;
mod report;
mod server;
mod subject;
#[cfg(feature = "tarpc")]
mod tarpc;
#[cfg(feature = "variants")]
mod variants;
mod window;

use measure::{Record, Settings};
use subject::{Failure, ROWS, SUBJECTS, Subject};

const USAGE: &str = "\
usage: bench [options]
  --seconds S     length of one measurement (default 1)
  --rounds N      rounds, each of which measures every row with every subject (default 5)
  --retries N     repeat a measurement that other processes disturbed, up to so often (default 0)
  --subjects A,B  only these, in this order (default: all that were compiled in)
  --quick         2 rounds of 0.3 s, 0.2 s of warm-up
  --json FILE     also write the results there
  --help          this text";

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut plan = Plan::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What this program calls itself as; not meant to be typed.
            "server" => {
                let subject = find_subject(&value_of(&mut arguments, "server")?)?;
                let burners = value_of(&mut arguments, "server")?.parse()?;
                let one_core = value_of(&mut arguments, "server")?.parse()?;
                return server::serve(subject, burners, one_core);
            }
            "--seconds" => plan.settings.window = seconds(&value_of(&mut arguments, "--seconds")?)?,
            "--rounds" => plan.settings.rounds = value_of(&mut arguments, "--rounds")?.parse()?,
            "--retries" => plan.settings.retries = value_of(&mut arguments, "--retries")?.parse()?,
            "--subjects" => {
                let names = value_of(&mut arguments, "--subjects")?;
                plan.subjects = names.split(',').map(find_subject).collect::<Result<_, _>>()?;
            }
            "--quick" => plan.settings = Settings::QUICK,
            "--json" => plan.json = Some(value_of(&mut arguments, "--json")?),
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            unknown => return Err(format!("unknown argument `{unknown}`\n{USAGE}").into()),
        }
    }
    plan.execute()
}

struct Plan {
    settings: Settings,
    subjects: Vec<&'static Subject>,
    json: Option<String>,
}

impl Plan {
    /// Subjects take turns within each row, so that a machine that slows down slows all of them.
    fn execute(&self) -> Result<(), Failure> {
        let mut records = Vec::new();
        for round in 1..=self.settings.rounds {
            for row in ROWS {
                for subject in &self.subjects {
                    eprintln!("round {round} of {}: {row}, {}", self.settings.rounds, subject.name);
                    let outcome = measure::measure(subject, row, &self.settings).map_err(|failure| failure.to_string());
                    records.push(Record { round, row, subject: subject.name, outcome });
                }
            }
        }
        let report = report::summarise(&self.settings, &records);
        print!("{report}");
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        Ok(())
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { settings: Settings::FULL, subjects: SUBJECTS.iter().collect(), json: None }
    }
}

fn value_of(arguments: &mut impl Iterator<Item = String>, option: &str) -> Result<String, Failure> {
    arguments.next().ok_or_else(|| format!("`{option}` lacks its value\n{USAGE}").into())
}

fn find_subject(name: &str) -> Result<&'static Subject, Failure> {
    SUBJECTS.iter().find(|subject| subject.name == name).ok_or_else(|| {
        let known: Vec<_> = SUBJECTS.iter().map(|subject| subject.name).collect();
        format!("no subject `{name}` was compiled in, only {}", known.join(", ")).into()
    })
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let duration = Duration::try_from_secs_f64(text.parse()?)?;
    if duration.is_zero() || duration > Settings::LONGEST {
        return Err(format!("{text} s is not above 0 and at most {} s", Settings::LONGEST.as_secs()).into());
    }
    Ok(duration)
}

//! One program: what it measures, its arguments, and the rounds in which it goes through all of it.

use std::env;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use crate::measure::{self, Record, Settings};
use crate::report;
use crate::server;
use crate::subject::{Failure, Row, Subject};

/// What a program measures.
pub struct Suite {
    /// Its name.
    pub program: &'static str,
    /// What is counted, in the singular.
    pub unit: &'static str,
    /// The subjects in the order in which they take turns; ratios are against the first.
    pub subjects: &'static [Subject],
    /// The rows in the order in which they are measured.
    pub rows: &'static [Row],
}

const OPTIONS: &str = "  --seconds S     length of one measurement (default 1)
  --rounds N      rounds, each of which measures every row with every subject (default 5)
  --retries N     repeat a measurement that other processes disturbed, up to so often (default 0)
  --subjects A,B  only these, in this order (default: all that were compiled in)
  --rows 1,3      only these, in the order of the report (default: all)
  --quick         2 rounds of 0.3 s, 0.2 s of warm-up
  --json FILE     also write the results there
  --help          this text";

/// The whole program.
pub fn run(suite: &'static Suite) -> ExitCode {
    match suite.run(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {failure}", suite.program);
            ExitCode::FAILURE
        }
    }
}

impl Suite {
    fn run(&'static self, mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
        let mut plan = Plan::of(self);
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("`{argument}` lacks its value\n{}", self.usage()));
            match argument.as_str() {
                // What this program calls itself as; not meant to be typed.
                "server" => {
                    let subject = self.find_subject(&value()?)?;
                    return server::serve(subject, value()?.parse()?, value()?.parse()?);
                }
                "--seconds" => plan.settings.window = seconds(&value()?)?,
                "--rounds" => plan.settings.rounds = value()?.parse()?,
                "--retries" => plan.settings.retries = value()?.parse()?,
                "--subjects" => {
                    plan.subjects =
                        value()?.split(',').map(|name| self.find_subject(name)).collect::<Result<_, _>>()?;
                }
                "--rows" => {
                    plan.rows = value()?.split(',').map(|number| self.find_row(number)).collect::<Result<_, _>>()?;
                }
                "--quick" => plan.settings = Settings::QUICK,
                "--json" => plan.json = Some(value()?),
                "--help" => {
                    println!("{}", self.usage());
                    return Ok(());
                }
                unknown => return Err(format!("unknown argument `{unknown}`\n{}", self.usage()).into()),
            }
        }
        plan.execute()
    }

    fn usage(&self) -> String {
        let rows = self.rows.iter().enumerate().map(|(index, row)| format!("\n  {}  {row}", index + 1));
        format!("usage: {} [options]\n{OPTIONS}\nrows:{}", self.program, rows.collect::<String>())
    }

    fn find_subject(&self, name: &str) -> Result<&'static Subject, Failure> {
        self.subjects.iter().find(|subject| subject.name == name).ok_or_else(|| {
            let known: Vec<_> = self.subjects.iter().map(|subject| subject.name).collect();
            format!("no subject `{name}` was compiled in, only {}", known.join(", ")).into()
        })
    }

    fn find_row(&self, number: &str) -> Result<&'static Row, Failure> {
        let index = number.parse::<usize>()?.checked_sub(1);
        let row = index.and_then(|index| self.rows.get(index));
        row.ok_or_else(|| format!("there is no row {number}, only 1 to {}", self.rows.len()).into())
    }
}

struct Plan {
    suite: &'static Suite,
    settings: Settings,
    subjects: Vec<&'static Subject>,
    rows: Vec<&'static Row>,
    json: Option<String>,
}

impl Plan {
    fn of(suite: &'static Suite) -> Self {
        let (subjects, rows) = (suite.subjects.iter().collect(), suite.rows.iter().collect());
        Self { suite, settings: Settings::FULL, subjects, rows, json: None }
    }

    /// Subjects take turns within each row, so that a machine that slows down slows all of them.
    fn execute(&self) -> Result<(), Failure> {
        let mut records = Vec::new();
        for round in 1..=self.settings.rounds {
            for row in &self.rows {
                for subject in &self.subjects {
                    eprintln!("round {round} of {}: {row}, {}", self.settings.rounds, subject.name);
                    let outcome = measure::measure(subject, row, &self.settings).map_err(|failure| failure.to_string());
                    records.push(Record { round, row, subject: subject.name, outcome });
                }
            }
        }
        let report = report::summarise(self.suite, &self.settings, &records);
        print!("{report}");
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
                .map_err(|error| format!("cannot write {path}: {error}"))?;
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, Failure> {
    let duration = Duration::try_from_secs_f64(text.parse()?)?;
    if duration.is_zero() || duration > Settings::LONGEST {
        return Err(format!("{text} s is not above 0 and at most {} s", Settings::LONGEST.as_secs()).into());
    }
    Ok(duration)
}

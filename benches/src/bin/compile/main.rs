//! Measures what a service costs to compile: for this project, two peers, and no framework. README.md says what each
//! row means.

mod jsonrpsee;
mod ours;
mod plain;
mod report;
mod rounds;
mod service;
mod subjects;
mod tarpc;
mod workspace;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use bench::subject::Failure;
use rounds::Plan;
use subjects::{SUBJECTS, Subject};

const USAGE: &str = "usage: compile [options]
  --rounds N      rounds, each of which builds everything (default 1)
  --subjects A,B  only these, in this order: ours, tarpc, jsonrpsee, plain (default: all); ratios are of the first
  --methods 1,10  services of so many methods (default 1,10,100); builds from nothing are of the first
  --leaf          leave out the builds from nothing
  --folder PATH   where crates are written and built, and left behind (default: a temporary folder)
  --project PATH  the checkout that is measured as ours (default: the one that this was built in)
  --help          this text";

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compile: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the project has no folder")?.to_owned();
    let subjects = SUBJECTS.iter().collect();
    let mut plan = Plan { rounds: 1, subjects, methods: vec![1, 10, 100], leaf_only: false, project };
    let mut folder = None;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` lacks its value\n{USAGE}"));
        match argument.as_str() {
            "--rounds" => plan.rounds = value()?.parse()?,
            "--subjects" => plan.subjects = value()?.split(',').map(find_subject).collect::<Result<_, _>>()?,
            "--methods" => {
                plan.methods = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--leaf" => plan.leaf_only = true,
            "--project" => plan.project = fs::canonicalize(value()?)?,
            "--folder" => folder = Some(PathBuf::from(value()?)),
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            unknown => return Err(format!("unknown argument `{unknown}`\n{USAGE}").into()),
        }
    }
    if let Some(folder) = folder {
        return plan.execute(&folder);
    }
    let folder = env::temp_dir().join(format!("bench-compile-{}", process::id()));
    let outcome = plan.execute(&folder);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn find_subject(name: &str) -> Result<&'static Subject, Failure> {
    let named = SUBJECTS.iter().find(|subject| subject.name == name);
    named.ok_or_else(|| format!("there is no subject `{name}`\n{USAGE}").into())
}

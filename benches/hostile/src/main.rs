//! Ten thousand hostile connections against a server, beside a probe that measures what honest users feel: one table
//! of attacks and frameworks. Each server is a process of its own with default settings, started anew for each attack.

mod attack;
mod bytes;
mod peer;
mod probe;
mod process;
mod report;
mod run;
mod subject;
mod subjects;

use std::{env, process::ExitCode};

use attack::Case;
use report::Report;
use run::Pace;
use subject::{Failure, SUBJECTS, Subject};
use tokio::runtime::Runtime;

const USAGE: &str = "usage: hostile [--quick] [FRAMEWORK or part of an attack's name]...";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [serve, name] if serve == "serve" => serve_one(name).map(|()| true),
        _ => attack_all(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("hostile: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve_one(name: &str) -> Result<(), Failure> {
    let subject = SUBJECTS.iter().find(|subject| subject.name == name).ok_or("no such framework is built in")?;
    process::end_with_parent();
    Runtime::new()?.block_on((subject.serve)(|address| println!("{address}")))
}

/// `false`: this project has missed what it has to reach.
fn attack_all(arguments: &[String]) -> Result<bool, Failure> {
    let words = arguments.iter().map(String::as_str);
    let (flags, words): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('-'));
    if flags.iter().any(|flag| *flag != "--quick") {
        return Err(USAGE.into());
    }
    let pace = if flags.is_empty() { Pace::FULL } else { Pace::QUICK };
    let is_subject = |word: &&str| SUBJECTS.iter().any(|subject| subject.name == *word);
    let (names, parts): (Vec<&str>, Vec<&str>) = words.into_iter().partition(is_subject);
    let wanted = |subject: &&Subject| names.is_empty() || names.contains(&subject.name);
    let asked = |case: &Case| parts.is_empty() || parts.iter().any(|part| case.name().contains(part));
    // As many descriptors as there may be, for the servers, too.
    rlimit::increase_nofile_limit(u64::MAX)?;
    process::make_room_for_descriptors(12_000)?;
    let mut report = Report::new(pace);
    for subject in SUBJECTS.iter().filter(wanted) {
        for case in Case::ALL.into_iter().filter(asked) {
            let record = run::run(subject, case, &pace)?;
            eprintln!("{}", report.progress(subject, case, &record));
            report.add(subject, case, record);
        }
    }
    print!("{report}");
    Ok(report.is_good())
}

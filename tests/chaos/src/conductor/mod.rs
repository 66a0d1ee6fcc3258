//! The conductor: starts the processes of each scenario, does to them what the scenario says, and judges.

mod audit;
mod ledgers;
mod options;
mod process;
mod scenarios;
mod statistics;
mod table;

use std::process::ExitCode;

use crate::Result;
use options::Options;
use table::Row;

/// Runs what was asked for; fails when a scenario did.
pub(crate) async fn conduct(arguments: Vec<String>) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let mut rows = Vec::new();
    for name in scenarios::chosen(&options.scenario)? {
        eprintln!("{name} ...");
        rows.push(scenarios::run(name, &options).await);
    }
    if options.json {
        table::print_json(&rows)?;
    } else {
        table::print(&rows);
    }
    Ok(if rows.iter().all(Row::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

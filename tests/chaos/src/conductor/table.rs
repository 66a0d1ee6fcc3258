//! What the scenarios found, as a table for people or as JSON for programs.

use serde::Serialize;

use super::options::Options;

/// What one scenario found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) asked: Vec<String>,
    pub(crate) measured: Vec<String>,
    /// What was not as it must be. None: it passed.
    pub(crate) faults: Vec<String>,
    /// Whether the machine is held to the targets of speed.
    #[serde(skip)]
    is_timed: bool,
}

impl Row {
    pub(crate) fn new(scenario: &'static str, options: &Options) -> Self {
        let [asked, measured, faults] = [(); 3].map(|()| Vec::new());
        Self { scenario, asked, measured, faults, is_timed: !options.quick }
    }

    /// A row of its own for a part of the scenario, of which only the faults are told.
    pub(crate) fn part(&self) -> Self {
        let [asked, measured, faults] = [(); 3].map(|()| Vec::new());
        Self { scenario: self.scenario, asked, measured, faults, is_timed: self.is_timed }
    }

    pub(crate) fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// Something that was asked of the scenario.
    pub(crate) fn ask(&mut self, what: impl Into<String>) {
        self.asked.push(what.into());
    }

    /// Something that was seen.
    pub(crate) fn saw(&mut self, what: impl Into<String>) {
        self.measured.push(what.into());
    }

    /// Something that must hold, whatever the machine.
    pub(crate) fn must(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.faults.push(what.into());
        }
    }

    /// A target that depends on the machine's speed: in a quick run, which other work may disturb, it is only told.
    pub(crate) fn reaches(&mut self, holds: bool, what: impl Into<String>) {
        match (holds, self.is_timed) {
            (true, _) => {}
            (false, true) => self.faults.push(what.into()),
            (false, false) => self.measured.push(format!("not reached: {}", what.into())),
        }
    }
}

/// The table, with a line for each thing that was asked or seen.
pub(crate) fn print(rows: &[Row]) {
    for row in rows {
        println!("\n{} {}", if row.passed() { "ok    " } else { "FAILED" }, row.scenario);
        for (title, lines) in [("asked", &row.asked), ("measured", &row.measured), ("wrong", &row.faults)] {
            for (number, line) in lines.iter().enumerate() {
                println!("    {:<9} {line}", if number == 0 { title } else { "" });
            }
        }
    }
}

/// The same on one line.
pub(crate) fn print_json(rows: &[Row]) -> serde_json::Result<()> {
    let passed = rows.iter().all(Row::passed);
    println!("{}", serde_json::to_string(&serde_json::json!({ "passed": passed, "scenarios": rows }))?);
    Ok(())
}

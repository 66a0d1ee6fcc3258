//! Known mistakes, put one at a time into a copy of the tree, and whether and how soon each is found. A mistake is a
//! patch in `tests/sim/planted`; none is ever a path through the product.

mod finder;
mod tree;

use std::{path::Path, process::ExitCode, time::Duration};

use finder::Finder;
use tree::Tree;

const USAGE: &str = "usage: sim plant [--only NAME] [--seeds N]";

/// So many seeds are tried at most, unless it is said otherwise.
const SEEDS: u64 = 1_000;

/// What the command line asks for.
struct Options {
    /// Only mistakes with this in their names.
    only: Option<String>,
    seeds: u64,
}

/// A mistake.
struct Planted {
    name: String,
    finder: Finder,
}

/// How a mistake was found.
struct Found {
    /// Which check, and what it said.
    by: String,
    /// Nothing where no simulation ran.
    seed: Option<u64>,
    calls: u64,
    took: Duration,
}

/// Plants the mistakes one after the other. Fails when one of them is not found.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let outcome = options(arguments).and_then(|options| plant_all(&options));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("{what}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { only: None, seeds: SEEDS };
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--only" => options.only = Some(value),
            "--seeds" => options.seeds = value.parse().map_err(|_| format!("{value} is not a number"))?,
            _ => return Err(format!("{argument} is not known")),
        }
    }
    Ok(options)
}

/// `true`: all were found.
fn plant_all(options: &Options) -> Result<bool, String> {
    let tree = Tree::copy()?;
    let mistakes = mistakes(&tree.patches(), options.only.as_deref())?;
    if mistakes.is_empty() {
        return Err("no such mistake".to_owned());
    }
    if mistakes.iter().any(|planted| planted.finder == Finder::Simulation) {
        tree.build_simulation()?;
        tree.keep_as_sound()?;
    }
    let mut rows = Vec::new();
    for Planted { name, finder } in &mistakes {
        tree.apply(name)?;
        let found = finder.look(&tree, options.seeds);
        tree.take_back(name)?;
        let row = found.map_or_else(|what| broken(name, &what), |found| row(name, finder, found.as_ref()));
        println!("{row}");
        rows.push(row);
    }
    let missed = rows.iter().filter(|row| row.contains(NOT_FOUND)).count();
    println!("\n| mistake | found by | at seed | after calls | seconds |\n|---|---|---|---|---|");
    rows.iter().for_each(|row| println!("{row}"));
    println!("\n{} of {} mistakes were found", rows.len() - missed, rows.len());
    Ok(missed == 0)
}

const NOT_FOUND: &str = "**NOT FOUND**";

/// A line of the table.
fn row(name: &str, finder: &Finder, found: Option<&Found>) -> String {
    let Some(Found { by, seed, calls, took }) = found else {
        return format!("| {name} | {NOT_FOUND} by the {finder} | | | |");
    };
    let by = by.replace(['|', '\n'], " ");
    let (seed, calls) = match seed {
        Some(seed) => (seed.to_string(), calls.to_string()),
        None => Default::default(),
    };
    format!("| {name} | {finder}: {by} | {seed} | {calls} | {:.1} |", took.as_secs_f64())
}

/// The line of a mistake that could not be looked for.
fn broken(name: &str, what: &str) -> String {
    format!("| {name} | {NOT_FOUND}: {} | | | |", what.replace(['|', '\n'], " "))
}

/// The mistakes of a folder, in the order of their names.
fn mistakes(folder: &Path, only: Option<&str>) -> Result<Vec<Planted>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut mistakes = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_patch = path.extension().is_some_and(|extension| extension == "patch");
        if !is_patch || only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        mistakes.push(Planted { finder: Finder::named_in(&text).map_err(|what| format!("{name}: {what}"))?, name });
    }
    mistakes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_who_found_a_mistake_and_how_soon() {
        let found =
            Found { by: "lost | a call".to_owned(), seed: Some(7), calls: 90, took: Duration::from_millis(1_240) };
        assert_eq!(row("x", &Finder::Simulation, Some(&found)), "| x | simulation: lost   a call | 7 | 90 | 1.2 |");
        assert!(row("x", &Finder::Simulation, None).contains(NOT_FOUND));
    }

    #[test]
    fn every_mistake_of_the_folder_says_what_it_is_and_who_finds_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
        let mistakes = mistakes(&folder, None).unwrap();
        assert!(mistakes.len() >= 18, "{} mistakes", mistakes.len());
        for Planted { name, .. } in &mistakes {
            let text = std::fs::read_to_string(folder.join(format!("{name}.patch"))).unwrap();
            let (prose, diff) = text.split_once("\ndiff --git ").unwrap();
            for word in ["Mistake:", "Seen in:", "A user sees:", "Found-by:"] {
                assert!(prose.contains(word), "{name} has no {word}");
            }
            let changed =
                diff.lines().filter(|line| line.starts_with("+++ ")).all(|line| line.contains(" b/rpc-runtime/"));
            assert!(changed, "{name} is a mistake of the product and of nothing else");
        }
    }
}

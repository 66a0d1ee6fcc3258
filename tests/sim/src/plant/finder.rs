//! Who is to find a mistake: the simulation with more and more seeds, the test of interleavings, or a test by its name.

use std::{fmt, path::Path, process::Command, time::Instant};

use serde_json::Value;

use super::{
    Found,
    tree::{Tree, output, text},
};

/// How many seeds the first batch has; each further one has three times as many.
const FIRST_BATCH: u64 = 8;
/// Nothing takes longer, in seconds: a mistake may be found by its never coming to an end.
const PATIENCE: &str = "300";
/// What `timeout` ends with when that is over.
const TIMED_OUT: i32 = 124;

/// Who finds a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finder {
    Simulation,
    Interleavings,
    /// What `cargo nextest run` is told.
    Tests(Vec<String>),
}

/// What one batch of seeds has shown.
struct Batch {
    calls: u64,
    /// The first bad seed, and what was wrong.
    bad: Option<(u64, String)>,
}

impl Finder {
    /// The one that the prose before a patch names.
    pub(super) fn named_in(patch: &str) -> Result<Self, String> {
        let named = patch.lines().find_map(|line| line.strip_prefix("Found-by: ")).unwrap_or_default();
        let mut words = named.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("simulation") => Ok(Self::Simulation),
            Some("interleavings") => Ok(Self::Interleavings),
            Some("tests") => Ok(Self::Tests(words.collect())),
            _ => Err(format!("{named:?} finds nothing")),
        }
    }

    /// Looks for the mistake that stands in `tree`.
    pub(super) fn look(&self, tree: &Tree, seeds: u64) -> Result<Option<Found>, String> {
        match self {
            Self::Simulation => simulate(tree, seeds),
            Self::Interleavings => fails(|| {
                let mut test = tree.cargo(&["test", "--quiet", "-p", "rpc-runtime", "--lib", "interleavings"]);
                test.env("RUSTFLAGS", "--cfg shuttle").env("RUST_BACKTRACE", "0");
                test.env("CARGO_TARGET_DIR", tree.target.join("interleavings"));
                test
            }),
            Self::Tests(arguments) => fails(|| {
                let mut test = tree.cargo(&["nextest", "run", "--cargo-quiet"]);
                test.args(arguments);
                test
            }),
        }
    }
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulation => "simulation",
            Self::Interleavings => "interleavings",
            Self::Tests(_) => "tests",
        })
    }
}

/// More and more seeds, until one is bad with the mistake that is not without it.
fn simulate(tree: &Tree, seeds: u64) -> Result<Option<Found>, String> {
    tree.build_simulation()?;
    let began = Instant::now();
    let (mut next, mut size, mut calls) = (0, FIRST_BATCH, 0);
    while next < seeds {
        let end = (next + size).min(seeds);
        let batch = batch(&tree.simulation(), next, end)?;
        calls += batch.calls;
        let Some((seed, what)) = batch.bad else {
            (next, size) = (end, 3 * size);
            continue;
        };
        if self::batch(&tree.sound_simulation(), seed, seed + 1)?.bad.is_none() {
            return Ok(Some(Found { by: what, seed: Some(seed), calls, took: began.elapsed() }));
        }
        next = seed + 1;
    }
    Ok(None)
}

fn batch(simulation: &Path, first: u64, end: u64) -> Result<Batch, String> {
    let mut run = Command::new("timeout");
    run.arg(PATIENCE).arg(simulation).args(["--json", "--seeds", &format!("{first}..{end}")]);
    let output = run.output().map_err(|error| error.to_string())?;
    let bad = |what: &str| Batch { calls: 0, bad: Some((first, what.to_owned())) };
    if output.status.code() == Some(TIMED_OUT) {
        return Ok(bad("the simulation did not come to an end"));
    }
    let told = text(&output);
    let last = told.lines().last().unwrap_or_default();
    let Ok(report) = serde_json::from_str::<Value>(last) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Ok(bad(said.lines().last().unwrap_or("the simulation did not report")));
    };
    let number = |name: &str| report[name].as_u64().unwrap_or_default();
    let what = report["first_violation"].as_str().unwrap_or("a violation").to_owned();
    let is_bad = ["violations", "lost", "duplicated", "hung"].into_iter().any(|name| number(name) > 0);
    Ok(Batch { calls: number("calls"), bad: is_bad.then(|| (number("first_bad_seed"), what)) })
}

/// Whether tests that compile fail, and which.
fn fails(tests: impl Fn() -> Command) -> Result<Option<Found>, String> {
    output(tests().arg("--no-run"))?;
    let began = Instant::now();
    let ran = tests().output().map_err(|error| error.to_string())?;
    if ran.status.success() {
        return Ok(None);
    }
    let said = text(&ran) + &String::from_utf8_lossy(&ran.stderr);
    let by = failed(&said).unwrap_or("the tests did not come to their end").to_owned();
    Ok(Some(Found { by, seed: None, calls: 0, took: began.elapsed() }))
}

/// The first test that failed, as cargo or nextest says it.
fn failed(said: &str) -> Option<&str> {
    said.lines().find_map(|line| {
        let line = line.trim();
        let of_cargo = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        let of_nextest = || line.starts_with("FAIL ").then(|| line.rsplit(' ').next()).flatten();
        let ended = || line.starts_with("TIMEOUT ").then(|| line.rsplit(' ').next()).flatten();
        of_cargo.or_else(of_nextest).or_else(ended)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prose_of_a_patch_names_who_finds_it() {
        let named = |line: &str| Finder::named_in(&format!("Mistake: x\n{line}\n\ndiff"));
        assert_eq!(named("Found-by: simulation"), Ok(Finder::Simulation));
        assert_eq!(named("Found-by: interleavings"), Ok(Finder::Interleavings));
        let tests = Finder::Tests(vec!["-p".to_owned(), "x".to_owned(), "a_test".to_owned()]);
        assert_eq!(named("Found-by: tests -p x a_test"), Ok(tests));
        assert!(named("Found-by: chance").is_err() && named("").is_err());
    }

    #[test]
    fn the_first_test_that_failed_is_named() {
        let nextest = "    PASS [ 0.1s] (1/2) x::a b\n    FAIL [   0.004s] (2/2) integration-tests::integration a::b\n";
        assert_eq!(failed(nextest), Some("a::b"));
        assert_eq!(failed("test a::b ... ok\ntest a::c ... FAILED\n"), Some("a::c"));
        assert_eq!(failed("    TIMEOUT [ 120.004s] (2/2) x::y a::b\n"), Some("a::b"));
        assert_eq!(failed("all is well"), None);
    }
}

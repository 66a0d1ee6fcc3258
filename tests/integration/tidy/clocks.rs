//! What a wall clock that jumps can not reach (G10): the runtime measures time by clocks that only go on.

use super::source::{Source, assert_none, files};

/// What tells the time of day.
const WALL_CLOCKS: [&str; 4] = ["SystemTime", "UNIX_EPOCH", "chrono::", "time::OffsetDateTime"];

#[test]
fn nothing_in_the_runtime_reads_a_wall_clock() {
    let sources = files("rs");
    let runtime = sources.iter().filter(|file| file.path.starts_with("rpc-runtime/src/") && !is_of_tests(file));
    let runtime: Vec<_> = runtime.collect();
    assert!(runtime.iter().any(|file| file.text.contains("Instant::now")), "where time is measured was looked at");
    assert_none(&runtime.into_iter().flat_map(wall_clocks).collect::<Vec<_>>());
}

/// Tests send times of day as values like others.
fn is_of_tests(file: &Source) -> bool {
    file.path.ends_with("/tests.rs") || file.path.contains("/tests/")
}

fn wall_clocks(file: &Source) -> Vec<String> {
    let lines = (1..).zip(file.text.lines());
    let named = lines.filter_map(|(number, line)| {
        let clock = WALL_CLOCKS.iter().find(|clock| line.contains(**clock))?;
        Some(file.fault(number, clock))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_is_found_and_a_clock_that_only_goes_on_is_not() {
        let text = "use std::time::{Instant, SystemTime};\nlet now = Instant::now(); // asynchronous\n";
        assert_eq!(wall_clocks(&Source::new("a/src/b.rs", text)), ["a/src/b.rs:1: SystemTime"]);
        assert!(is_of_tests(&Source::new("a/src/b/tests/c.rs", text)));
        assert!(!is_of_tests(&Source::new("a/src/testing.rs", text)));
    }
}

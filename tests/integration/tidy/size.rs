//! How large each module is, printed so that growth is seen. Nothing is too large here; `shape` says what is.

use std::collections::BTreeMap;

use super::source::{Source, files};

#[test]
fn the_size_of_every_module_is_printed() {
    let mut table: BTreeMap<String, Lines> = BTreeMap::new();
    let mut total = Lines::default();
    for file in files("rs") {
        let lines = count(&file);
        table.entry(module_of(&file.path)).or_default().add(lines);
        total.add(lines);
    }
    println!("{:<40} {:>8} {:>8}", "module", "code", "tests");
    for (module, lines) in table.iter().chain([(&"together".to_owned(), &total)]) {
        println!("{module:<40} {:>8} {:>8}", lines.code, lines.tests);
    }
    assert!(total.code > 0 && total.tests > 0);
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Lines {
    code: usize,
    tests: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.code += other.code;
        self.tests += other.tests;
    }
}

/// Tests are whole files, or what follows the line `#[cfg(test)]` of a module at a file's end.
fn count(file: &Source) -> Lines {
    let lines: Vec<_> = file.text.lines().collect();
    let is_test_file = file.path.starts_with("tests/") || file.path.ends_with("tests.rs");
    let begins_tests = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{');
    let code = if is_test_file { 0 } else { lines.windows(2).position(begins_tests).unwrap_or(lines.len()) };
    Lines { code, tests: lines.len() - code }
}

/// The crate, and below `src/` or `integration/` the file or folder.
fn module_of(path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let top = parts.iter().position(|part| ["src", "integration"].contains(part)).unwrap_or(0);
    parts[..parts.len().min(top + 2)].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_tests_are_counted_apart() {
        let text = "//! X\nfn f() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(count(&Source::new("a/src/b.rs", text)), Lines { code: 2, tests: 3 });
        assert_eq!(count(&Source::new("a/src/b/tests.rs", text)), Lines { code: 0, tests: 5 });
        assert_eq!(count(&Source::new("a/src/b.rs", "#[cfg(test)]\nmod tests;\n")), Lines { code: 2, tests: 0 });
    }

    #[test]
    fn files_are_gathered_by_crate_and_folder() {
        assert_eq!(module_of("rpc-runtime/src/wire/frame.rs"), "rpc-runtime/src/wire");
        assert_eq!(module_of("rpc-runtime/src/limits.rs"), "rpc-runtime/src/limits.rs");
        assert_eq!(module_of("tests/integration/tidy/mod.rs"), "tests/integration/tidy");
        assert_eq!(module_of("examples/quickstart.rs"), "examples/quickstart.rs");
    }
}

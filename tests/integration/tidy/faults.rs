//! `docs/faults.md` has a row for each case, and the tests that it names are there.

use std::collections::BTreeMap;

use super::source::{Source, assert_none, files};

const DOCUMENT: &str = "docs/faults.md";
/// How many cases each section has.
const SECTIONS: [(char, usize); 8] =
    [('A', 38), ('B', 12), ('C', 10), ('D', 9), ('E', 13), ('F', 11), ('G', 11), ('H', 6)];
/// Where the modules of a test's path begin.
const ROOTS: [&str; 2] = ["tests/integration", "rpc-runtime/src"];
/// Programs of which a part may be named in the place of a test.
const PROGRAMS: [&str; 4] = ["sim", "chaos", "hostile", "fuzz"];

#[test]
fn every_case_of_the_faults_has_one_row() {
    assert_none(&miscounted(&document()));
}

#[test]
fn every_test_that_a_case_names_is_there() {
    let sources: BTreeMap<String, String> = files("rs").into_iter().map(|file| (file.path, file.text)).collect();
    assert_none(&unknown_tests(&document(), &sources));
}

fn document() -> Source {
    files("md").into_iter().find(|file| file.path == DOCUMENT).expect("the document is there")
}

/// The cells of each row of a case, by the case, with their line.
fn rows(document: &Source) -> Vec<(usize, Vec<&str>)> {
    let lines = (1..).zip(document.text.lines()).filter(|(_, line)| line.starts_with('|'));
    lines.map(|(number, line)| (number, cells(line))).filter(|(_, cells)| is_case(cells[0])).collect()
}

fn cells(line: &str) -> Vec<&str> {
    line.split('|').skip(1).map(str::trim).collect()
}

/// A letter and a number.
fn is_case(text: &str) -> bool {
    let number = text.strip_prefix(|first: char| first.is_ascii_uppercase());
    number.is_some_and(|number| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()))
}

/// The cases that are missing, that stand there more than once, out of their order, or without what a row has.
fn miscounted(document: &Source) -> Vec<String> {
    let mut expected = cases();
    let mut found = Vec::new();
    for (number, cells) in rows(document) {
        let due = expected.next().unwrap_or_else(|| "the end".to_owned());
        if due != cells[0] {
            found.push(document.fault(number, &format!("{} where {due} is due", cells[0])));
            return found;
        }
        // Case, what it is, what happens, what covers it, and what stands behind the last line.
        if cells.len() != 5 || cells[..4].iter().any(|cell| cell.is_empty()) {
            found.push(document.fault(number, &format!("{due} has an empty cell, or one too many")));
        }
    }
    found.extend(expected.next().map(|due| document.fault(document.text.lines().count(), &format!("{due} is due"))));
    found
}

/// All cases, in their order.
fn cases() -> impl Iterator<Item = String> {
    SECTIONS.into_iter().flat_map(|(section, count)| (1..=count).map(move |n| format!("{section}{n}")))
}

/// What stands between backticks in the last cell of a case and is neither a test nor a part of a program.
fn unknown_tests(document: &Source, sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, cells) in rows(document) {
        let quoted = cells.get(3).into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
        for name in quoted.filter(|name| !is_of_a_program(name) && !is_test(name, sources)) {
            found.push(document.fault(number, &format!("{name} is no test")));
        }
    }
    found
}

fn is_of_a_program(name: &str) -> bool {
    PROGRAMS.contains(&name.split(' ').next().unwrap_or_default())
}

/// Whether a file of the path's modules has a test of that name.
fn is_test(path: &str, sources: &BTreeMap<String, String>) -> bool {
    let Some((modules, name)) = path.rsplit_once("::") else { return false };
    let folder = modules.replace("::", "/");
    // A module `tests` may stand at the end of its parent's file.
    let places = [folder.as_str(), folder.trim_end_matches("/tests")];
    let files = ROOTS.iter().flat_map(|root| places.map(|place| format!("{root}/{place}")));
    let texts = files.flat_map(|file| [format!("{file}.rs"), format!("{file}/mod.rs")]);
    texts.filter_map(|file| sources.get(&file)).any(|text| text.contains(&format!("fn {name}(")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of all cases, in which the row of one is another.
    fn with(case: &str, changed: &str) -> Source {
        let row = |case: &str| format!("| {case} | a | b | `a::b::c` |\n");
        let rows = cases().map(|one| if one == case { changed.to_owned() } else { row(&one) });
        Source::new(DOCUMENT, &format!("| case | a | b | c |\n|---|---|---|---|\n{}", rows.collect::<String>()))
    }

    #[test]
    fn a_case_that_is_missing_twice_or_empty_is_found() {
        assert_eq!(miscounted(&with("", "")), Vec::<String>::new());
        for (case, changed) in [
            ("B3", ""),
            ("H6", ""),
            ("B3", "| B2 | a | b | c |\n"),
            ("B3", "| B3 | a |  | c |\n"),
            ("B3", "| B3 | a | b | c | d |\n"),
            ("H6", "| H6 | a | b | c |\n| H7 | a | b | c |\n"),
        ] {
            assert_eq!(miscounted(&with(case, changed)).len(), 1, "{case}: {changed}");
        }
    }

    #[test]
    fn a_test_that_is_not_there_is_found_and_programs_are_not_asked_for() {
        let sources = |path: &str| BTreeMap::from([(path.to_owned(), "async fn c() {}".to_owned())]);
        for path in ["tests/integration/a/b.rs", "rpc-runtime/src/a/b/mod.rs"] {
            assert_eq!(unknown_tests(&with("", ""), &sources(path)), Vec::<String>::new(), "{path}");
        }
        assert_eq!(unknown_tests(&with("", ""), &sources("tests/integration/a/c.rs")).len(), 110);
        assert!(is_test("a::tests::c", &sources("rpc-runtime/src/a.rs")));
        assert!(!is_test("a::tests::d", &sources("rpc-runtime/src/a.rs")) && !is_test("c", &sources("c.rs")));
        assert!(is_of_a_program("chaos kill") && !is_of_a_program("chaotic"));
    }
}

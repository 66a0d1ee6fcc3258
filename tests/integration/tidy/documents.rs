//! What the documents must not say: where things lie on the machine of whoever wrote them, and what is not there.

use super::source::{Source, assert_none, exists, files};

const MACHINE: [&str; 7] = ["/home/", "/root/", "/work/", "/tmp/", "/Users/", "/mnt/", "C:\\"];

#[test]
fn no_document_or_manifest_has_a_path_of_one_machine() {
    let sources = ["md", "toml"].map(files);
    assert_none(&sources.iter().flatten().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn what_a_document_links_to_is_there() {
    assert_none(&files("md").iter().flat_map(dead_links).collect::<Vec<_>>());
}

/// The relative links that lead to no file.
fn dead_links(file: &Source) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !exists(&format!("{folder}/{target}")) {
                found.push(file.fault(number, link));
            }
        }
    }
    found
}

fn check(file: &Source) -> Vec<String> {
    let lines = (1..).zip(file.text.lines());
    lines.filter_map(|(number, line)| machine_path(line).map(|path| file.fault(number, path))).collect()
}

/// A path that begins here: what stands in the middle of a longer path or of a URI, as in
/// `unix:///tmp/arith.sock`, is none of a machine.
fn machine_path(line: &str) -> Option<&str> {
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "/._-*~".contains(c));
    let at = MACHINE.iter().flat_map(|prefix| line.match_indices(prefix)).map(|(at, _)| at).find(|&at| begins(at))?;
    line[at..].split(|c: char| c.is_whitespace() || "`\"')".contains(c)).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_no_file_is_found_and_others_are_not() {
        let text = "[a](../README.md#streams) [b](#here) [c](https://example.org/x)\n[d](../nothing.md) `[e](`";
        assert_eq!(dead_links(&Source::new("docs/tour.md", text)), ["docs/tour.md:2: ../nothing.md"]);
    }

    #[test]
    fn paths_of_a_machine_are_found_and_uris_are_not() {
        for line in ["see `/home/me/x`", "/tmp/log", "in (/root/x)", "path = \"/work/x\"", "C:\\x", "/a/tmp/b /tmp/c"] {
            assert!(machine_path(line).is_some(), "{line}");
        }
        for line in ["unix:///tmp/arith.sock", "https://example.org/home/x", "src/work/x", "run/tmp/", "./tmp/x"] {
            assert_eq!(machine_path(line), None, "{line}");
        }
        let found = check(&Source::new("README.md", "\nrun `/home/me/rpc serve`"));
        assert_eq!(found, ["README.md:2: /home/me/rpc"]);
    }
}

//! How long files, functions and lines may be, and how a file begins.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::{Source, assert_none, files};

const FILE: usize = 500;
const FUNCTION: usize = 70;
const LINE: usize = 120;
const OPENING: usize = 8;

#[test]
fn no_file_is_longer_than_500_lines() {
    assert_none(&files("rs").iter().flat_map(long_file).collect::<Vec<_>>());
}

#[test]
fn no_function_is_longer_than_70_lines() {
    assert_none(&files("rs").iter().flat_map(long_functions).collect::<Vec<_>>());
}

#[test]
fn no_line_is_longer_than_120_characters() {
    assert_none(&files("rs").iter().flat_map(long_lines).collect::<Vec<_>>());
}

#[test]
fn every_file_begins_by_saying_what_it_is_in_at_most_eight_lines() {
    assert_none(&files("rs").iter().flat_map(opening).collect::<Vec<_>>());
}

fn long_file(file: &Source) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > FILE).then(|| file.fault(lines, &format!("the file has {lines} lines, {FILE} are allowed")))
}

fn long_lines(file: &Source) -> Vec<String> {
    let long = |(number, line): (usize, &str)| {
        let length = line.chars().count();
        (length > LINE).then(|| file.fault(number, &format!("the line has {length} characters, {LINE} are allowed")))
    };
    (1..).zip(file.text.lines()).filter_map(long).collect()
}

fn opening(file: &Source) -> Option<String> {
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    // The documentation of a crate is its front page and as long as it needs.
    let front_page = file.path.ends_with("src/lib.rs");
    match lines {
        0 => Some(file.fault(1, "the file does not begin with //!")),
        _ if lines > OPENING && !front_page => {
            Some(file.fault(lines, &format!("the file begins with {lines} lines of //!, {OPENING} are allowed")))
        }
        _ => None,
    }
}

fn long_functions(file: &Source) -> Vec<String> {
    let mut functions = Functions { file, faults: Vec::new() };
    functions.visit_file(&file.syntax());
    functions.faults
}

struct Functions<'a> {
    file: &'a Source,
    faults: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (start, end) = (signature.span().start().line, body.span().end().line);
        let lines = end - start + 1;
        if lines > FUNCTION {
            let what = format!("{} has {lines} lines, {FUNCTION} are allowed", signature.ident);
            self.faults.push(self.file.fault(start, &what));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.measure(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Source {
        Source::new("sample.rs", text)
    }

    #[test]
    fn a_file_of_501_lines_is_found_and_one_of_500_is_not() {
        let found = long_file(&sample(&"\n".repeat(501)));
        assert_eq!(found.as_deref(), Some("sample.rs:501: the file has 501 lines, 500 are allowed"));
        assert_eq!(long_file(&sample(&"\n".repeat(500))), None);
    }

    #[test]
    fn a_line_of_121_characters_is_found_and_one_of_120_is_not() {
        let found = long_lines(&sample(&format!("\n{}\n", "ä".repeat(121))));
        assert_eq!(found, ["sample.rs:2: the line has 121 characters, 120 are allowed"]);
        assert_none(&long_lines(&sample(&"ä".repeat(120))));
    }

    #[test]
    fn a_missing_or_long_opening_is_found() {
        assert!(opening(&sample("// A comment.\n//! What it is.")).is_some());
        assert!(opening(&sample("")).is_some());
        assert!(opening(&sample(&"//! What it is.\n".repeat(9))).is_some());
        assert_eq!(opening(&sample(&"//! What it is.\n".repeat(8))), None);
        assert_eq!(opening(&Source::new("x/src/lib.rs", &"//! What it is.\n".repeat(9))), None);
    }

    #[test]
    fn a_function_of_71_lines_is_found_wherever_it_stands() {
        let body = |lines: usize| format!("fn f() {{{}}}", "\n".repeat(lines - 1));
        for around in ["*", "\nimpl S { * }", "trait T { * }", "mod m { impl S { fn g() { * } } }"] {
            let at = |lines| long_functions(&sample(&around.replace('*', &body(lines))));
            assert!(at(71).iter().any(|fault| fault.ends_with("f has 71 lines, 70 are allowed")), "{around}");
            assert!(!at(70).iter().any(|fault| fault.contains(" f has")), "{around}");
        }
    }
}

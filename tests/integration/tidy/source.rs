//! The files of the tree, and how a rule speaks of a place in them.

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// The top of the tree.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Not looked into: what is built, and programs that are wrong on purpose.
const LEFT_OUT: [&str; 3] = ["target", "compile-fail", "compile_fail"];

/// Whether there is a file or folder at this path from the top.
pub(super) fn exists(path: &str) -> bool {
    Path::new(ROOT).join(path.trim_start_matches('/')).exists()
}

/// A file by its path from the top, with slashes.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// What is wrong on a line, to be shown.
    pub(super) fn fault(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// The file as syntax.
    pub(super) fn syntax(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| self.unreadable(&error))
    }

    /// The file as tokens, comments left out.
    pub(super) fn tokens(&self) -> Vec<TokenTree> {
        let tokens: TokenStream = self.text.parse().unwrap_or_else(|error| self.unreadable(&error));
        tokens.into_iter().collect()
    }

    #[expect(clippy::panic, reason = "only tests read sources")]
    fn unreadable<T>(&self, error: &dyn std::error::Error) -> T {
        panic!("{} is no Rust: {error}", self.path)
    }
}

/// All files whose name ends in `.extension`, in order.
pub(super) fn files(extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(Path::new(ROOT), "", &format!(".{extension}"), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no .{extension} file below {ROOT}");
    found
}

/// Fails with the list of what a rule found.
#[track_caller]
pub(super) fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} found:\n{}", faults.len(), faults.join("\n"));
}

fn collect(directory: &Path, path: &str, ending: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("the tree can be read") {
        let entry = entry.expect("the tree can be read");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().expect("the tree can be read").is_dir() {
            collect(&entry.path(), &path, ending, found);
        } else if name.ends_with(ending) {
            found.push(Source { path, text: fs::read_to_string(entry.path()).expect("sources are UTF-8") });
        }
    }
}

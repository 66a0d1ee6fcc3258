//! Imports point down: a module of the runtime names only lower ranks and its own folder.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenTree};

use super::source::{Source, assert_none, files};

/// The modules of the runtime. ARCHITECTURE.md says what each holds.
const RANKS: &[(&str, u8)] = &[
    // What the crate re-exports from the macro's crate.
    ("rpc_macros", 0),
    ("metadata", 0),
    ("status", 0),
    ("descriptor", 0),
    ("limits", 0),
    ("buffer", 0),
    ("codec", 1),
    ("wire", 1),
    ("call", 2),
    ("transport", 2),
    ("stream", 3),
    ("middleware", 3),
    ("router", 4),
    ("connection", 5),
    ("client", 6),
    ("server", 6),
    ("testing", 7),
    ("balance", 7),
    ("discovery", 7),
    ("builtin", 8),
];

/// Imports within a rank that are meant: a status carries metadata.
const SIDEWAYS: &[(&str, &str)] = &[("status", "metadata")];

/// The top, which names everything.
const TOP: &[&str] = &["lib", "prelude", "private", "__private", "fuzzing"];

const RUNTIME: &str = "rpc-runtime/src/";

#[test]
fn a_module_of_the_runtime_imports_only_from_lower_ranks_and_its_own_folder() {
    let sources: Vec<_> = files("rs").into_iter().filter(|file| file.path.starts_with(RUNTIME)).collect();
    let top = sources.iter().find(|file| file.path == "rpc-runtime/src/lib.rs").expect("the runtime has a top");
    let names = exported_names(top);
    assert_none(&sources.iter().flat_map(|file| check(file, &names)).collect::<Vec<_>>());
}

fn check(file: &Source, names: &BTreeMap<String, String>) -> Vec<String> {
    let path = file.path.trim_start_matches(RUNTIME).trim_end_matches(".rs").trim_end_matches("/mod");
    let module = path.split('/').next().unwrap_or_default();
    if TOP.contains(&module) {
        return Vec::new();
    }
    let Some(rank) = rank_of(module) else {
        return vec![file.fault(1, &format!("module {module} has no rank in the table"))];
    };
    let mut imports = Vec::new();
    find_imports(&file.tokens(), path.split('/').count(), &mut imports);
    let mut faults = Vec::new();
    for Import { name, line } in imports {
        let target = names.get(&name).unwrap_or(&name).as_str();
        if target == module || SIDEWAYS.contains(&(module, target)) {
            continue;
        }
        match rank_of(target) {
            Some(other) if other < rank => {}
            Some(_) if matches!((module, target), ("client", "server") | ("server", "client")) => {
                faults.push(file.fault(line, &format!("{module} imports {target}: client and server never meet")));
            }
            Some(other) => {
                let what = format!("{module} (rank {rank}) imports {target} (rank {other})");
                faults.push(file.fault(line, &what));
            }
            None => faults.push(file.fault(line, &format!("{module} imports {name}, which has no rank"))),
        }
    }
    faults
}

fn rank_of(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// What stands behind `crate::`, or behind enough `super::` to mean the same.
struct Import {
    name: String,
    line: usize,
}

/// `depth` is how many modules are around the tokens: with as many `super::` a path is back at the top.
fn find_imports(tokens: &[TokenTree], depth: usize, found: &mut Vec<Import>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [TokenTree::Ident(keyword), TokenTree::Ident(_), TokenTree::Group(body), ..]
                if keyword == "mod" && body.delimiter() == Delimiter::Brace =>
            {
                find_imports(&body.stream().into_iter().collect::<Vec<_>>(), depth + 1, found);
                at += 3;
            }
            [TokenTree::Ident(keyword), rest @ ..] if keyword == "crate" && is_path_separator(rest) => {
                first_names(&rest[2..], found);
                at += 3;
            }
            [TokenTree::Ident(keyword), ..] if keyword == "super" => {
                let mut supers = 0;
                while is_ident(tokens.get(at), "super") && is_path_separator(&tokens[at + 1..]) {
                    supers += 1;
                    at += 3;
                }
                if supers == depth {
                    first_names(&tokens[at..], found);
                }
                at += usize::from(supers == 0);
            }
            [TokenTree::Group(group), ..] => {
                find_imports(&group.stream().into_iter().collect::<Vec<_>>(), depth, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The first name of a path, or of each path in braces.
fn first_names(path: &[TokenTree], found: &mut Vec<Import>) {
    match path.first() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let tokens: Vec<_> = group.stream().into_iter().collect();
            for part in tokens.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty()) {
                first_names(part, found);
            }
        }
        Some(token) => found.push(Import { name: token.to_string(), line: token.span().start().line }),
        None => {}
    }
}

fn is_ident(token: Option<&TokenTree>, name: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_punct(first, ':') && is_punct(second, ':'))
}

/// Which module a name at the top comes from: `Status` is `status::Status`.
fn exported_names(top: &Source) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for item in top.syntax().items {
        if let syn::Item::Use(syn::ItemUse { tree: syn::UseTree::Path(path), .. }) = item {
            add_leaves(&path.tree, &path.ident.to_string(), &mut names);
        }
    }
    names
}

fn add_leaves(tree: &syn::UseTree, module: &str, names: &mut BTreeMap<String, String>) {
    match tree {
        syn::UseTree::Path(path) => add_leaves(&path.tree, module, names),
        syn::UseTree::Name(leaf) => drop(names.insert(leaf.ident.to_string(), module.to_owned())),
        syn::UseTree::Rename(leaf) => drop(names.insert(leaf.rename.to_string(), module.to_owned())),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| add_leaves(tree, module, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let top = Source::new("lib.rs", "pub use status::{CallError, Status as Outcome}; pub use client::Channel;");
        check(&Source::new(&format!("{RUNTIME}{path}"), text), &exported_names(&top))
    }

    #[test]
    fn imports_that_point_up_or_sideways_are_found_wherever_they_stand() {
        let table = [
            ("wire/frame.rs", "use crate::connection::Connection;"),
            ("wire/frame.rs", "use crate::transport::Address;"),
            ("wire/mod.rs", "use super::transport::Address;"),
            ("wire/frame.rs", "use super::super::transport::Address;"),
            ("wire/frame.rs", "mod tests { use super::super::super::transport::Address; }"),
            ("limits.rs", "use super::call::Context;"),
            ("call/mod.rs", "use crate::{status::Status, stream::{Receiver, Sender}};"),
            ("call/mod.rs", "use crate::Channel;"),
            ("call/mod.rs", "fn f() { tokio::select! { _ = crate::stream::f() => {} } }"),
            ("metadata.rs", "use crate::status::Status;"),
            ("call/mod.rs", "use crate::*;"),
            ("call/mod.rs", "use crate::unheard_of::Thing;"),
            ("unheard_of.rs", ""),
        ];
        for (path, text) in table {
            assert_eq!(faults(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn client_and_server_never_meet() {
        for (path, text) in [("client/mod.rs", "use crate::server::Server;"), ("server.rs", "use crate::Channel;")] {
            assert!(faults(path, text)[0].ends_with("client and server never meet"), "{path}: {text}");
        }
    }

    #[test]
    fn imports_that_point_down_or_stay_in_the_folder_are_no_fault() {
        let table = [
            ("wire/frame.rs", "//! Not [`crate::client`].\n use crate::{Outcome, limits::Limits}; use super::Kind;"),
            ("wire/mod.rs", "pub(crate) fn f() {} mod tests { use super::*; } use crate::wire::Kind;"),
            ("status/mod.rs", "use crate::metadata::Metadata;"),
            ("server/mod.rs", "use crate::{router::Router, connection::Connection};"),
            ("lib.rs", "use crate::server::Server;"),
        ];
        for (path, text) in table {
            assert_none(&faults(path, text));
        }
    }

    #[test]
    fn a_fault_names_file_and_line() {
        let found = faults("call/mod.rs", "use std::fmt;\nuse crate::transport::Address;");
        assert_eq!(found, ["rpc-runtime/src/call/mod.rs:2: call (rank 2) imports transport (rank 2)"]);
    }
}

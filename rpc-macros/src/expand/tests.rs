//! The expansion that `docs/expansion.md` shows and explains is the one that is made. After a change of what is
//! generated, `REGENERATE=1 cargo test -p rpc-macros expansion` writes it anew; the explanation beside it is for people
//! to keep. A part that the document has no place for is an error, and so is a place without a part.

use std::{collections::BTreeMap, fs};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Item, ItemImpl, ItemTrait, Type, parse_quote, visit_mut::VisitMut};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/expansion.md");

/// What stands before the code block of a part.
const PART: (&str, &str) = ("<!-- expansion: ", " -->");
/// The part that is the trait as the user has written it.
const WRITTEN: &str = "as written";

#[test]
fn the_expansion_in_the_documents_is_the_one_that_is_made() {
    let shown = fs::read_to_string(DOCUMENT).unwrap();
    let made = with_parts(&shown, &parts(&code_of(&shown, WRITTEN)));
    if std::env::var_os("REGENERATE").is_some() {
        fs::write(DOCUMENT, made).unwrap();
        return;
    }
    let differing = (1..).zip(shown.lines().zip(made.lines())).find(|(_, (shown, made))| shown != made);
    assert!(shown == made, "docs/expansion.md is not what is made: REGENERATE=1 writes it anew\n{differing:#?}");
}

#[test]
fn a_part_of_the_expansion_without_a_place_is_an_error_and_so_is_a_place_without_a_part() {
    let place = |name: &str| format!("{}{name}{}\n```rust\nold\n```\n", PART.0, PART.1);
    let parts = BTreeMap::from([("a", "new\n".to_owned())]);
    assert_eq!(with_parts(&place("a"), &parts), place("a").replace("old", "new"));
    let fails = |document: String| std::panic::catch_unwind(|| with_parts(&document, &parts)).is_err();
    assert!(fails(place("a") + &place("b")));
    assert!(fails(String::new()));
    assert!(fails(place("a") + &place("a")));
}

/// What the attribute makes of a trait, formatted, by the part that each item belongs to.
fn parts(written: &str) -> BTreeMap<&'static str, String> {
    let mut service: ItemTrait = syn::parse_str(written).unwrap();
    service.attrs.retain(|attribute| !attribute.path().is_ident("rpc_service"));
    let expanded = super::attribute(TokenStream::new(), service.to_token_stream());
    let file: syn::File = syn::parse2(expanded).unwrap();
    let mut parts: BTreeMap<_, Vec<Item>> = BTreeMap::new();
    for item in file.items {
        parts.entry(part_of(&item)).or_default().push(item);
    }
    parts.into_iter().map(|(name, items)| (name, printed(&items))).collect()
}

/// With an empty line between items, and without what makes lints silent about them.
fn printed(items: &[Item]) -> String {
    let items = items.iter().map(|item| {
        let mut file: syn::File = parse_quote!(#item);
        Heard.visit_file_mut(&mut file);
        prettyplease::unparse(&file)
    });
    items.collect::<Vec<_>>().join("\n")
}

/// Takes the `#[allow(..)]`s away.
struct Heard;

impl VisitMut for Heard {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !attribute.path().is_ident("allow"));
    }
}

fn part_of(item: &Item) -> &'static str {
    let name = match item {
        Item::Trait(_) => return "the trait",
        Item::Struct(item) => item.ident.to_string(),
        Item::Impl(item) if is_of_service(item) => return "the table",
        Item::Impl(ItemImpl { self_ty, .. }) => last_segment(self_ty),
        _ => return "the rest",
    };
    match () {
        () if name.ends_with("Methods") => "the descriptors",
        () if name.ends_with("Client") => "the client",
        () if name.ends_with("Server") => "the server",
        () => "the rest",
    }
}

/// Whether it implements the runtime's `Service`.
fn is_of_service(item: &ItemImpl) -> bool {
    item.trait_.as_ref().is_some_and(|(path, _)| path.segments.last().is_some_and(|last| last.ident == "Service"))
}

fn last_segment(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default()
}

/// The code of a part of the document.
fn code_of(document: &str, name: &str) -> String {
    let marker = format!("{}{name}{}", PART.0, PART.1);
    let lines = document.lines().skip_while(|line| *line != marker).skip_while(|line| !line.starts_with("```"));
    lines.skip(1).take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect()
}

/// The document with these parts, each of which has its one place.
#[track_caller]
fn with_parts(document: &str, parts: &BTreeMap<&'static str, String>) -> String {
    let (mut text, mut left) = (String::new(), parts.clone());
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        text += line;
        text += "\n";
        let name = line.strip_prefix(PART.0).and_then(|line| line.strip_suffix(PART.1));
        let Some(name) = name.filter(|name| *name != WRITTEN) else { continue };
        let made = left.remove(name);
        assert!(made.is_some(), "the expansion has no part {name:?}, or the document has it twice");
        lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        text += &format!("```rust\n{}```\n", made.unwrap());
    }
    assert!(left.is_empty(), "the document has no place for {:?}", left.keys());
    text
}

//! One noun, one meaning: words that say nothing, or that the field uses for something else, name nothing here.

use proc_macro2::Ident;
use syn::visit::{self, Visit};

use super::source::{Source, assert_none, files};

const BANNED: [&str; 7] = ["manager", "helper", "util", "common", "impl", "payload", "packet"];

/// Where a banned word is the established name: the crate that holds what client and server share.
const EXEMPT: &str = "examples/arith/common/";

#[test]
fn no_type_function_or_module_has_a_banned_word_in_its_name() {
    assert_none(&files("rs").iter().flat_map(check).collect::<Vec<_>>());
}

fn check(file: &Source) -> Vec<String> {
    let path = file.path.strip_prefix(EXEMPT).unwrap_or(&file.path);
    let mut names = Names { file, faults: Vec::new() };
    for name in path.trim_end_matches(".rs").split('/') {
        names.judge(name, 1);
    }
    names.visit_file(&file.syntax());
    names.faults
}

struct Names<'a> {
    file: &'a Source,
    faults: Vec<String>,
}

impl Names<'_> {
    fn judge(&mut self, name: &str, line: usize) {
        for word in words(name).filter(|word| BANNED.contains(&word.trim_end_matches('s'))) {
            self.faults.push(self.file.fault(line, &format!("{name} has the banned word {word:?}")));
        }
    }

    fn judge_ident(&mut self, ident: &Ident) {
        self.judge(&ident.to_string(), ident.span().start().line);
    }

    /// The names of tests are sentences and may speak of anything.
    fn judge_function(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
        };
        if !attributes.iter().any(is_test) {
            self.judge_ident(&signature.ident);
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Fn(item) => self.judge_function(&item.attrs, &item.sig),
            syn::Item::Struct(item) => self.judge_ident(&item.ident),
            syn::Item::Enum(item) => self.judge_ident(&item.ident),
            syn::Item::Union(item) => self.judge_ident(&item.ident),
            syn::Item::Trait(item) => self.judge_ident(&item.ident),
            syn::Item::Type(item) => self.judge_ident(&item.ident),
            syn::Item::Mod(item) => self.judge_ident(&item.ident),
            // The functions of a trait's implementation have the names that the trait gave them.
            syn::Item::Impl(item) if item.trait_.is_none() => {
                for item in &item.items {
                    if let syn::ImplItem::Fn(item) = item {
                        self.judge_function(&item.attrs, &item.sig);
                    }
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.judge_function(&item.attrs, &item.sig);
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_trait_item_type(&mut self, item: &'ast syn::TraitItemType) {
        self.judge_ident(&item.ident);
        visit::visit_trait_item_type(self, item);
    }
}

/// The words of a name in snake, kebab or camel case, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || (character.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        after_lower = character.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banned_words_are_found_in_every_kind_of_name() {
        let table = [
            "struct ConnectionManager;",
            "enum Helpers {}",
            "trait CallImpl {}",
            "type PayloadBytes = u8;",
            "fn read_packet() {}",
            "mod utils {}",
            "impl S { fn common_part() {} }",
            "trait T { fn call_helper(&self); }",
            "trait T { type Payload; }",
            "mod m { fn f() { struct Util; } }",
        ];
        for text in table {
            assert_eq!(check(&Source::new("sample.rs", text)).len(), 1, "{text}");
        }
        for path in ["x/common/y.rs", "x/utils.rs"] {
            assert_eq!(check(&Source::new(path, "")).len(), 1, "{path}");
        }
        let found = check(&Source::new("sample.rs", "\nstruct Packet;"));
        assert_eq!(found, ["sample.rs:2: Packet has the banned word \"packet\""]);
    }

    #[test]
    fn parts_of_words_tests_and_the_shared_crate_are_no_fault() {
        let table = [
            "struct Simple; fn implement() { let packet = 1; }",
            "#[test] fn no_packet_is_lost() {}",
            "impl S for T { fn as_impl(&self) {} }",
        ];
        for text in table {
            assert_none(&check(&Source::new("sample.rs", text)));
        }
        assert_none(&check(&Source::new("examples/arith/common/src/lib.rs", "")));
    }
}

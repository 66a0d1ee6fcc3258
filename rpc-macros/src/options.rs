//! The options in `#[rpc_service(..)]` and `#[rpc(..)]`.

use proc_macro2::{Ident, TokenStream};
use syn::{
    Attribute, Lit, LitStr, Meta, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
};

use crate::{errors::Errors, model::Execution, rename::Rename};

/// The longest name of a service or method on the wire, in bytes.
const MAX_NAME: usize = 256;

/// What a trait asks for.
#[derive(Default)]
pub(crate) struct ServiceOptions {
    pub(crate) name: Option<String>,
    pub(crate) rename_all: Option<Rename>,
    pub(crate) runtime: Option<Path>,
}

impl ServiceOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        for given in read(tokens, "#[rpc_service]", &["name", "rename_all", "crate"], errors) {
            match given.key.to_string().as_str() {
                "name" => options.name = given.wire_name(errors).map(|name| name.value()),
                "rename_all" => options.rename_all = given.rename(errors),
                _ => options.runtime = given.path(errors),
            }
        }
        options
    }
}

/// What a method asks for.
#[derive(Default)]
pub(crate) struct MethodOptions {
    /// The name on the wire.
    pub(crate) name: Option<LitStr>,
    pub(crate) client: Option<Ident>,
    pub(crate) execution: Execution,
    /// The `inline` that was written.
    pub(crate) inline: Option<Ident>,
}

impl MethodOptions {
    /// Reads the `#[rpc(..)]` attributes and takes them away.
    pub(crate) fn take(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Self {
        const KNOWN: &[&str] = &["name", "client", "inline", "task"];
        let mut options = Self::default();
        let (ours, others): (Vec<_>, Vec<_>) =
            std::mem::take(attributes).into_iter().partition(|one| one.path().is_ident("rpc"));
        *attributes = others;
        for attribute in ours {
            match attribute.meta {
                Meta::List(list) => {
                    for given in read(list.tokens, "#[rpc]", KNOWN, errors) {
                        options.set(&given, errors);
                    }
                }
                other => errors.at(other, format!("#[rpc] takes its options in parentheses: {}", KNOWN.join(", "))),
            }
        }
        options
    }

    fn set(&mut self, given: &Given, errors: &mut Errors) {
        match given.key.to_string().as_str() {
            "name" => self.name = given.wire_name(errors),
            "client" => self.client = given.identifier(errors),
            flag => {
                if let Some(value) = &given.value {
                    errors.at(value, format!("the option `{flag}` takes no value"));
                }
                if self.execution != Execution::Auto {
                    errors.at(&given.key, "`inline` and `task` exclude each other");
                }
                self.execution = if flag == "inline" { Execution::Inline } else { Execution::Task };
                self.inline = (flag == "inline").then(|| given.key.clone());
            }
        }
    }
}

/// One option as written: `key` or `key = value`.
struct Given {
    key: Ident,
    value: Option<Lit>,
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a keyword.
        let key = input.call(Ident::parse_any)?;
        let value = if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse()?) } else { None };
        Ok(Self { key, value })
    }
}

impl Given {
    fn text(&self, errors: &mut Errors) -> Option<&LitStr> {
        match &self.value {
            Some(Lit::Str(text)) => return Some(text),
            Some(other) => errors.at(other, format!("the option `{}` takes a string", self.key)),
            None => errors.at(&self.key, format!("the option `{0}` takes a string: {0} = \"..\"", self.key)),
        }
        None
    }

    fn wire_name(&self, errors: &mut Errors) -> Option<LitStr> {
        let text = self.text(errors)?;
        let name = text.value();
        let mistake = if name.is_empty() || name.len() > MAX_NAME {
            format!("a name on the wire has 1 to {MAX_NAME} bytes, this one has {}", name.len())
        } else if name.contains('.') {
            "a name on the wire has no dot: the dot is what parts service and method".to_owned()
        } else if name.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            "a name on the wire has no spaces and no control characters".to_owned()
        } else {
            return Some(text.clone());
        };
        errors.at(text, mistake);
        None
    }

    fn rename(&self, errors: &mut Errors) -> Option<Rename> {
        let text = self.text(errors)?;
        let rule = Rename::from_name(&text.value());
        if rule.is_none() {
            let known = Rename::ALL.map(|(name, _)| name);
            errors.at(text, unknown("case", &text.value(), "rename_all", &known));
        }
        rule
    }

    fn path(&self, errors: &mut Errors) -> Option<Path> {
        let text = self.text(errors)?;
        let path = text.parse_with(Path::parse_mod_style).ok();
        if path.is_none() {
            errors.at(text, "the option `crate` takes a path, such as \"::my_crate::rpc_runtime\"");
        }
        path
    }

    fn identifier(&self, errors: &mut Errors) -> Option<Ident> {
        let text = self.text(errors)?;
        let identifier = text.parse().ok();
        if identifier.is_none() {
            errors.at(text, format!("`{}` is not a name that a method can have", text.value()));
        }
        identifier
    }
}

/// The options in one attribute; unknown and repeated ones are reported and left out.
fn read(tokens: TokenStream, attribute: &str, known: &[&str], errors: &mut Errors) -> Vec<Given> {
    let options = match Punctuated::<Given, Token![,]>::parse_terminated.parse2(tokens) {
        Ok(options) => options,
        Err(error) => {
            errors.add(error);
            return Vec::new();
        }
    };
    let mut accepted: Vec<Given> = Vec::new();
    for given in options {
        let key = given.key.to_string();
        if !known.contains(&key.as_str()) {
            errors.at(&given.key, unknown("option", &key, attribute, known));
        } else if accepted.iter().any(|other| other.key == given.key) {
            errors.at(&given.key, format!("the option `{key}` is given twice"));
        } else {
            accepted.push(given);
        }
    }
    accepted
}

/// Says what is unknown, what there is, and which of it was probably meant.
fn unknown(what: &str, given: &str, owner: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(given, known) {
        Some(name) => format!("unknown {what} `{given}`: {owner} has {list}; did you mean `{name}`?"),
        None => format!("unknown {what} `{given}`: {owner} has {list}"),
    }
}

/// What was probably meant: what is written nearly so, else what has a whole word in common, the first first.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase();
    let begins = |name: &str, with: &str| name.to_lowercase().starts_with(with) && with.len() > 2;
    if let Some(name) = known.iter().find(|name| begins(name, &given)) {
        return Some(name);
    }
    let misspelt = known.iter().map(|name| (distance(&given, &name.to_lowercase()), *name)).min_by_key(|(far, _)| *far);
    if let Some((_, name)) = misspelt.filter(|(far, name)| *far <= name.len().max(3) / 3) {
        return Some(name);
    }
    given.split(['_', '-']).find_map(|word| known.iter().copied().find(|name| begins(name, word)))
}

/// How many letters are missing, too many, wrong or swapped with the next.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn messages(tokens: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        ServiceOptions::parse(tokens, &mut errors);
        errors.messages()
    }

    #[test]
    fn the_options_of_a_trait_are_read() {
        let mut errors = Errors::default();
        let tokens = quote!(name = "Sums", rename_all = "camelCase", crate = "::other::rpc",);
        let options = ServiceOptions::parse(tokens, &mut errors);
        assert_eq!(errors.count(), 0);
        assert_eq!(options.name.as_deref(), Some("Sums"));
        assert_eq!(options.rename_all, Some(Rename::Camel));
        assert_eq!(options.runtime, Some(syn::parse_quote!(::other::rpc)));
    }

    #[test]
    fn the_runtime_may_be_the_crate_itself() {
        assert_eq!(messages(quote!(crate = "crate")), [""; 0]);
        assert_eq!(messages(quote!(crate = "super::rpc")), [""; 0]);
        assert_eq!(messages(quote!(crate = "a b")).len(), 1);
    }

    #[test]
    fn an_unknown_option_names_the_known_ones_and_the_nearest() {
        assert_eq!(
            messages(quote!(rename = "camelCase", colour = "red")),
            [
                "unknown option `rename`: #[rpc_service] has name, rename_all, crate; did you mean `rename_all`?",
                "unknown option `colour`: #[rpc_service] has name, rename_all, crate",
            ]
        );
    }

    #[test]
    fn a_name_that_can_not_travel_is_refused() {
        let too_long = "x".repeat(257);
        for name in ["", "a.b", "a b", "a\n", &too_long] {
            assert_eq!(messages(quote!(name = #name)).len(), 1, "{name:?}");
        }
    }

    #[test]
    fn the_options_of_a_method_are_taken_out_of_its_attributes() {
        let mut errors = Errors::default();
        let mut attributes = vec![syn::parse_quote!(#[inline]), syn::parse_quote!(#[rpc(client = "r#new", inline)])];
        let options = MethodOptions::take(&mut attributes, &mut errors);
        assert_eq!((errors.count(), attributes.len()), (0, 1));
        assert_eq!(options.client.map(|name| name.to_string()).as_deref(), Some("r#new"));
        assert_eq!(options.execution, Execution::Inline);
    }

    #[test]
    fn what_is_nearest_is_what_was_meant() {
        let service = |given| nearest(given, &["name", "rename_all", "crate"]);
        for given in ["nmae", "names", "Name", "service_name", "nam"] {
            assert_eq!(service(given), Some("name"), "{given}");
        }
        for given in ["rename", "renameall", "rename_methods", "reanme_all", "rename-all"] {
            assert_eq!(service(given), Some("rename_all"), "{given}");
        }
        for given in ["crat", "carte", "crate_path"] {
            assert_eq!(service(given), Some("crate"), "{given}");
        }
        for given in ["case", "colour", "version", "path", "n", ""] {
            assert_eq!(service(given), None, "{given}");
        }
        let method = |given| nearest(given, &["name", "client", "inline", "task"]);
        assert_eq!(
            ["client_name", "cleint", "inlined", "tsak"].map(method),
            ["client", "client", "inline", "task"].map(Some)
        );
        assert_eq!(["execution", "timeout", "retry"].map(method), [None; 3]);
        let case = |given| nearest(given, &Rename::ALL.map(|(name, _)| name));
        assert_eq!(
            ["CamelCase", "camel", "snakecase", "kebab", "pascal", "upper", "SCREAMING"].map(case),
            ["camelCase", "camelCase", "snake_case", "kebab-case", "PascalCase", "UPPERCASE", "SCREAMING_SNAKE_CASE",]
                .map(Some)
        );
    }

    #[test]
    fn distances_are_counted_in_edits() {
        assert_eq!(distance("nmae", "name"), 1);
        assert_eq!(distance("name", "name"), 0);
        assert_eq!(distance("", "task"), 4);
        assert_eq!(distance("tusks", "task"), 2);
        assert_eq!(distance("abcd", "acbd"), 1);
    }
}

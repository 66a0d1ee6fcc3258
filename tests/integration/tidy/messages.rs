//! Every message for a mistake is in docs/errors.md and pinned by a compile-fail test, and no other is.
//!
//! A message is a string in the macro's sources: several words that begin in lower case, with a code span or with `#`.
//! Names and documentation are none. To these come the messages of `on_unimplemented` in the runtime.

use std::{fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::source::{Source, assert_none, files};

const DOCUMENT: &str = "docs/errors.md";

#[test]
fn every_message_is_documented() {
    let headings = headings(&document());
    assert_none(&missing(&templates(), &headings, "a heading of docs/errors.md"));
}

#[test]
fn every_message_is_pinned_by_a_compile_fail_test() {
    assert_none(&missing(&templates(), &pinned(), "a file of tests/compile-fail"));
}

#[test]
fn every_pinned_message_is_documented() {
    let (templates, headings) = (templates(), headings(&document()));
    // Those that are ours are documented once for all of their values, by the rule above.
    let others = pinned().into_iter().filter(|line| !templates.iter().any(|template| template.matches(line)));
    let faults = others.filter(|line| !headings.iter().any(|heading| same_but_for_names(heading, line)));
    assert_none(&faults.map(|line| format!("{DOCUMENT} has no heading: {line}")).collect::<Vec<_>>());
}

#[test]
fn nothing_is_documented_that_is_not_said() {
    let (templates, pinned) = (templates(), pinned());
    let is_said = |heading: &String| {
        templates.iter().any(|template| template.matches(heading))
            || pinned.iter().any(|line| same_but_for_names(heading, line))
    };
    let faults = headings(&document()).into_iter().filter(|heading| !is_said(heading));
    assert_none(&faults.map(|heading| format!("{DOCUMENT}: nothing says: {heading}")).collect::<Vec<_>>());
}

fn missing(templates: &[Template], lines: &[String], place: &str) -> Vec<String> {
    let missing = templates.iter().filter(|template| !lines.iter().any(|line| template.matches(line)));
    missing.map(|template| format!("{}: not in {place}: {}", template.path, template.text)).collect()
}

fn document() -> Source {
    files("md").into_iter().find(|file| file.path == DOCUMENT).expect("the document is there")
}

/// The headings of the third level: each is the first line of a message.
fn headings(document: &Source) -> Vec<String> {
    document.text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect()
}

/// The first line of every message that a compile-fail test expects.
fn pinned() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile-fail");
    let entries = fs::read_dir(folder).expect("the tests are there");
    let paths = entries.map(|entry| entry.expect("the tests can be read").path());
    let expected = paths.filter(|path| path.extension().is_some_and(|extension| extension == "stderr"));
    expected.flat_map(|path| first_lines(&fs::read_to_string(path).expect("messages are UTF-8"))).collect()
}

/// What stands behind `error:` or `error[E0277]:`.
fn first_lines(stderr: &str) -> Vec<String> {
    let errors = stderr.lines().filter_map(|line| line.strip_prefix("error"));
    let lines = errors.filter_map(|rest| rest.split_once(": ")).filter(|(code, _)| code.len() <= "[E0000]".len());
    lines.map(|(_, line)| line.to_owned()).collect()
}

/// Whether two messages are one when what stands in code spans is left out.
fn same_but_for_names(heading: &str, line: &str) -> bool {
    let words = |text: &str| text.split('`').step_by(2).collect::<Vec<_>>().join("`");
    words(heading) == words(line)
}

/// A message with its `{placeholders}`.
struct Template {
    path: String,
    text: String,
}

impl Template {
    /// Whether the line ends with this message, whatever stands in the places of the placeholders.
    fn matches(&self, line: &str) -> bool {
        let mut parts = parts(&self.text).into_iter();
        let Some(end) = parts.next_back() else { return false };
        let mut rest = line;
        for part in parts {
            let Some(at) = rest.find(&part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(&end)
    }
}

/// What stands between the placeholders.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for letter in text.chars() {
        match (inside, letter) {
            (false, '{') => {
                inside = true;
                parts.push(String::new());
            }
            (true, '}') => inside = false,
            (true, _) => {}
            (false, letter) => parts.last_mut().expect("there is one").push(letter),
        }
    }
    parts
}

fn templates() -> Vec<Template> {
    let (mut found, sources) = (Vec::new(), files("rs"));
    for file in
        sources.iter().filter(|file| file.path.starts_with("rpc-macros/src/") && !file.path.ends_with("tests.rs"))
    {
        let code = file.text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let texts = strings(&Source::new(&file.path, code).tokens(), Attributes::LeftOut);
        found.extend(texts.into_iter().filter(|text| is_message(text)).map(|text| (file, text)));
    }
    for file in sources.iter().filter(|file| file.path.starts_with("rpc-runtime/src/")) {
        found.extend(unimplemented(&file.tokens()).into_iter().map(|text| (file, text)));
    }
    found.into_iter().map(|(file, text)| Template { path: file.path.clone(), text }).collect()
}

fn is_message(text: &str) -> bool {
    let begins = text.starts_with(|letter: char| letter.is_lowercase() || "`#{".contains(letter));
    begins && text.split(' ').count() > 2
}

#[derive(Clone, Copy, PartialEq)]
enum Attributes {
    LeftOut,
    Read,
}

/// The strings among the tokens.
fn strings(tokens: &[TokenTree], attributes: Attributes) -> Vec<String> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push(text.value());
                }
            }
            TokenTree::Group(group) => {
                let is_attribute =
                    group.delimiter() == Delimiter::Bracket && is_hash(tokens.get(index.wrapping_sub(1)));
                if attributes == Attributes::Read || !is_attribute {
                    found.extend(strings(&trees(group.stream()), attributes));
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

/// The `message` of every `#[diagnostic::on_unimplemented(..)]`.
fn unimplemented(tokens: &[TokenTree]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let inner = trees(group.stream());
        let is_named =
            |name: &str| matches!(tokens.get(index.wrapping_sub(1)), Some(TokenTree::Ident(it)) if it == name);
        if is_named("on_unimplemented") {
            let value = inner.iter().position(|token| matches!(token, TokenTree::Ident(it) if it == "message"));
            found.extend(value.and_then(|at| strings(&inner[at..], Attributes::Read).into_iter().next()));
        } else {
            found.extend(unimplemented(&inner));
        }
    }
    found
}

fn is_hash(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if ['#', '!'].contains(&punct.as_char()))
}

fn trees(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template { path: String::new(), text: text.to_owned() }
    }

    #[test]
    fn a_message_is_found_whatever_stands_in_its_places() {
        let unknown = template("unknown {what} `{given}`: {owner} has {list}");
        assert!(unknown.matches("unknown option `colour`: #[rpc] has name, client"));
        assert!(!unknown.matches("unknown `colour`: #[rpc] has name"));
        let whole = template("a method takes `&self`");
        assert!(whole.matches("a method takes `&self`"));
        assert!(!whole.matches("a method takes `&self`: and more"));
        assert!(template("{WANTED}: and more").matches("a method takes `&self`: and more"));
        assert!(template("`{}` is a `Result`").matches("evaluation panicked: `A<u8>` is a `Result`"));
        assert!(same_but_for_names("the name `a` is there", "the name `b::c` is there"));
        assert!(!same_but_for_names("the name `a` is there", "the name `a` is not there"));
    }

    #[test]
    fn messages_are_told_from_names_and_documentation() {
        let source = Source::new(
            "a.rs",
            r##"
            //! Not this one here.
            /// Nor this one here.
            fn f(errors: &mut Errors) {
                errors.at(x, "an argument has no options");
                let text = format!("`{name}` is there \
                    already");
                errors.at(y, if z { "#[rpc] goes there" } else { "plain" });
                quote!(#[doc = "nor that one here"] #(#x)* ::core::panic!("{}", "a panic is said"));
                let docs = format!("A client of [`{}`]: it calls.", name);
            }
            "##,
        );
        let found: Vec<_> =
            strings(&source.tokens(), Attributes::LeftOut).into_iter().filter(|text| is_message(text)).collect();
        let wanted =
            ["an argument has no options", "`{name}` is there already", "#[rpc] goes there", "a panic is said"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_messages_of_unimplemented_traits_are_found() {
        let source = Source::new(
            "a.rs",
            r#"mod m {
                #[diagnostic::on_unimplemented(label = "l", message = "`{Self}` is wrong", note = "n")]
                trait T {}
            }"#,
        );
        assert_eq!(unimplemented(&source.tokens()), ["`{Self}` is wrong"]);
    }

    #[test]
    fn the_first_lines_of_errors_are_found() {
        let stderr = "error: one `a: b`\n --> x\nerror[E0277]: two\nwarning: no\nerror: aborting\nerrors: no\n";
        assert_eq!(first_lines(stderr), ["one `a: b`", "two", "aborting", "no"]);
    }
}

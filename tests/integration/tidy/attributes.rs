//! Features gate files, and a lint is expected with a reason, never allowed.

use proc_macro2::{Delimiter, Group, TokenTree};

use super::source::{Source, assert_none, files};

/// Macros whose tokens are the code of others: there an unfulfilled expectation would warn the user.
const QUOTING: [&str; 3] = ["quote", "quote_spanned", "parse_quote"];

#[test]
fn a_feature_gates_modules_and_reexports_only() {
    assert_none(&files("rs").iter().flat_map(features).collect::<Vec<_>>());
}

#[test]
fn no_lint_is_allowed() {
    assert_none(&files("rs").iter().flat_map(allowed).collect::<Vec<_>>());
}

fn features(file: &Source) -> Vec<String> {
    // The benchmarks' features choose what to compare with, in one list.
    let exempt = ["tests/", "benches/"].iter().any(|folder| file.path.starts_with(folder));
    if exempt || file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    each_attribute(&file.tokens(), &mut |attribute, rest| {
        let is_gate = ["cfg", "cfg_attr"].iter().any(|name| begins_with(attribute, name));
        if is_gate && mentions(attribute, "feature") && !mentions(attribute, "test") && !is_module_or_reexport(rest) {
            let what = format!("#[{}] stands before neither mod nor pub use", attribute.stream());
            faults.push(file.fault(attribute.span_open().start().line, &what));
        }
    });
    faults
}

fn allowed(file: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    each_attribute(&file.tokens(), &mut |attribute, _| {
        if begins_with(attribute, "allow") || (begins_with(attribute, "cfg_attr") && mentions(attribute, "allow")) {
            let what = format!("#[{}]: use #[expect(.., reason = \"..\")]", attribute.stream());
            faults.push(file.fault(attribute.span_open().start().line, &what));
        }
    });
    faults
}

/// Calls `judge` with each attribute, outer or inner, and what follows it.
fn each_attribute(tokens: &[TokenTree], judge: &mut impl FnMut(&Group, &[TokenTree])) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(_), ..]
                if mark.as_char() == '!' && QUOTING.iter().any(|quoting| name == quoting) =>
            {
                at += 2;
            }
            rest => {
                if let Some((attribute, length)) = leading_attribute(rest) {
                    judge(attribute, &rest[length..]);
                    at += length - 1;
                } else if let TokenTree::Group(group) = &rest[0] {
                    each_attribute(&group.stream().into_iter().collect::<Vec<_>>(), judge);
                }
            }
        }
        at += 1;
    }
}

/// The attribute that `tokens` begin with, and of how many tokens it is.
fn leading_attribute(tokens: &[TokenTree]) -> Option<(&Group, usize)> {
    let is = |token: &TokenTree, character| matches!(token, TokenTree::Punct(p) if p.as_char() == character);
    let (group, length) = match tokens {
        [hash, TokenTree::Group(group), ..] if is(hash, '#') => (group, 2),
        [hash, mark, TokenTree::Group(group), ..] if is(hash, '#') && is(mark, '!') => (group, 3),
        _ => return None,
    };
    (group.delimiter() == Delimiter::Bracket).then_some((group, length))
}

fn is_module_or_reexport(mut tokens: &[TokenTree]) -> bool {
    while let Some((_, length)) = leading_attribute(tokens) {
        tokens = &tokens[length..];
    }
    if is_keyword(tokens.first(), "mod") {
        return true;
    }
    match tokens {
        [public, rest @ ..] if is_keyword(Some(public), "pub") => {
            let scoped = matches!(rest.first(), Some(TokenTree::Group(_)));
            let item = rest.get(usize::from(scoped));
            is_keyword(item, "mod") || is_keyword(item, "use")
        }
        _ => false,
    }
}

fn is_keyword(token: Option<&TokenTree>, keyword: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == keyword)
}

fn begins_with(group: &Group, name: &str) -> bool {
    is_keyword(group.stream().into_iter().next().as_ref(), name)
}

fn mentions(group: &Group, name: &str) -> bool {
    group.stream().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(inner) => mentions(&inner, name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Source {
        Source::new("sample.rs", text)
    }

    #[test]
    fn a_feature_before_anything_but_a_module_or_reexport_is_found() {
        let table = [
            "#[cfg(feature = \"x\")] fn f() {}",
            "#[cfg(feature = \"x\")] use a::b;",
            "#[cfg(not(feature = \"x\"))] impl S {}",
            "fn f() { match x { #[cfg(feature = \"x\")] A => {} } }",
            "struct S { #[cfg(all(unix, feature = \"x\"))] field: u8 }",
            "#![cfg(feature = \"x\")]",
            "#[cfg_attr(feature = \"x\", derive(Clone))] struct S;",
        ];
        for text in table {
            assert_eq!(features(&sample(text)).len(), 1, "{text}");
        }
        let fault = "sample.rs:2: #[cfg (feature = \"x\")] stands before neither mod nor pub use";
        assert_eq!(features(&sample("\n#[cfg(feature = \"x\")] fn f() {}")), [fault]);
    }

    #[test]
    fn a_feature_before_a_module_a_reexport_or_a_test_is_no_fault() {
        let table = [
            "#[cfg(feature = \"x\")] mod x;",
            "#[cfg(feature = \"x\")] #[path = \"y.rs\"] pub(crate) mod x;",
            "#[cfg(not(feature = \"x\"))] pub use a::b;",
            "#[cfg(all(test, feature = \"x\"))] fn f() {}",
            "#[cfg(unix)] fn f() { let feature = 1; }",
        ];
        for text in table {
            assert_none(&features(&sample(text)));
        }
        assert_none(&features(&Source::new("x/tests.rs", "#[cfg(feature = \"x\")] fn f() {}")));
    }

    #[test]
    fn an_allowed_lint_is_found() {
        let table = [
            "#[allow(dead_code)] fn f() {}",
            "#![allow(missing_docs)]",
            "fn f() { #[allow(unused)] let x = 1; }",
            "#[cfg_attr(test, allow(unused))] fn f() {}",
            "vec![{ #[allow(unused)] let x = 1; }]",
        ];
        for text in table {
            assert_eq!(allowed(&sample(text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn expected_lints_and_the_code_of_users_are_no_fault() {
        let text =
            "#[expect(unused, reason = \"r\")] fn f() { quote!(#[allow(unused)] fn g() {}); allow(1) } // #[allow(x)]";
        assert_none(&allowed(&sample(text)));
    }
}

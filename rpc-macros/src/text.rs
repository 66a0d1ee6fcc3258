//! A type as text, spaced the way rustfmt would: tokens alone do not keep the spaces that were written.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Type;

/// The type as a user would write it.
pub(crate) fn of_type(ty: &Type) -> String {
    let mut writer = Writer::default();
    writer.stream(ty.to_token_stream());
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    before: Before,
}

/// What the next token follows.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Something that a word can follow without a space: an opening bracket, `&`, `::`.
    #[default]
    Open,
    Word,
    /// `>`: a word after it is set off, punctuation is not.
    Close,
    /// `,`, a lifetime and the like: whatever follows is set off.
    Separator,
    /// The `'` of a lifetime.
    Tick,
}

impl Writer {
    fn stream(&mut self, tokens: TokenStream) {
        let mut joint = String::new();
        for token in tokens {
            match token {
                TokenTree::Punct(punct) => {
                    joint.push(punct.as_char());
                    let goes_on = matches!(joint.as_str(), "-" | ":") && punct.spacing() == Spacing::Joint;
                    if !goes_on {
                        self.punctuation(&std::mem::take(&mut joint));
                    }
                }
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
                word => self.word(&word.to_string()),
            }
        }
    }

    fn word(&mut self, word: &str) {
        if !matches!(self.before, Before::Open | Before::Tick) {
            self.text.push(' ');
        }
        self.text.push_str(word);
        let sets_off = self.before == Before::Tick || ["mut", "const", "dyn", "impl", "as"].contains(&word);
        self.before = if sets_off { Before::Separator } else { Before::Word };
    }

    fn punctuation(&mut self, punctuation: &str) {
        let (set_off, after) = match punctuation {
            "+" | "=" | "->" => (true, Before::Separator),
            "," | ";" | ":" => (false, Before::Separator),
            ">" => (false, Before::Close),
            "'" => (self.before == Before::Separator, Before::Tick),
            _ => (self.before == Before::Separator, Before::Open),
        };
        if set_off {
            self.text.push(' ');
        }
        self.text.push_str(punctuation);
        self.before = after;
    }

    fn group(&mut self, delimiter: Delimiter, inner: TokenStream) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::None => return self.stream(inner),
        };
        if self.before == Before::Separator {
            self.text.push(' ');
        }
        self.text.push_str(open);
        self.before = Before::Open;
        self.stream(inner);
        self.text.push_str(close);
        self.before = Before::Close;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_reads_as_it_was_written() {
        for written in [
            "u64",
            "()",
            "&str",
            "&'a [f64]",
            "&'a &'b mut [&'static str]",
            "*const (u8, i8)",
            "for<'a> fn(&'a str) -> u8",
            "Result<Vec<u8>, crate::error::Error>",
            "HashMap<String, Option<(u32, [u8; 16])>>",
            "Cow<'_, str>",
            "&(dyn Fn(u8) -> u8 + Send + 'a)",
            "<Vec<u8> as IntoIterator>::Item",
            "::std::string::String",
            "(u8,)",
            "Box<dyn Iterator<Item = (u8, u8)> + Send>",
            "Option<&'static [(&str, &[u8])]>",
        ] {
            assert_eq!(of_type(&syn::parse_str(written).unwrap()), written);
        }
    }
}

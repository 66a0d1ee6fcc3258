//! The mistakes found so far. They are collected and not thrown, so that a trait is read to its end.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// Every mistake with the tokens it is reported at.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Reports a mistake at the given tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn add(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One `compile_error!` for each mistake, in the order in which they were found.
    pub(crate) fn to_tokens(&self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }

    /// The first mistake as a type, and the others as items. The compiler knows such a type to be wrong, so that
    /// whatever is done with a value of it adds no message: an argument or a return type in the place of a sound one.
    pub(crate) fn to_type(&self) -> Option<(TokenStream, TokenStream)> {
        let (first, others) = self.0.split_first()?;
        let length = first.to_compile_error();
        Some((quote!([(); #length]), others.iter().map(syn::Error::to_compile_error).collect()))
    }

    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

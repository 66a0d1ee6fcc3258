//! What is returned, or is an item of a stream: which types it has, and how they are encoded and decoded.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Path, Type};

use super::at;
use crate::{
    model::{Outcome, Shape, Value},
    scope::{Scope, Written},
};

/// A value within the client or the server.
pub(super) struct Typed<'a> {
    runtime: &'a Path,
    value: &'a Value,
    /// Its type as it is written here.
    ty: Type,
    written: &'a Written<'a>,
    /// Whether its type depends on parameters.
    is_generic: bool,
}

impl<'a> Typed<'a> {
    pub(super) fn new(runtime: &'a Path, scope: &Scope, written: &'a Written<'a>, value: &'a Value) -> Self {
        Self { runtime, value, ty: written.ty(&value.ty), written, is_generic: scope.is_in(&value.ty) }
    }

    /// The type of the value, if it is no error.
    pub(super) fn ok(&self) -> TokenStream {
        let ty = &self.ty;
        match &self.value.shape {
            Shape::Plain | Shape::Bulk => quote!(#ty),
            Shape::Outcome(outcome) => {
                let ok = self.written.ty(&outcome.ok);
                quote!(#ok)
            }
            Shape::Alias { certain, .. } => self.projected(*certain, "Ok"),
        }
    }

    /// The type of the method's own error: `Status` if it has none.
    pub(super) fn own_error(&self) -> TokenStream {
        let runtime = self.runtime;
        match &self.value.shape {
            Shape::Plain | Shape::Bulk => quote!(#runtime::Status),
            Shape::Outcome(outcome) => {
                let error = self.written.ty(&outcome.error);
                quote!(#error)
            }
            Shape::Alias { certain, .. } => self.projected(*certain, "Err"),
        }
    }

    /// How the client's call fails; `None` if only with `Status`.
    pub(super) fn error(&self) -> Option<TokenStream> {
        let runtime = self.runtime;
        match &self.value.shape {
            Shape::Plain | Shape::Bulk => None,
            Shape::Outcome(outcome) => {
                let Outcome { error, .. } = &**outcome;
                let written = self.written.ty(error);
                // Whose `Status` it is, only the compiler knows.
                Some(if is_status(error) {
                    quote_spanned!(at(error)=> #runtime::__private::ErrorOf<#written>)
                } else {
                    quote_spanned!(at(error)=> #runtime::CallError<#written>)
                })
            }
            Shape::Alias { .. } if self.is_generic => {
                let own = self.own_error();
                Some(quote_spanned!(at(&self.ty)=> #runtime::__private::ErrorOf<#own>))
            }
            Shape::Alias { certain, .. } => Some(self.projected(*certain, "Error")),
        }
    }

    /// A part of a `Result` under an alias. The compiler refuses to ask about a type with parameters, which therefore
    /// has to be one when its name says so.
    fn projected(&self, certain: bool, part: &str) -> TokenStream {
        let (runtime, ty) = (self.runtime, &self.ty);
        let span = at(ty);
        let part = Ident::new(part, span);
        if self.is_generic {
            return quote_spanned!(span=> <#ty as #runtime::__private::Outcome>::#part);
        }
        let returned = returned(runtime, ty, certain);
        quote_spanned!(span=> <#returned as #runtime::__private::Returns<#ty>>::#part)
    }

    /// The expression as a `Result`, if it can be one.
    pub(super) fn as_result(&self, expression: TokenStream) -> TokenStream {
        let (runtime, ty) = (self.runtime, &self.ty);
        match &self.value.shape {
            Shape::Alias { .. } if self.is_generic => {
                quote_spanned!(at(ty)=> #runtime::__private::Outcome::into_result(#expression))
            }
            Shape::Alias { certain, .. } => {
                let returned = returned(runtime, ty, *certain);
                quote_spanned!(at(ty)=>
                    <#returned as #runtime::__private::Returns<#ty>>::into_result(#expression)
                )
            }
            Shape::Plain | Shape::Bulk | Shape::Outcome(_) => expression,
        }
    }

    pub(super) fn may_fail(&self) -> bool {
        matches!(self.value.shape, Shape::Outcome(_) | Shape::Alias { .. })
    }

    pub(super) fn encoder(&self) -> TokenStream {
        coder(self.runtime, at(&self.value.ty), self.is_bulk(), &self.ok(), Coder::Encoder)
    }

    pub(super) fn decoder(&self) -> TokenStream {
        coder(self.runtime, at(&self.value.ty), self.is_bulk(), &self.ok(), Coder::Decoder)
    }

    /// How the method's own error is encoded.
    pub(super) fn failure_encoder(&self) -> TokenStream {
        let (runtime, error) = (self.runtime, self.own_error());
        quote_spanned!(at(&self.ty)=> #runtime::__private::Probe::<#error>::NEW.failure_encoder())
    }

    /// How the client decodes the method's own error.
    pub(super) fn failure(&self) -> TokenStream {
        let runtime = self.runtime;
        let error = self.error().unwrap_or_else(|| quote!(#runtime::Status));
        quote_spanned!(at(&self.ty)=> #runtime::__private::Probe::<#error>::NEW.failure())
    }

    fn is_bulk(&self) -> bool {
        match &self.value.shape {
            Shape::Plain => false,
            Shape::Bulk => true,
            Shape::Outcome(outcome) => outcome.bulk,
            Shape::Alias { bulk, .. } => *bulk,
        }
    }
}

/// A direction of coding.
#[derive(Clone, Copy)]
pub(super) enum Coder {
    Encoder,
    Decoder,
}

/// The function that encodes or decodes a type.
pub(super) fn coder(runtime: &Path, span: Span, is_bulk: bool, ty: &TokenStream, direction: Coder) -> TokenStream {
    let (bulk, plain) = match direction {
        Coder::Encoder => ("bulk_encoder", "encoder"),
        Coder::Decoder => ("bulk_decoder", "decoder"),
    };
    if is_bulk {
        let function = Ident::new(bulk, span);
        return quote_spanned!(span=> #runtime::__private::#function::<#ty>());
    }
    let function = Ident::new(plain, span);
    quote_spanned!(span=> #runtime::__private::Probe::<#ty>::NEW.#function())
}

/// Whether the last segment is `Status`.
fn is_status(error: &Type) -> bool {
    matches!(error, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Status"))
}

/// Whether a type is a `Result`, as a constant expression.
pub(super) fn is_result(runtime: &Path, ty: &Type) -> TokenStream {
    kind(runtime, ty, "IS_RESULT")
}

fn kind(runtime: &Path, ty: &Type, question: &str) -> TokenStream {
    let span = at(ty);
    let question = Ident::new(question, span);
    quote_spanned!(span=> {
        use #runtime::__private::OtherKind as _;
        #runtime::__private::Kind::<#ty>::#question
    })
}

/// How a type is treated of which only the compiler knows what it is.
fn returned(runtime: &Path, ty: &Type, certain: bool) -> TokenStream {
    let is_result = if certain { quote!(true) } else { is_result(runtime, ty) };
    let is_status = kind(runtime, ty, "IS_STATUS");
    quote_spanned!(at(ty)=> #runtime::__private::Returned<#is_result, #is_status>)
}

//! The trait as users implement it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{
    ItemTrait, ReturnType, TraitItem, TraitItemFn, TypeImplTrait, TypeParamBound, parse_quote, parse_quote_spanned,
    visit_mut::VisitMut,
};

use super::generics;
use crate::{
    model::{Entry, Item, Service, Style},
    parse,
};

pub(super) fn expand(service: &Service) -> TokenStream {
    let mut source = service.source.clone();
    add_supertraits(&mut source);
    source.items = service.items.iter().map(|item| expand_item(service, item)).collect();
    source.into_token_stream()
}

/// A server shares the implementation between its tasks.
fn add_supertraits(source: &mut ItemTrait) {
    let has_trait = |name: &str| {
        source.supertraits.iter().any(|bound| {
            matches!(bound, TypeParamBound::Trait(bound)
                if bound.path.segments.last().is_some_and(|last| last.ident == name))
        })
    };
    let has_static =
        source.supertraits.iter().any(|bound| matches!(bound, TypeParamBound::Lifetime(one) if one.ident == "static"));
    let mut added: Vec<TypeParamBound> = Vec::new();
    if !has_trait("Send") {
        added.push(parse_quote!(::core::marker::Send));
    }
    if !has_trait("Sync") {
        added.push(parse_quote!(::core::marker::Sync));
    }
    if !has_static {
        added.push(parse_quote!('static));
    }
    source.supertraits.extend(added);
}

fn expand_item(service: &Service, item: &Item) -> TraitItem {
    match item {
        Item::Other(item) => TraitItem::clone(item),
        Item::Method(entry) if service.style == Style::AsyncTrait => TraitItem::Fn(entry.source.clone()),
        Item::Method(entry) => TraitItem::Fn(expand_method(service, entry)),
    }
}

/// `async fn f() -> T` as `fn f() -> impl Future<Output = T> + Send`, and `impl Stream` as `impl Stream + Send`.
fn expand_method(service: &Service, entry: &Entry) -> TraitItemFn {
    let mut function = entry.source.clone();
    if entry.method.is_some() {
        SendStreams.visit_return_type_mut(&mut function.sig.output);
    }
    let Some(asyncness) = function.sig.asyncness.take() else { return function };
    let span = asyncness.span;
    let output = match &function.sig.output {
        ReturnType::Default => quote_spanned!(span=> ()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    // Without a sound signature, a bound more would be a message more.
    let send = entry.method.as_ref().map(|_| quote_spanned!(span=> + ::core::marker::Send));
    function.sig.output = parse_quote_spanned!(span=> -> impl ::core::future::Future<Output = #output> #send);
    if let Some(body) = &function.default {
        function.default = Some(parse_quote!({ async move #body }));
        function.attrs.push(parse_quote!(#[allow(clippy::manual_async_fn)]));
        let sendable = entry.method.iter().flat_map(|method| generics::sendable(service, method));
        let mut sendable = sendable.peekable();
        if sendable.peek().is_some() {
            function.sig.generics.make_where_clause().predicates.extend(sendable);
        }
    }
    function
}

/// Adds `Send` to the `impl Stream`s of a return type.
struct SendStreams;

impl VisitMut for SendStreams {
    fn visit_type_impl_trait_mut(&mut self, opaque: &mut TypeImplTrait) {
        if parse::is_stream(&opaque.bounds) && !parse::is_send(&opaque.bounds) {
            let span = opaque.impl_token.span;
            opaque.bounds.push(parse_quote_spanned!(span=> ::core::marker::Send));
        }
    }
}

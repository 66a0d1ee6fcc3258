//! The trait as users implement it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Block, FnArg, ItemTrait, Pat, ReturnType, Signature, TraitItem, TraitItemFn, TypeImplTrait, TypeParamBound,
    parse_quote, parse_quote_spanned, visit_mut::VisitMut,
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
        let body = asynchronous(&entry.source.sig, &output, body);
        function.default = Some(parse_quote!({ #body }));
        function.sig.inputs.iter_mut().for_each(without_mut);
        function.attrs.push(parse_quote! {
            #[allow(
                clippy::diverging_sub_expression, clippy::let_and_return, clippy::let_unit_value,
                clippy::manual_async_fn, clippy::no_effect_underscore_binding, clippy::type_complexity,
                clippy::used_underscore_binding,
                unreachable_code
            )]
        });
        let sendable = entry.method.iter().flat_map(|method| generics::sendable(service, method));
        let mut sendable = sendable.peekable();
        if sendable.peek().is_some() {
            function.sig.generics.make_where_clause().predicates.extend(sendable);
        }
    }
    function
}

/// What an `async fn` of this body would do: its arguments live until it has ended, named in it or not, and what it
/// ends with becomes its return type.
fn asynchronous(sig: &Signature, output: &TokenStream, body: &Block) -> TokenStream {
    let held = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(name) => {
                let plain = &name.ident;
                Some(quote!(let #name = #plain;))
            }
            _ => None,
        },
        FnArg::Receiver(_) => None,
    });
    let ended = Ident::new("ended", Span::mixed_site());
    // The type of a stream can not be written.
    let ty = (!parse::is_opaque(&sig.output)).then(|| quote!(: #output));
    let early = ty.as_ref().map(|_| {
        quote! {
            if let ::core::option::Option::Some(#ended) = ::core::option::Option::None::<#output> {
                return #ended;
            }
        }
    });
    quote! {
        async move {
            #(#held)*
            #early
            let #ended #ty = #body;
            #ended
        }
    }
}

/// What is changed is the body's own.
fn without_mut(input: &mut FnArg) {
    if let FnArg::Typed(argument) = input {
        if let Pat::Ident(name) = &mut *argument.pat {
            name.mutability = None;
        }
    }
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

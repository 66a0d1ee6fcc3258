//! The parameters of a service that has some: those of the trait, and in the client one for each associated type.
//! Beside the trait's own, bounds stand where types travel.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    GenericParam, Generics, Path, TraitItem, Type, TypeParamBound, WherePredicate, parse_quote, punctuated::Punctuated,
};

use super::value::Typed;
use crate::{
    model::{Argument, Item, Lend, Method, Output, Service, Shape, Value},
    parse,
    scope::{self, Associated, Written},
};

/// The parameters of the trait without their bounds.
pub(super) struct Parameters {
    /// The trait with its arguments: `Store<K, V>`.
    pub(super) implemented: Path,
    /// As a type declares them.
    declared: Vec<GenericParam>,
    /// The client's for associated types.
    associated: Vec<GenericParam>,
}

impl Parameters {
    pub(super) fn of(service: &Service) -> Self {
        let source = &service.source;
        let declared: Vec<GenericParam> = source.generics.params.iter().filter_map(without_bounds).collect();
        let (name, arguments) = (&source.ident, arguments(&declared));
        let associated = service.scope.associated.iter().map(|associated| {
            let parameter = &associated.parameter;
            parse_quote!(#parameter)
        });
        Self { implemented: parse_quote!(#name #arguments), associated: associated.collect(), declared }
    }

    /// The trait with its arguments and what its associated types are for a client: `Repo<K, Item = Item>`.
    pub(super) fn with_associated(&self, service: &Service) -> Path {
        let (name, own) = (&service.source.ident, self.declared.iter().filter_map(argument));
        let of = |Associated { name, parameter }: &Associated| quote!(#name = #parameter);
        let arguments: Vec<_> = own.map(|own| quote!(#own)).chain(service.scope.associated.iter().map(of)).collect();
        if arguments.is_empty() { parse_quote!(#name) } else { parse_quote!(#name<#(#arguments),*>) }
    }

    /// The server's, behind its own, which is the implementation.
    pub(super) fn in_server(&self, own: GenericParam) -> Vec<GenericParam> {
        std::iter::once(own).chain(self.declared.iter().cloned()).collect()
    }

    /// The client's: those with a default come last.
    pub(super) fn in_client(&self) -> Vec<GenericParam> {
        let (without, with): (Vec<_>, Vec<_>) = self.declared.iter().cloned().partition(|one| !has_default(one));
        without.into_iter().chain(self.associated.iter().cloned()).chain(with).collect()
    }
}

fn has_default(parameter: &GenericParam) -> bool {
    match parameter {
        GenericParam::Type(parameter) => parameter.default.is_some(),
        GenericParam::Const(parameter) => parameter.default.is_some(),
        _ => false,
    }
}

fn without_bounds(parameter: &GenericParam) -> Option<GenericParam> {
    let mut parameter = parameter.clone();
    match &mut parameter {
        GenericParam::Type(parameter) => {
            parameter.attrs.clear();
            let maybe: Vec<_> = parameter.bounds.iter().filter(|bound| is_maybe(bound)).cloned().collect();
            parameter.colon_token = (!maybe.is_empty()).then(Default::default);
            parameter.bounds = maybe.into_iter().collect();
        }
        GenericParam::Const(parameter) => parameter.attrs.clear(),
        _ => return None,
    }
    Some(parameter)
}

/// Whether it is `?Sized`, which takes a bound away and is part of the declaration.
fn is_maybe(bound: &TypeParamBound) -> bool {
    bound.to_token_stream().to_string().starts_with('?')
}

/// `<K, V = String>`, behind the name of a type that has them.
pub(super) fn declared(parameters: &[GenericParam]) -> Option<TokenStream> {
    (!parameters.is_empty()).then(|| quote!(<#(#parameters),*>))
}

/// `<K, const N: usize>`, behind `impl`.
pub(super) fn introduced(parameters: &[GenericParam]) -> TokenStream {
    let generics = Generics { params: parameters.iter().cloned().collect(), ..Generics::default() };
    generics.split_for_impl().0.to_token_stream()
}

/// `<K, N>`, behind a name.
pub(super) fn arguments(parameters: &[GenericParam]) -> TokenStream {
    let generics = Generics { params: parameters.iter().cloned().collect(), ..Generics::default() };
    generics.split_for_impl().1.to_token_stream()
}

/// `K`, between angle brackets.
pub(super) fn argument(parameter: &GenericParam) -> Option<&Ident> {
    match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        _ => None,
    }
}

/// What a type that has no other use for its parameters holds; `None` without any.
pub(super) fn phantom(parameters: &[GenericParam]) -> Option<TokenStream> {
    let types = parameters.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        _ => None,
    });
    let phantom = quote!(::core::marker::PhantomData<fn() -> (#(::core::marker::PhantomData<#types>,)*)>);
    (!parameters.is_empty()).then_some(phantom)
}

/// A where clause in the making.
#[derive(Default)]
pub(super) struct Where {
    predicates: Punctuated<WherePredicate, syn::Token![,]>,
    seen: BTreeSet<String>,
}

impl ToTokens for Where {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        if !self.predicates.is_empty() {
            let predicates = &self.predicates;
            tokens.extend(quote!(where #predicates));
        }
    }
}

impl Where {
    /// A clause of the client's: the trait's own bounds.
    pub(super) fn of_client(service: &Service) -> Self {
        let mut clause = Self::default();
        let written = service.scope.in_client();
        for predicate in own(service).iter().map(|predicate| written.predicate(predicate)) {
            clause.add_unless_self(predicate);
        }
        for item in &service.items {
            let Item::Other(item) = item else { continue };
            let TraitItem::Type(associated) = &**item else { continue };
            let (name, bounds) = (&associated.ident, &associated.bounds);
            if !bounds.is_empty() && associated.generics.params.is_empty() {
                clause.add_unless_self(written.predicate(&parse_quote!(Self::#name: #bounds)));
            }
        }
        clause
    }

    /// A clause of the server's, whose implementation is this parameter.
    pub(super) fn of_server(service: &Service, written: &Written<'_>, own_name: &Ident, bound: &TokenStream) -> Self {
        let mut clause = Self::default();
        clause.add(parse_quote!(#own_name: #bound + ?::core::marker::Sized));
        for predicate in own(service) {
            clause.add(written.predicate(&predicate));
        }
        for parameter in service.source.generics.type_params() {
            let name = &parameter.ident;
            clause.add(parse_quote!(#name: 'static));
        }
        for method in service.methods() {
            for predicate in &method.predicates {
                // Those of a method's lifetimes are nobody else's affair.
                if !matches!(predicate, WherePredicate::Lifetime(_)) {
                    clause.add(written.predicate(predicate));
                }
            }
            clause.serve(service, written, method);
        }
        clause
    }

    /// What a client's method asks of the types that it sends and receives.
    pub(super) fn of_call(service: &Service, written: &Written<'_>, method: &Method) -> Self {
        let mut clause = Self::default();
        let runtime = &service.runtime;
        for predicate in &method.predicates {
            clause.add_unless_self(written.predicate(predicate));
        }
        let (sent, received) = (quote!(#runtime::__private::Sent), quote!(#runtime::__private::Received));
        for argument in method.arguments().filter(|argument| !argument.bulk) {
            clause.each(service, written, &argument.written, &sent);
        }
        if let Some(streaming) = method.streaming() {
            clause.each(service, written, &streaming.item, &quote!(#sent + 'static));
        }
        let lasting = matches!(method.output, Output::Stream(_)).then(|| quote!(+ 'static));
        for value in method.values() {
            clause.value(service, written, value, &quote!(#received #lasting));
        }
        clause
    }

    /// What the server's row of a method asks.
    fn serve(&mut self, service: &Service, written: &Written<'_>, method: &Method) {
        let runtime = &service.runtime;
        let (received, sent) = (quote!(#runtime::__private::Received), quote!(#runtime::__private::Sent));
        for argument in method.arguments() {
            let sync = sync(argument);
            let bound = quote!(#received + ::core::marker::Send #sync + 'static);
            self.each(service, written, &argument.owned, &bound);
        }
        if let Some(streaming) = method.streaming() {
            self.each(service, written, &streaming.item, &quote!(#received + 'static));
        }
        for value in method.values() {
            self.value(service, written, value, &sent);
        }
    }

    /// Bounds of the parts of a value, where they depend on parameters.
    fn value(&mut self, service: &Service, written: &Written<'_>, value: &Value, bound: &TokenStream) {
        if !service.scope.is_in(&value.ty) {
            return;
        }
        match &value.shape {
            Shape::Bulk => {}
            Shape::Plain => self.each(service, written, &value.ty, bound),
            Shape::Outcome(outcome) => {
                self.each(service, written, &outcome.ok, bound);
                self.each(service, written, &outcome.error, bound);
            }
            Shape::Alias { .. } => {
                let typed = Typed::new(&service.runtime, &service.scope, written, value);
                let (runtime, ok, error) = (&service.runtime, typed.ok(), typed.own_error());
                self.add(parse_quote!(#ok: #bound));
                // Whether it is `Status` is asked by a trait, which asks for this.
                self.add(parse_quote!(#error: #bound + #runtime::__private::Sent));
            }
        }
    }

    /// A bound of each type in this one that travels and depends on parameters.
    fn each(&mut self, service: &Service, written: &Written<'_>, ty: &Type, bound: &TokenStream) {
        for ty in parse::traveling(ty).into_iter().filter(|ty| service.scope.is_in(ty)) {
            let ty = written.ty(ty);
            self.add(parse_quote!(#ty: #bound));
        }
    }

    fn add(&mut self, predicate: WherePredicate) {
        if self.seen.insert(predicate.to_token_stream().to_string()) {
            self.predicates.push(predicate);
        }
    }

    fn add_unless_self(&mut self, predicate: WherePredicate) {
        if !scope::names_self(&predicate) {
            self.add(predicate);
        }
    }
}

/// Bounds that a default body needs so that its future can be sent, which holds the arguments.
pub(super) fn sendable(service: &Service, method: &Method) -> Vec<WherePredicate> {
    let mut predicates = Vec::new();
    for argument in method.arguments() {
        let sync = sync(argument);
        for ty in parse::traveling(&argument.written).into_iter().filter(|ty| service.scope.is_in(ty)) {
            predicates.push(parse_quote!(#ty: ::core::marker::Send #sync));
        }
    }
    predicates
}

/// What is lent is shared between the future and whoever polls it.
fn sync(argument: &Argument) -> Option<TokenStream> {
    (argument.lend != Lend::Move).then(|| quote!(+ ::core::marker::Sync))
}

/// The trait's own bounds, as predicates.
fn own(service: &Service) -> Vec<WherePredicate> {
    let generics = &service.source.generics;
    let inline = generics.type_params().filter_map(|parameter| {
        let (name, bounds) = (&parameter.ident, parameter.bounds.iter().filter(|bound| !is_maybe(bound)));
        let bounds: Vec<_> = bounds.collect();
        (!bounds.is_empty()).then(|| parse_quote!(#name: #(#bounds)+*))
    });
    let clause = generics.where_clause.iter().flat_map(|clause| clause.predicates.iter().cloned());
    inline.chain(clause).collect()
}

/// A name for the implementation: this one, or another if a parameter of the trait has it.
pub(super) fn implementation(service: &Service, name: &str) -> Ident {
    let taken = service.source.generics.params.iter().filter_map(argument).any(|parameter| parameter == name);
    Ident::new(if taken { "__Implementation" } else { name }, Span::call_site())
}

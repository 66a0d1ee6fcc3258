//! One assertion for each type that travels: the one place where a missing derive is reported.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Type};

use super::{
    at, beside_trait,
    value::{Typed, is_result},
};
use crate::{
    model::{Method, Output, Service, Shape, Value},
    parse,
    scope::Written,
    text,
};

/// A function that is never called, and constants that know a `Result` under another name. Types with parameters are
/// left to the bounds of those who use them.
pub(super) fn expand(service: &Service) -> TokenStream {
    let written = service.scope.in_client();
    let mut assertions = Assertions {
        service,
        written,
        seen: BTreeSet::new(),
        composed: Vec::new(),
        named: BTreeSet::new(),
        all: Vec::new(),
    };
    service.methods().for_each(|method| assertions.of_values(method));
    service.methods().for_each(|method| assertions.of_errors(method));
    for (ty, cfg) in std::mem::take(&mut assertions.composed) {
        assertions.whole(&ty, &cfg);
    }
    let (attributes, all) = (beside_trait(service), &assertions.all);
    let aliases = service.methods().filter_map(|method| check_alias(service, method));
    let travel = (!all.is_empty()).then(|| {
        quote! {
            #attributes
            const _: fn() = || {
                #(#all)*
            };
        }
    });
    quote!(#travel #(#aliases)*)
}

struct Assertions<'a> {
    service: &'a Service,
    written: Written<'a>,
    /// The types that are asserted.
    seen: BTreeSet<String>,
    /// Types with parts, to be asserted when it is known which types stand alone.
    composed: Vec<(Type, Vec<Attribute>)>,
    /// Parts that are named for the sake of those.
    named: BTreeSet<String>,
    all: Vec<TokenStream>,
}

impl Assertions<'_> {
    fn of_values(&mut self, method: &Method) {
        for argument in method.arguments() {
            if argument.bulk {
                self.bulk(&argument.owned, &method.cfg);
            } else if argument.borrows {
                self.lent(&argument.owned, &method.cfg);
            } else {
                self.each(&argument.owned, &method.cfg);
            }
        }
        match method.streaming() {
            Some(streaming) if streaming.bulk => self.bulk(&streaming.item, &method.cfg),
            Some(streaming) => self.each(&streaming.item, &method.cfg),
            None => {}
        }
        for value in method.values() {
            match &value.shape {
                Shape::Plain => self.each(&value.ty, &method.cfg),
                Shape::Bulk => self.bulk(&value.ty, &method.cfg),
                Shape::Outcome(outcome) if outcome.bulk => self.bulk(&outcome.ok, &method.cfg),
                Shape::Outcome(outcome) => self.each(&outcome.ok, &method.cfg),
                Shape::Alias { bulk: false, .. } if !self.service.scope.is_in(&value.ty) => {
                    let ok = self.typed(value).ok();
                    self.add(&value.ty, &ok, &self.probe(&ok), &method.cfg);
                }
                Shape::Alias { .. } => {}
            }
        }
    }

    /// An error may also be `Status`, which travels in its own way.
    fn of_errors(&mut self, method: &Method) {
        for value in method.values() {
            let error = match &value.shape {
                Shape::Outcome(outcome) => &outcome.error,
                Shape::Alias { .. } => &value.ty,
                Shape::Plain | Shape::Bulk => continue,
            };
            if !self.service.scope.is_in(error) {
                let own = self.typed(value).own_error();
                let probe = self.probe(&own);
                self.add(error, &own, &quote!(#probe.error()), &method.cfg);
            }
        }
    }

    fn each(&mut self, ty: &Type, cfg: &[Attribute]) {
        let ty = parse::traveling(ty);
        if self.service.scope.is_in(ty) || parse::travels_anyway(ty) {
            return;
        }
        match parse::leaves(ty)[..] {
            [leaf] if std::ptr::eq(leaf, parse::bare(ty)) => self.add(ty, &quote!(#ty), &self.probe(&quote!(#ty)), cfg),
            _ => self.composed.push((ty.clone(), cfg.to_vec())),
        }
    }

    /// A type that travels in bulk, which it is taken for by a name that others can have.
    fn bulk(&mut self, ty: &Type, cfg: &[Attribute]) {
        for ty in parse::leaves(ty) {
            let probe = self.probe(&quote!(#ty));
            self.assert(ty, &quote!(#ty), &probe, "is_bulk", cfg);
        }
    }

    /// A type that borrows.
    fn lent(&mut self, ty: &Type, cfg: &[Attribute]) {
        for ty in parse::leaves(ty) {
            if !self.service.scope.is_in(ty) {
                let probe = self.probe(&quote!(#ty));
                self.assert(ty, &quote!(#ty), &probe, "is_lent", cfg);
            }
        }
    }

    /// A type, of whose parts the one is named in its place that keeps it from traveling.
    fn whole(&mut self, ty: &Type, cfg: &[Attribute]) {
        let mut asserted = self.probe(&quote!(#ty));
        for leaf in parse::leaves(ty) {
            let (whole, part) = (self.probe(&quote!(#ty)), self.probe(&quote!(#leaf)));
            // Not `add`: elsewhere it may stand alone, and has to travel whatever it is a part of here.
            if !self.seen.contains(&key(&quote!(#leaf), cfg)) && self.named.insert(key(&quote!(#leaf), cfg)) {
                self.push(leaf, &quote!(#whole.part(&#part)), "travels", cfg);
            }
            asserted = quote!(#part.whole(&#asserted));
        }
        self.add(ty, &quote!(#ty), &asserted, cfg);
    }

    fn add(&mut self, place: &Type, ty: &TokenStream, asserted: &TokenStream, cfg: &[Attribute]) {
        self.assert(place, ty, asserted, "travels", cfg);
    }

    /// One for each type under each condition, at the first place where it stands.
    fn assert(&mut self, place: &Type, ty: &TokenStream, asserted: &TokenStream, assertion: &str, cfg: &[Attribute]) {
        if self.seen.insert(key(ty, cfg)) {
            self.push(place, asserted, assertion, cfg);
        }
    }

    fn push(&mut self, place: &Type, asserted: &TokenStream, assertion: &str, cfg: &[Attribute]) {
        let assertion = Ident::new(assertion, at(place));
        // The message is about what is spanned from the receiver on.
        self.all.push(quote_spanned! {at(place)=>
            #(#cfg)*
            {
                let asserted = #asserted;
                asserted.#assertion();
            }
        });
    }

    fn probe(&self, ty: &TokenStream) -> TokenStream {
        let runtime = &self.service.runtime;
        quote!(#runtime::__private::Probe::<#ty>::NEW)
    }

    fn typed<'a>(&'a self, value: &'a Value) -> Typed<'a> {
        Typed::new(&self.service.runtime, &self.service.scope, &self.written, value)
    }
}

fn key(ty: &TokenStream, cfg: &[Attribute]) -> String {
    quote!(#(#cfg)* #ty).to_string()
}

/// A `Result` that is not named so would be taken for a plain value, and its error for a part of it.
fn check_alias(service: &Service, method: &Method) -> Option<TokenStream> {
    let value = match &method.output {
        Output::Unit => return None,
        Output::Value(value) => value,
        Output::Stream(stream) => &stream.item,
    };
    let Value { ty: ty @ Type::Path(_), shape: Shape::Plain } = value else { return None };
    if parse::travels_anyway(ty) || service.scope.is_in(ty) {
        return None;
    }
    let (attributes, cfg) = (beside_trait(service), &method.cfg);
    let is_result = is_result(&service.runtime, ty);
    let text = format!(
        "`{}` is a `Result`: give the alias a name with `Result` in it, so that its error is the method's",
        text::of_type(ty)
    );
    Some(quote_spanned! {at(ty)=>
        #attributes
        #(#cfg)*
        const _: () = if #is_result { ::core::panic!("{}", #text) };
    })
}

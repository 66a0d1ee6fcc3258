//! The attributes of a trait and its methods: what is carried over to generated code, and what is not.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ItemTrait, Meta, MetaList, Token, parse::Parser, parse_quote, punctuated::Punctuated};

use crate::{errors::Errors, model::Style};

/// Whether `#[async_trait]` stands below `#[rpc_service]`.
pub(super) fn style(source: &ItemTrait) -> Style {
    if async_trait(source).is_some() { Style::AsyncTrait } else { Style::Native }
}

/// The `?Send` of `#[async_trait(?Send)]`.
pub(super) fn not_send(source: &ItemTrait) -> Option<&TokenStream> {
    match &async_trait(source)?.meta {
        Meta::List(list) if !list.tokens.is_empty() => Some(&list.tokens),
        _ => None,
    }
}

fn async_trait(source: &ItemTrait) -> Option<&Attribute> {
    let is_last = |attribute: &Attribute| attribute.path().segments.last().is_some_and(|it| it.ident == "async_trait");
    source.attrs.iter().find(|attribute| is_last(attribute))
}

/// Takes away options of ours under a `#[cfg_attr]`, which can not be known here.
pub(super) fn refuse_conditional_options(attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    attributes.retain(|attribute| {
        let ours = only_in(&["rpc"], &attribute.meta).is_some();
        if ours {
            errors.at(attribute.path(), "an option of #[rpc] can not depend on cfg: put the cfg on the method");
        }
        !ours
    });
}

/// What generated code has in common with the item it is made from: docs, cfg, deprecated.
pub(super) fn carried(attributes: &[Attribute]) -> Vec<Attribute> {
    only(&["doc", "cfg", "deprecated"], attributes)
}

/// The `#[cfg]`s among the attributes.
pub(crate) fn cfg(attributes: &[Attribute]) -> Vec<Attribute> {
    only(&["cfg"], attributes)
}

/// The attributes of these names, also those under a `#[cfg_attr]`.
fn only(names: &[&str], attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter_map(|one| only_in(names, &one.meta)).map(|meta| parse_quote!(#[#meta])).collect()
}

fn only_in(names: &[&str], meta: &Meta) -> Option<Meta> {
    if names.iter().any(|name| meta.path().is_ident(name)) {
        return Some(meta.clone());
    }
    let Meta::List(list) = meta else { return None };
    let (condition, inner) = conditional(list)?;
    let inner: Vec<Meta> = inner.iter().filter_map(|meta| only_in(names, meta)).collect();
    (!inner.is_empty()).then(|| parse_quote!(cfg_attr(#condition, #(#inner),*)))
}

/// The values of the `#[doc = ..]` attributes.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<Expr> {
    let docs = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(doc.value.clone()),
        _ => None,
    });
    docs.collect()
}

/// The condition and the attributes of a `cfg_attr(condition, ..)`.
fn conditional(list: &MetaList) -> Option<(Meta, Vec<Meta>)> {
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let metas = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()).ok()?;
    let mut metas = metas.into_iter();
    Some((metas.next()?, metas.collect()))
}

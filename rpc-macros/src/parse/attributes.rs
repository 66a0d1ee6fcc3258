//! The attributes of a trait and its methods: what is carried over to generated code, and what is not.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ItemTrait, Meta, Token, punctuated::Punctuated};

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
        let ours = conditional(attribute).iter().any(|meta| meta.path().is_ident("rpc"));
        if ours {
            errors.at(attribute.path(), "an option of #[rpc] can not depend on cfg: put the cfg on the method");
        }
        !ours
    });
}

/// What generated code has in common with the item it is made from: docs, cfg, deprecated.
pub(super) fn carried(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_carried_if = |attribute: &Attribute| {
        let inner = conditional(attribute);
        !inner.is_empty() && inner.iter().all(is_carried)
    };
    attributes.iter().filter(|one| is_carried(&one.meta) || is_carried_if(one)).cloned().collect()
}

/// The `#[cfg]`s among the attributes.
pub(crate) fn cfg(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// The values of the `#[doc = ..]` attributes.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<Expr> {
    let docs = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(doc.value.clone()),
        _ => None,
    });
    docs.collect()
}

fn is_carried(meta: &Meta) -> bool {
    ["doc", "cfg", "deprecated"].iter().any(|name| meta.path().is_ident(name))
}

/// The attributes in a `#[cfg_attr(condition, ..)]`.
fn conditional(attribute: &Attribute) -> Vec<Meta> {
    if !attribute.path().is_ident("cfg_attr") {
        return Vec::new();
    }
    let metas = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    metas.map(|metas| metas.into_iter().skip(1).collect()).unwrap_or_default()
}

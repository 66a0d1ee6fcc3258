//! The attributes of a trait and its methods: what is carried over to generated code, and what is not.

use syn::{Attribute, Expr, ItemTrait, Meta, Token, punctuated::Punctuated};

use crate::{errors::Errors, model::Style};

/// Whether `#[async_trait]` stands below `#[rpc_service]`.
pub(super) fn style(source: &ItemTrait, errors: &mut Errors) -> Style {
    let is_async_trait =
        |attribute: &&Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "async_trait");
    let Some(attribute) = source.attrs.iter().find(is_async_trait) else { return Style::Native };
    match &attribute.meta {
        Meta::List(list) if list.tokens.to_string().replace(' ', "") == "?Send" => {
            errors.at(&list.tokens, "the futures of a service have to be Send");
        }
        _ => {}
    }
    Style::AsyncTrait
}

/// What generated code has in common with the item it is made from: docs, cfg, deprecated.
pub(super) fn carried(attributes: &[Attribute], errors: &mut Errors) -> Vec<Attribute> {
    let mut carried = Vec::new();
    for attribute in attributes {
        if is_carried(&attribute.meta) {
            carried.push(attribute.clone());
        } else if attribute.path().is_ident("cfg_attr") {
            let inner = conditional(attribute);
            if inner.iter().any(|meta| meta.path().is_ident("rpc")) {
                errors.at(attribute.path(), "an option of #[rpc] can not depend on cfg: put the cfg on the method");
            } else if inner.iter().all(is_carried) {
                carried.push(attribute.clone());
            }
        }
    }
    carried
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
    let metas = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    metas.map(|metas| metas.into_iter().skip(1).collect()).unwrap_or_default()
}

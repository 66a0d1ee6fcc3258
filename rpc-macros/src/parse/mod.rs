//! From the trait's syntax to the model. Every mistake is collected; what is sound goes on.

mod argument;
mod attributes;
mod method;
mod streams;
mod types;

use std::collections::BTreeMap;

pub(crate) use attributes::{cfg, docs};
pub(crate) use method::is_reserved;
pub(crate) use streams::{is_send, is_stream};
pub(crate) use types::{parts, traveling};

use method::Surroundings;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{ItemTrait, TraitItem, ext::IdentExt};

use crate::{
    errors::Errors,
    model::{Entry, Item, Service},
    options::ServiceOptions,
    scope::{Scope, is_named_in},
};

/// Reads the trait, or reports that it is none.
pub(crate) fn service(options: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Service> {
    let options = ServiceOptions::parse(options, errors);
    let mut source = trait_of(item, errors)?;
    let style = attributes::style(&source);
    let can_be_bound = check_generics(&source, errors);
    let readable = check_async_trait(&source, errors) && can_be_bound;
    let scope = scope(&source);
    let surroundings = Surroundings { style, rename: options.rename_all, scope: &scope };
    let items = std::mem::take(&mut source.items);
    let mut items: Vec<Item> =
        items.into_iter().map(|item| read_item(item, readable.then_some(surroundings), errors)).collect();
    check_names(&mut items, errors);
    Some(Service {
        wire_name: options.name.unwrap_or_else(|| source.ident.unraw().to_string()),
        runtime: options.runtime.unwrap_or_else(|| syn::parse_quote!(::rpc_runtime)),
        source,
        items,
        style,
        scope,
        can_be_bound,
    })
}

fn scope(source: &ItemTrait) -> Scope {
    let associated = source.items.iter().filter_map(|item| match item {
        TraitItem::Type(associated) if associated.generics.params.is_empty() => Some(associated.ident.clone()),
        _ => None,
    });
    let is_named = |name: &Ident| is_named_in(source, name);
    Scope::new(&source.generics.params, associated.collect(), is_named)
}

fn trait_of(item: TokenStream, errors: &mut Errors) -> Option<ItemTrait> {
    let keyword = match syn::parse2::<syn::Item>(item) {
        Ok(syn::Item::Trait(item)) => return Some(item),
        Ok(syn::Item::Impl(item)) => {
            errors.at(item.impl_token, "#[rpc_service] goes on the trait; an implementation needs no attribute");
            return None;
        }
        Ok(syn::Item::Struct(item)) => item.struct_token.to_token_stream(),
        Ok(syn::Item::Enum(item)) => item.enum_token.to_token_stream(),
        Ok(syn::Item::Fn(item)) => item.sig.fn_token.to_token_stream(),
        Ok(syn::Item::Mod(item)) => item.mod_token.to_token_stream(),
        Ok(other) => other.to_token_stream(),
        Err(error) => {
            errors.add(error);
            return None;
        }
    };
    errors.at(keyword, "#[rpc_service] goes on a trait");
    None
}

/// Whether `#[async_trait]`, if it is there, stands where it should and makes futures that can be sent.
fn check_async_trait(source: &ItemTrait, errors: &mut Errors) -> bool {
    let before = errors.count();
    if source.items.iter().any(method::is_expanded_async_trait) {
        errors.at(&source.ident, "put #[async_trait] below #[rpc_service]");
    }
    if let Some(option) = attributes::not_send(source) {
        errors.at(option, "the futures of a service have to be Send");
    }
    errors.count() == before
}

/// Whether the trait has no lifetimes.
fn check_generics(source: &ItemTrait, errors: &mut Errors) -> bool {
    let before = errors.count();
    for parameter in source.generics.lifetimes() {
        errors.at(parameter, "a service can not have lifetimes: it lives as long as its server");
    }
    errors.count() == before
}

/// Without `surroundings`, nothing can be said of the methods.
fn read_item(item: TraitItem, surroundings: Option<Surroundings<'_>>, errors: &mut Errors) -> Item {
    match &item {
        TraitItem::Fn(function) => {
            let mut source = function.clone();
            let method = surroundings.and_then(|surroundings| method::read(&mut source, surroundings, errors));
            return Item::Method(Box::new(Entry { source, method }));
        }
        TraitItem::Type(associated) if !associated.generics.params.is_empty() => {
            let text = "an associated type of a service has no parameters: both ends have to know the type";
            errors.at(&associated.generics.params, text);
        }
        TraitItem::Macro(call) => {
            errors.at(&call.mac.path, "the methods that a macro makes are not seen by #[rpc_service]");
        }
        _ => {}
    }
    Item::Other(Box::new(item))
}

/// Methods that would get in each other's way, on the wire or in the client.
fn check_names(items: &mut [Item], errors: &mut Errors) {
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    let mut wire: BTreeMap<String, (String, bool)> = BTreeMap::new();
    let mut client: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for item in items {
        let Item::Method(entry) = item else { continue };
        let Some(method) = &entry.method else { continue };
        let name = method.name.to_string();
        // Of two that depend on cfg, one may be there when the other is not.
        let conditional = !method.cfg.is_empty();
        if names.insert(name.clone(), conditional).is_some_and(|other| !(other && conditional)) {
            // The compiler reports two functions of one name itself.
            entry.method = None;
            continue;
        }
        let taken = |by: Option<(String, bool)>| by.filter(|(_, other)| !(*other && conditional)).map(|(by, _)| by);
        if let Some(other) = taken(wire.insert(method.wire_name.value(), (name.clone(), conditional))) {
            let text = format!(
                "`{other}` has the name `{}` on the wire already: give one of them another with #[rpc(name = \"..\")]",
                method.wire_name.value()
            );
            errors.at(&method.wire_name, text);
        }
        if let Some(other) = taken(client.insert(method.client_name.to_string(), (name, conditional))) {
            let text = format!(
                "`{other}` has the name `{}` in the client already: give one of them another with \
                 #[rpc(client = \"..\")]",
                method.client_name
            );
            errors.at(&method.client_name, text);
            entry.method = None;
        }
    }
}

#[cfg(test)]
mod tests;

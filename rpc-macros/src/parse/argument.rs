//! One argument: what travels for it, and how the handler gets it.

use syn::{
    GenericArgument, Pat, PatType, Path, PathArguments, Type, TypePath, TypeReference, ext::IdentExt, parse_quote,
};

use super::types;
use crate::{
    errors::Errors,
    model::{Argument, Lend},
};

/// Reads an argument, or reports why it can not travel.
pub(super) fn read(source: &mut PatType, errors: &mut Errors) -> Option<Argument> {
    let before = errors.count();
    for attribute in &source.attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let text = "an argument can not depend on cfg: it would change the message; put it on the method";
            errors.at(attribute, text);
        } else if attribute.path().is_ident("rpc") {
            errors.at(attribute, "an argument has no options");
        }
    }
    source.attrs.retain(|attribute| !attribute.path().is_ident("rpc"));
    let name = match &*source.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => Some(pattern.ident.clone()),
        pattern => {
            let text = "an argument of a service is a name, which it has on the wire, and no pattern: \
                        take it apart in the body";
            errors.at(pattern, text);
            None
        }
    };
    types::check_argument(&source.ty, errors);
    if errors.count() > before {
        return None;
    }
    let (owned, lend) = shape(&source.ty);
    let bulk = types::is_bytes(&owned);
    Some(Argument { name: name?, written: Type::clone(&source.ty), owned, lend, bulk })
}

/// What is decoded for a type, and how it is lent.
fn shape(ty: &Type) -> (Type, Lend) {
    let ty = types::bare(ty);
    if let Type::Reference(reference) = ty {
        return (owned_of(reference).0, Lend::Borrow);
    }
    if let Some((path, reference)) = optional_reference(ty) {
        let (owned, unsized_before) = owned_of(reference);
        let lend = if unsized_before { Lend::AsDeref } else { Lend::AsRef };
        return (parse_quote!(#path<#owned>), lend);
    }
    (types::without_lifetimes(ty), Lend::Move)
}

/// The owned form of what is lent, and whether that is another type, which derefs to it.
fn owned_of(reference: &TypeReference) -> (Type, bool) {
    let lent = types::without_lifetimes(types::bare(&reference.elem));
    match &lent {
        Type::Slice(slice) => {
            let element = &slice.elem;
            (parse_quote!(::std::vec::Vec<#element>), true)
        }
        Type::Path(path) if path.path.is_ident("str") => (parse_quote!(::std::string::String), true),
        _ if ["Path", "OsStr", "CStr"].iter().any(|name| types::is_named(&lent, name)) => {
            (parse_quote!(<#lent as ::std::borrow::ToOwned>::Owned), true)
        }
        _ => (lent, false),
    }
}

/// `Option<&T>`: the path up to its arguments, and the reference.
fn optional_reference(ty: &Type) -> Option<(Path, &TypeReference)> {
    let Type::Path(TypePath { qself: None, path, .. }) = ty else { return None };
    let last = path.segments.last().filter(|last| last.ident.unraw() == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let (Some(GenericArgument::Type(inner)), 1) = (arguments.args.first(), arguments.args.len()) else { return None };
    let Type::Reference(reference) = types::bare(inner) else { return None };
    let mut path = path.clone();
    path.segments.last_mut()?.arguments = PathArguments::None;
    Some((path, reference))
}

/// The references in an argument's type that are lent and need not be decoded themselves.
pub(super) fn lent(ty: &Type) -> Option<&TypeReference> {
    match types::bare(ty) {
        Type::Reference(reference) => Some(reference),
        ty => optional_reference(ty).map(|(_, reference)| reference),
    }
}

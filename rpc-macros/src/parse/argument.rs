//! One argument: what travels for it, and how the handler gets it.

use syn::{
    GenericArgument, Pat, PatType, Path, PathArguments, Type, TypePath, TypeReference, ext::IdentExt, parse_quote,
};

use super::{
    streams::{Form, Written},
    types,
};
use crate::{
    errors::Errors,
    model::{Argument, Lend, Parameter, Streaming},
    scope::Scope,
};

/// Reads an argument, or reports why it can not travel.
pub(super) fn read(source: &mut PatType, scope: &Scope, errors: &mut Errors) -> Option<Parameter> {
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
    let stream = Written::within(&source.ty);
    let item = match &stream {
        Some(stream) => item(&source.ty, stream, scope, errors),
        None => {
            types::check_argument(&source.ty, scope, errors);
            None
        }
    };
    if errors.count() > before {
        return None;
    }
    let name = name?;
    if stream.is_some() {
        // Without an item the compiler has reported it.
        let item = item?.clone();
        let bulk = types::is_bytes(&item);
        return Some(Parameter::Streaming(Box::new(Streaming { name, item, bulk })));
    }
    let (owned, lend) = shape(&source.ty);
    let bulk = types::is_bytes(&owned);
    let borrows = types::borrows(&owned);
    let argument = Argument { name, written: Type::clone(&source.ty), owned, lend, bulk, borrows };
    Some(Parameter::Argument(Box::new(argument)))
}

/// The items of an argument that is a stream, or has one in it, which is reported.
fn item<'a>(ty: &'a Type, stream: &Written<'a>, scope: &Scope, errors: &mut Errors) -> Option<&'a Type> {
    let item = stream.item_text();
    if stream.form != Form::Streaming {
        errors.at(stream.ty, format!("an argument that is a stream is written `Streaming<{item}>`"));
    } else if matches!(types::bare(ty), Type::Reference(_)) {
        errors.at(ty, format!("a stream is not lent: take `Streaming<{item}>`"));
    } else if Written::of(ty).is_none() {
        errors.at(stream.ty, format!("a stream is an argument of its own: `name: Streaming<{item}>`"));
    } else {
        types::check_item(stream.item?, scope, errors);
        return stream.item;
    }
    None
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
    if types::is_byte_cow(ty) {
        return (parse_quote!(::std::vec::Vec<u8>), Lend::Cow);
    }
    (decoded(ty), Lend::Move)
}

/// A type that may have lifetimes as that of a decoded value.
fn decoded(ty: &Type) -> Type {
    if types::borrows(ty) { types::with_elided_lifetimes(ty) } else { types::without_lifetimes(ty) }
}

/// The owned form of what is lent, and whether that is another type, which derefs to it.
fn owned_of(reference: &TypeReference) -> (Type, bool) {
    let lent = decoded(types::bare(&reference.elem));
    match &lent {
        Type::Slice(slice) => {
            let element = &slice.elem;
            (parse_quote!(::std::vec::Vec<#element>), true)
        }
        Type::Path(_) if types::is_named(&lent, "str") => (parse_quote!(::std::string::String), true),
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

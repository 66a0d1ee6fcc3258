//! Questions about types. A macro sees names only: `Result`, `Option`, `Bytes` are known by their last segment.

use proc_macro2::Ident;
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeImplTrait, TypeParamBound, TypeReference,
    ext::IdentExt,
    visit::{self, Visit},
    visit_mut::VisitMut,
};

use super::argument;
use crate::errors::Errors;

/// The type without parentheses and without the invisible groups that `macro_rules!` leaves.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// The last name of the type, if it is a path.
pub(super) fn name(ty: &Type) -> Option<Ident> {
    let Type::Path(path) = bare(ty) else { return None };
    path.path.segments.last().map(|last| last.ident.unraw())
}

/// Whether the type is a path that ends with this name.
pub(super) fn is_named(ty: &Type, wanted: &str) -> bool {
    name(ty).is_some_and(|name| name == wanted)
}

/// `Vec<u8>` or `Bytes`.
pub(super) fn is_bytes(ty: &Type) -> bool {
    if is_named(ty, "Bytes") {
        return true;
    }
    let Type::Path(path) = bare(ty) else { return false };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Vec") else { return false };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
    matches!(
        (arguments.args.first(), arguments.args.len()),
        (Some(GenericArgument::Type(Type::Path(element))), 1) if element.path.is_ident("u8")
    )
}

/// Whether the first argument of this `Result` is bytes.
pub(super) fn is_result_of_bytes(ty: &Type) -> bool {
    let Type::Path(path) = bare(ty) else { return false };
    let Some(PathArguments::AngleBracketed(arguments)) = path.path.segments.last().map(|last| &last.arguments) else {
        return false;
    };
    matches!(arguments.args.first(), Some(GenericArgument::Type(value)) if is_bytes(value))
}

/// The `impl Stream` that a method returns, also within a `Result`.
pub(super) fn returned_stream(ty: &Type) -> Option<&TypeImplTrait> {
    let is_stream = |bound: &TypeParamBound| {
        matches!(bound, TypeParamBound::Trait(bound)
            if bound.path.segments.last().is_some_and(|last| last.ident == "Stream"))
    };
    Findings::of(ty).impls.into_iter().find(|found| found.bounds.iter().any(is_stream))
}

/// The type with every lifetime made `'static`, as that of a decoded value is.
pub(super) fn without_lifetimes(ty: &Type) -> Type {
    struct Static;
    impl VisitMut for Static {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            lifetime.ident = Ident::new("static", lifetime.ident.span());
        }
    }
    let mut ty = ty.clone();
    Static.visit_type_mut(&mut ty);
    ty
}

/// Reports what keeps an argument's type from being decoded on a server; one mistake for each argument.
pub(super) fn check_argument(ty: &Type, errors: &mut Errors) {
    let findings = Findings::of(ty);
    let lent = argument::lent(ty);
    if let Some(found) = findings.impls.first() {
        errors.at(found, "an argument can not be `impl Trait`: both ends have to know its type; name it");
    } else if let Some(found) = findings.selves.first() {
        errors.at(found, "an argument can not name `Self`: a client does not know the implementation");
    } else if let Some(mutability) = findings.references.iter().find_map(|found| found.mutability) {
        let text = "an argument can not be `&mut`: what the handler changes does not come back; return it";
        errors.at(mutability, text);
    } else if let Some(found) =
        findings.references.iter().find(|found| lent.is_none_or(|lent| !std::ptr::eq(**found, lent)))
    {
        errors.at(found, "a reference inside of a type can not be lent: take the owned type, such as `String`");
    } else if let Some(reference) = lent {
        if let Some(lifetime) = reference.lifetime.as_ref().filter(|lifetime| lifetime.ident == "static") {
            errors.at(lifetime, "an argument is lent for the time of the call and can not be `'static`");
        } else if let Type::TraitObject(object) = bare(&reference.elem) {
            errors.at(object, "a trait object can not be sent: both ends have to know the type; name it");
        }
    }
}

/// Reports what keeps a return type from being decoded by a client; one mistake for each method.
pub(super) fn check_output(ty: &Type, errors: &mut Errors) {
    const BORROWED: &str = "a returned reference can not be sent: return the owned type, such as `String`";
    let findings = Findings::of(ty);
    if let Some(found) = findings.impls.first() {
        errors.at(found, "a method can not return `impl Trait`: both ends have to know its type; name it");
    } else if let Some(found) = findings.selves.first() {
        errors.at(found, "a method can not return `Self`: a client does not know the implementation");
    } else if let Some(found) = findings.references.first() {
        errors.at(found, BORROWED);
    } else if let Some(found) = findings.lifetimes.iter().find(|found| found.ident != "static") {
        errors.at(found, BORROWED);
    }
}

/// What a type has in it, in the order of the tokens.
#[derive(Default)]
struct Findings<'a> {
    references: Vec<&'a TypeReference>,
    impls: Vec<&'a TypeImplTrait>,
    selves: Vec<&'a Ident>,
    lifetimes: Vec<&'a Lifetime>,
}

impl<'a> Findings<'a> {
    fn of(ty: &'a Type) -> Self {
        let mut findings = Self::default();
        findings.visit_type(ty);
        findings
    }
}

impl<'a> Visit<'a> for Findings<'a> {
    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        self.references.push(reference);
        visit::visit_type_reference(self, reference);
    }

    fn visit_type_impl_trait(&mut self, found: &'a TypeImplTrait) {
        self.impls.push(found);
        visit::visit_type_impl_trait(self, found);
    }

    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        self.lifetimes.push(lifetime);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if let Some(first) = path.segments.first().filter(|first| first.ident == "Self") {
            self.selves.push(&first.ident);
        }
        visit::visit_path(self, path);
    }
}

//! Questions about types. A macro sees names only: `Result`, `Option`, `Bytes` are known by their last segment.

use proc_macro2::Ident;
use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeImplTrait, TypeReference,
    ext::IdentExt,
    parse_quote,
    visit::{self, Visit},
    visit_mut::VisitMut,
};

use super::{argument, streams::Written};
use crate::{
    errors::Errors,
    model::{BulkOutcome, Shape, Value},
};

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

/// The type with `()` in the place of this argument of it, which is found by its address.
pub(super) fn emptied(ty: &Type, argument: &Type) -> Option<Type> {
    let Type::Path(path) = bare(ty) else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    let is_it = |other: &GenericArgument| matches!(other, GenericArgument::Type(ty) if std::ptr::eq(ty, argument));
    let index = arguments.args.iter().position(is_it)?;
    let mut path = path.clone();
    let PathArguments::AngleBracketed(arguments) = &mut path.path.segments.last_mut()?.arguments else { return None };
    arguments.args[index] = GenericArgument::Type(parse_quote!(()));
    Some(Type::Path(path))
}

/// What a type is when it is returned.
pub(super) fn value(ty: &Type) -> Value {
    let shape = if is_named(ty, "Result") {
        bulk_outcome(ty).unwrap_or(Shape::Outcome)
    } else if is_bytes(ty) {
        Shape::Bulk
    } else if name(ty).is_some_and(|name| name.to_string().contains("Result")) {
        Shape::Unclear
    } else {
        Shape::Plain
    };
    Value { ty: ty.clone(), shape }
}

/// If the first argument of this `Result` is bytes.
fn bulk_outcome(ty: &Type) -> Option<Shape> {
    let Type::Path(path) = bare(ty) else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    let Some(GenericArgument::Type(bytes)) = arguments.args.first() else { return None };
    let empty = emptied(ty, bytes)?;
    is_bytes(bytes).then(|| Shape::BulkOutcome(Box::new(BulkOutcome { bytes: bytes.clone(), empty })))
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
    check_owned(
        ty,
        &Owned {
            opaque: "a method can not return `impl Trait`: both ends have to know its type; name it",
            own: "a method can not return `Self`: a client does not know the implementation",
            borrowed: "a returned reference can not be sent: return the owned type, such as `String`",
        },
        errors,
    );
}

/// Reports what keeps an item of a stream from being decoded.
pub(super) fn check_item(ty: &Type, errors: &mut Errors) {
    if let Some(stream) = Written::within(ty) {
        errors.at(stream.ty, "an item of a stream can not be a stream");
        return;
    }
    check_owned(
        ty,
        &Owned {
            opaque: "an item of a stream can not be `impl Trait`: both ends have to know its type; name it",
            own: "an item of a stream can not name `Self`: a client does not know the implementation",
            borrowed: "an item of a stream can not borrow: let it be the owned type, such as `String`",
        },
        errors,
    );
}

/// What is said of a type that is not owned.
struct Owned {
    opaque: &'static str,
    own: &'static str,
    borrowed: &'static str,
}

fn check_owned(ty: &Type, Owned { opaque, own, borrowed }: &Owned, errors: &mut Errors) {
    let findings = Findings::of(ty);
    if let Some(found) = findings.impls.first() {
        errors.at(found, opaque);
    } else if let Some(found) = findings.selves.first() {
        errors.at(found, own);
    } else if let Some(found) = findings.references.first() {
        errors.at(found, borrowed);
    } else if let Some(found) = findings.lifetimes.iter().find(|found| found.ident != "static") {
        errors.at(found, borrowed);
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

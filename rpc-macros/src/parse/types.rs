//! Questions about types. A macro sees names only: `Result`, `Option`, `Bytes` are known by their last segment.

use proc_macro2::Ident;
use syn::{
    GenericArgument, Lifetime, PathArguments, PathSegment, Type, TypeImplTrait, TypeReference,
    ext::IdentExt,
    parse_quote,
    visit::{self, Visit},
    visit_mut::VisitMut,
};

use super::{argument, streams::Written};
use crate::{
    errors::Errors,
    model::{Outcome, Shape, Value},
    scope::Scope,
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

/// Whether a value of this type travels in bulk: `Bytes`, `Vec<u8>`, `Box<[u8]>`, or an `Option` of one of them.
pub(super) fn is_bytes(ty: &Type) -> bool {
    match (name(ty), &arguments(ty)[..]) {
        (Some(name), []) => name == "Bytes",
        (Some(name), [element]) if name == "Vec" => is_byte(element),
        (Some(name), [slice]) if name == "Box" => is_byte_slice(slice),
        (Some(name), [inner]) if name == "Option" => is_bytes(inner),
        _ => false,
    }
}

/// Whether the type is `Cow<'_, [u8]>`.
pub(super) fn is_byte_cow(ty: &Type) -> bool {
    is_named(ty, "Cow") && matches!(arguments(ty)[..], [slice] if is_byte_slice(slice))
}

fn is_byte_slice(ty: &Type) -> bool {
    matches!(bare(ty), Type::Slice(slice) if is_byte(&slice.elem))
}

fn is_byte(ty: &Type) -> bool {
    let Type::Path(path) = bare(ty) else { return false };
    path.qself.is_none() && path.path.get_ident().is_some_and(|it| it.unraw() == "u8")
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
    let shape = if is_bytes(ty) {
        Shape::Bulk
    } else if is_named(ty, "Result") {
        result(ty)
    } else if is_result(ty) {
        Shape::Alias { certain: false, bulk: false }
    } else {
        Shape::Plain
    };
    Value { ty: ty.clone(), shape }
}

/// Whether `Result` is in the type's name.
pub(super) fn is_result(ty: &Type) -> bool {
    name(ty).is_some_and(|name| name.to_string().contains("Result"))
}

/// `Result<T, E>`, or an alias of this name.
fn result(ty: &Type) -> Shape {
    let arguments = arguments(ty);
    let bulk = arguments.first().is_some_and(|ok| is_bytes(ok));
    match arguments[..] {
        [ok, error] => Shape::Outcome(Box::new(Outcome { ok: ok.clone(), error: error.clone(), bulk })),
        _ => Shape::Alias { certain: true, bulk },
    }
}

/// The types in the angle brackets of the last segment.
fn arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = bare(ty) else { return Vec::new() };
    let Some(PathArguments::AngleBracketed(arguments)) = path.path.segments.last().map(|last| &last.arguments) else {
        return Vec::new();
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// The types that have to be `Serialize` and `Deserialize`, so that this one is: what is in a reference, a tuple, a
/// slice, a `Vec`, an `Option`, a `Box` or a `Result`. Of any other type only the compiler knows what it asks of its
/// parts.
pub(crate) fn traveling(ty: &Type) -> Vec<&Type> {
    let inner = match bare(ty) {
        Type::Reference(reference) => vec![&*reference.elem],
        Type::Slice(slice) => vec![&*slice.elem],
        Type::Tuple(tuple) => tuple.elems.iter().collect(),
        other if ["Vec", "Option", "Box", "Result"].iter().any(|name| is_named(other, name)) => arguments(other),
        other => return if travels_anyway(other) { Vec::new() } else { vec![other] },
    };
    inner.into_iter().flat_map(traveling).collect()
}

/// The types in one that may ask anything of them: what is in its angle brackets, or the element of an array.
pub(crate) fn parts(ty: &Type) -> Vec<&Type> {
    match bare(ty) {
        Type::Array(array) => traveling(&array.elem),
        ty => arguments(ty).into_iter().flat_map(traveling).collect(),
    }
}

/// Whether it is one of the types of the language that travel.
fn travels_anyway(ty: &Type) -> bool {
    const PLAIN: [&str; 15] =
        ["bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "str"];
    let Type::Path(path) = ty else { return false };
    // A borrowed string is decoded as one that is named by its full path.
    let plain = path.path.get_ident().map(Ident::unraw);
    plain.is_some_and(|plain| PLAIN.iter().chain(&["u128", "usize", "String"]).any(|name| plain == name))
        || path.path.segments.iter().map(|segment| segment.ident.to_string()).eq(["std", "string", "String"])
}

/// The type with every lifetime made `'static`, as that of a decoded value is.
pub(super) fn without_lifetimes(ty: &Type) -> Type {
    with_lifetimes(ty, "static")
}

/// The type with every lifetime left to the compiler.
pub(super) fn with_elided_lifetimes(ty: &Type) -> Type {
    with_lifetimes(ty, "_")
}

fn with_lifetimes(ty: &Type, name: &'static str) -> Type {
    struct Rename(&'static str);
    impl VisitMut for Rename {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            lifetime.ident = Ident::new(self.0, lifetime.ident.span());
        }
    }
    let mut ty = ty.clone();
    Rename(name).visit_type_mut(&mut ty);
    ty
}

/// Whether a value of this type borrows when it is decoded: it has a lifetime. A `Cow` becomes owned.
pub(super) fn borrows(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'a> Visit<'a> for Finder {
        fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
            self.0 |= lifetime.ident != "static";
        }

        fn visit_path_segment(&mut self, segment: &'a PathSegment) {
            if segment.ident != "Cow" {
                return visit::visit_path_segment(self, segment);
            }
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return };
            arguments.args.iter().filter(|one| matches!(one, GenericArgument::Type(_))).for_each(|one| {
                self.visit_generic_argument(one);
            });
        }
    }
    let mut finder = Finder(false);
    finder.visit_type(ty);
    finder.0
}

/// Reports what keeps an argument's type from being decoded on a server; one mistake for each argument.
pub(super) fn check_argument(ty: &Type, scope: &Scope, errors: &mut Errors) {
    let findings = Findings::of(ty, scope);
    let lent = argument::lent(ty);
    if let Some(found) = findings.impls.first() {
        errors.at(found, "an argument can not be `impl Trait`: both ends have to know its type; name it");
    } else if let Some(found) = findings.selves.first() {
        errors.at(
            found,
            "an argument can not name `Self`: a client does not know the implementation; \
             name the type, or make it an associated type of this trait",
        );
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
pub(super) fn check_output(ty: &Type, scope: &Scope, errors: &mut Errors) {
    check_owned(
        ty,
        scope,
        &Owned {
            opaque: "a method can not return `impl Trait`: both ends have to know its type; name it",
            own: "a method can not return `Self`: a client does not know the implementation; \
             name the type, or make it an associated type of this trait",
            borrowed: "a returned reference can not be sent: return the owned type, such as `String`",
        },
        errors,
    );
}

/// Reports what keeps an item of a stream from being decoded.
pub(super) fn check_item(ty: &Type, scope: &Scope, errors: &mut Errors) {
    if let Some(stream) = Written::within(ty) {
        errors.at(stream.ty, "an item of a stream can not be a stream");
        return;
    }
    check_owned(
        ty,
        scope,
        &Owned {
            opaque: "an item of a stream can not be `impl Trait`: both ends have to know its type; name it",
            own: "an item of a stream can not name `Self`: a client does not know the implementation; \
             name the type, or make it an associated type of this trait",
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

fn check_owned(ty: &Type, scope: &Scope, Owned { opaque, own, borrowed }: &Owned, errors: &mut Errors) {
    let findings = Findings::of(ty, scope);
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
struct Findings<'a> {
    scope: &'a Scope,
    references: Vec<&'a TypeReference>,
    impls: Vec<&'a TypeImplTrait>,
    /// The `Self`s that are no associated types of the trait.
    selves: Vec<&'a Ident>,
    lifetimes: Vec<&'a Lifetime>,
}

impl<'a> Findings<'a> {
    fn of(ty: &'a Type, scope: &'a Scope) -> Self {
        let mut findings =
            Self { scope, references: Vec::new(), impls: Vec::new(), selves: Vec::new(), lifetimes: Vec::new() };
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
            if self.scope.projected(path).is_none() {
                self.selves.push(&first.ident);
            }
        }
        visit::visit_path(self, path);
    }
}

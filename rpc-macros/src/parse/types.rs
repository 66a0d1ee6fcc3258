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
pub(crate) fn bare(ty: &Type) -> &Type {
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
pub(crate) fn is_named(ty: &Type, wanted: &str) -> bool {
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
pub(super) fn value(ty: &Type, scope: &Scope) -> Value {
    let shape = if is_bytes(ty) {
        Shape::Bulk
    } else if is_named(ty, "Result") {
        result(ty)
    } else if is_result(ty, scope) {
        Shape::Alias { certain: false, bulk: false }
    } else {
        Shape::Plain
    };
    Value { ty: ty.clone(), shape }
}

/// Whether `Result` is in the type's name. Of a type with parameters the compiler can not be asked whether it is one,
/// and so its name has to end so.
pub(super) fn is_result(ty: &Type, scope: &Scope) -> bool {
    let name = name(ty).map(|name| name.to_string()).unwrap_or_default();
    if scope.is_in(ty) { name.ends_with("Result") } else { name.contains("Result") }
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

/// What travels of a type that may be lent: what is behind references, also in an `Option`, or in a slice.
pub(crate) fn traveling(ty: &Type) -> &Type {
    let lent = match bare(ty) {
        Type::Reference(reference) => &reference.elem,
        Type::Slice(slice) => &slice.elem,
        other if is_named(other, "Option") => match arguments(other)[..] {
            [inner] if matches!(bare(inner), Type::Reference(_)) => inner,
            _ => return other,
        },
        other => return other,
    };
    traveling(lent)
}

/// The parts of a type for whose sake it may not travel, where all know of the type that it has nothing else to it:
/// those of tuples, arrays and the containers of the standard library. `None` if it is no such type.
fn parts(ty: &Type) -> Option<Vec<&Type>> {
    const CONTAINERS: [(&str, usize); 11] = [
        ("Vec", 1),
        ("VecDeque", 1),
        ("Option", 1),
        ("Box", 1),
        ("Arc", 1),
        ("Rc", 1),
        ("HashSet", 1),
        ("BTreeSet", 1),
        ("Result", 2),
        ("HashMap", 2),
        ("BTreeMap", 2),
    ];
    match ty {
        Type::Reference(reference) => Some(vec![&reference.elem]),
        Type::Slice(slice) => Some(vec![&slice.elem]),
        Type::Array(array) => Some(vec![&array.elem]),
        Type::Tuple(tuple) => Some(tuple.elems.iter().collect()),
        container => {
            let arguments = arguments(container);
            let is_it = |&&(name, count): &&(&str, usize)| is_named(container, name) && arguments.len() == count;
            CONTAINERS.iter().find(is_it).map(|_| arguments)
        }
    }
}

/// The types that a type is made of in the end, but those of the language; it itself if it is made of nothing.
pub(crate) fn leaves(ty: &Type) -> Vec<&Type> {
    let ty = bare(ty);
    match parts(ty) {
        Some(parts) => parts.into_iter().flat_map(leaves).collect(),
        None if travels_anyway(ty) || is_unsized(ty) => Vec::new(),
        None => vec![ty],
    }
}

/// Whether a value of it stands behind a pointer only, as far as its name says.
fn is_unsized(ty: &Type) -> bool {
    matches!(ty, Type::TraitObject(_)) || ["Path", "OsStr", "CStr"].iter().any(|name| is_named(ty, name))
}

/// Whether it is one of the types of the language that travel.
pub(crate) fn travels_anyway(ty: &Type) -> bool {
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

/// The type with every lifetime but `'static` under this name.
pub(crate) fn with_lifetime(ty: &Type, name: &'static str) -> Type {
    struct Rename(&'static str);
    impl VisitMut for Rename {
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                lifetime.ident = Ident::new(self.0, lifetime.ident.span());
            }
        }
    }
    let mut ty = ty.clone();
    Rename(name).visit_type_mut(&mut ty);
    ty
}

/// Whether there is a lifetime in the type but `'static`.
pub(crate) fn has_lifetimes(ty: &Type) -> bool {
    struct Finder(bool);
    impl<'a> Visit<'a> for Finder {
        fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
            self.0 |= lifetime.ident != "static";
        }
    }
    let mut finder = Finder(false);
    finder.visit_type(ty);
    finder.0
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

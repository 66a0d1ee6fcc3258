//! The names in a trait that stand for types which only its users know: its parameters and associated types.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{
    GenericParam, ItemTrait, Path, TraitItem, Type, TypePath, WherePredicate,
    ext::IdentExt,
    parse_quote, parse_quote_spanned,
    spanned::Spanned,
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
};

/// The parameters of a trait, and its associated types.
#[derive(Default)]
pub(crate) struct Scope {
    /// The trait's own, types and constants.
    parameters: Vec<Ident>,
    pub(crate) associated: Vec<Associated>,
}

/// An associated type.
pub(crate) struct Associated {
    pub(crate) name: Ident,
    /// The client's parameter in its place: a client has no `Self`.
    pub(crate) parameter: Ident,
}

impl Scope {
    /// Of a trait with these parameters and associated types. Where `is_named` says that an associated type's name means
    /// something else in the trait, the client's parameter is called `Self` and that name.
    pub(crate) fn new<'a>(
        parameters: impl IntoIterator<Item = &'a GenericParam>,
        associated: Vec<Ident>,
        is_named: impl Fn(&Ident) -> bool,
    ) -> Self {
        let parameters = parameters.into_iter().filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.clone()),
            GenericParam::Const(parameter) => Some(parameter.ident.clone()),
            _ => None,
        });
        let associated = associated.into_iter().map(|name| {
            let parameter = if is_named(&name) { format_ident!("Self{}", name.unraw()) } else { name.clone() };
            Associated { name, parameter }
        });
        Self { parameters: parameters.collect(), associated: associated.collect() }
    }

    /// The associated type that this path, `Self::Name`, stands for.
    pub(crate) fn projected(&self, path: &Path) -> Option<&Associated> {
        let mut segments = path.segments.iter();
        let (own, name) = (segments.next()?, segments.next()?);
        let plain = own.ident == "Self" && name.arguments.is_none() && segments.next().is_none();
        self.associated.iter().find(|associated| plain && associated.name == name.ident)
    }

    /// Whether a type depends on a parameter or an associated type.
    pub(crate) fn is_in(&self, ty: &Type) -> bool {
        let mut finder =
            Finder { found: false, is_it: |name: &Ident| name == "Self" || self.parameters.contains(name) };
        finder.visit_type(ty);
        finder.found
    }

    /// How types are written in the client, where each associated type is a parameter.
    pub(crate) fn in_client(&self) -> Written<'_> {
        Written { scope: self, within: Within::Client }
    }

    /// How types are written in the server, where `Self` is this parameter, which implements this trait.
    pub(crate) fn in_server(&self, own: Ident, implemented: Path) -> Written<'_> {
        Written { scope: self, within: Within::Server(own, implemented) }
    }
}

/// Whether `Self` is named.
pub(crate) fn names_self(predicate: &WherePredicate) -> bool {
    let mut finder = Finder { found: false, is_it: |name: &Ident| name == "Self" };
    finder.visit_where_predicate(predicate);
    finder.found
}

/// Whether a parameter of the trait has this name, or a path in it begins with it.
pub(crate) fn is_named_in(source: &ItemTrait, wanted: &Ident) -> bool {
    let mut finder = Finder { found: false, is_it: |name: &Ident| name == wanted };
    finder.visit_generics(&source.generics);
    for item in &source.items {
        match item {
            TraitItem::Fn(function) => finder.visit_signature(&function.sig),
            TraitItem::Type(associated) => {
                associated.bounds.iter().for_each(|bound| finder.visit_type_param_bound(bound));
            }
            _ => {}
        }
    }
    finder.found || source.generics.type_params().any(|parameter| parameter.ident == *wanted)
}

/// Looks for paths that begin with a name.
struct Finder<F> {
    found: bool,
    is_it: F,
}

impl<'a, F: Fn(&Ident) -> bool> Visit<'a> for Finder<F> {
    fn visit_path(&mut self, path: &'a Path) {
        let first = path.segments.first().filter(|_| path.leading_colon.is_none());
        self.found |= first.is_some_and(|first| (self.is_it)(&first.ident));
        visit::visit_path(self, path);
    }
}

/// How the trait's types are written elsewhere.
pub(crate) struct Written<'a> {
    scope: &'a Scope,
    within: Within,
}

enum Within {
    Client,
    Server(Ident, Path),
}

impl Written<'_> {
    pub(crate) fn ty(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        Replace(self).visit_type_mut(&mut ty);
        ty
    }

    pub(crate) fn predicate(&self, predicate: &WherePredicate) -> WherePredicate {
        let mut predicate = predicate.clone();
        Replace(self).visit_where_predicate_mut(&mut predicate);
        predicate
    }

    fn replaced(&self, path: &Path) -> Option<Type> {
        let associated = self.scope.projected(path);
        match &self.within {
            Within::Client => associated.map(|associated| named(&associated.parameter)),
            Within::Server(own, _) if path.is_ident("Self") => Some(named(own)),
            Within::Server(own, implemented) => associated.map(|Associated { name, .. }| {
                let span = path.span();
                parse_quote_spanned!(span=> <#own as #implemented>::#name)
            }),
        }
    }
}

fn named(name: &Ident) -> Type {
    parse_quote!(#name)
}

struct Replace<'a>(&'a Written<'a>);

impl VisitMut for Replace<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        let replaced = match ty {
            Type::Path(TypePath { qself: None, path, .. }) => self.0.replaced(path),
            _ => None,
        };
        match replaced {
            Some(replaced) => *ty = replaced,
            None => visit_mut::visit_type_mut(self, ty),
        }
    }
}

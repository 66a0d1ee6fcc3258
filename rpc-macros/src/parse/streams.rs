//! Streams in a signature: which types are streams, what their items are, and where they may stand.

use syn::{
    AngleBracketedGenericArguments, GenericArgument, Path, PathArguments, PathSegment, ReturnType, Signature, Type,
    TypeParamBound,
    punctuated::Punctuated,
    visit::{self, Visit},
};

use super::types;
use crate::{
    errors::Errors,
    model::{Opening, Output, Stream, Style},
    scope::Scope,
    text,
};

/// A type that is a stream by its name.
pub(super) struct Written<'a> {
    pub(super) ty: &'a Type,
    pub(super) form: Form,
    /// `None` when it is not said what the items are.
    pub(super) item: Option<&'a Type>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `impl Stream<Item = T>`
    Opaque,
    /// `BoxStream<'_, T>` or `Pin<Box<dyn Stream<Item = T> + Send + '_>>`
    Boxed,
    /// `LocalBoxStream<'_, T>`, `Pin<Box<dyn Stream<Item = T>>>`, or a `dyn Stream` in anything else.
    Object,
    /// `Streaming<T>`
    Streaming,
}

impl<'a> Written<'a> {
    /// The stream that this type is.
    pub(super) fn of(ty: &'a Type) -> Option<Self> {
        let (form, item) = match types::bare(ty) {
            Type::ImplTrait(opaque) => (Form::Opaque, item(stream_bound(&opaque.bounds)?)),
            Type::TraitObject(object) => (Form::Object, item(stream_bound(&object.bounds)?)),
            Type::Path(path) => of_segment(path.path.segments.last()?)?,
            _ => return None,
        };
        Some(Self { ty, form, item })
    }

    /// The first stream in this type, or it itself.
    pub(super) fn within(ty: &'a Type) -> Option<Self> {
        struct Finder<'a>(Option<Written<'a>>);
        impl<'a> Visit<'a> for Finder<'a> {
            fn visit_type(&mut self, ty: &'a Type) {
                if self.0.is_none() {
                    self.0 = Written::of(ty);
                }
                if self.0.is_none() {
                    visit::visit_type(self, ty);
                }
            }
        }
        let mut finder = Finder(None);
        finder.visit_type(ty);
        finder.0
    }

    /// Its items as they were written.
    pub(super) fn item_text(&self) -> String {
        self.item.map_or_else(|| "T".to_owned(), text::of_type)
    }
}

fn of_segment(last: &PathSegment) -> Option<(Form, Option<&Type>)> {
    let arguments = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments),
        _ => None,
    };
    if last.ident == "Streaming" {
        return Some((Form::Streaming, arguments.and_then(only_type)));
    }
    if last.ident == "BoxStream" {
        return Some((Form::Boxed, arguments.and_then(only_type)));
    }
    if last.ident == "LocalBoxStream" {
        return Some((Form::Object, arguments.and_then(only_type)));
    }
    if last.ident != "Pin" {
        return None;
    }
    let Type::Path(inner) = types::bare(only_type(arguments?)?) else { return None };
    let inner = inner.path.segments.last().filter(|last| last.ident == "Box")?;
    let PathArguments::AngleBracketed(arguments) = &inner.arguments else { return None };
    let Type::TraitObject(object) = types::bare(only_type(arguments)?) else { return None };
    let stream = stream_bound(&object.bounds)?;
    let form = if is_send(&object.bounds) { Form::Boxed } else { Form::Object };
    Some((form, item(stream)))
}

/// The one type among the arguments.
fn only_type(arguments: &AngleBracketedGenericArguments) -> Option<&Type> {
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.next().filter(|_| types.next().is_none())
}

type Bounds = Punctuated<TypeParamBound, syn::Token![+]>;

fn bound<'a>(bounds: &'a Bounds, name: &str) -> Option<&'a Path> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) if bound.path.segments.last().is_some_and(|last| last.ident == name) => {
            Some(&bound.path)
        }
        _ => None,
    })
}

fn stream_bound(bounds: &Bounds) -> Option<&Path> {
    bound(bounds, "Stream")
}

/// Whether `Send` is among the bounds.
pub(crate) fn is_send(bounds: &Bounds) -> bool {
    bound(bounds, "Send").is_some()
}

/// Whether these are the bounds of a stream.
pub(crate) fn is_stream(bounds: &Bounds) -> bool {
    stream_bound(bounds).is_some()
}

/// The `T` of `Stream<Item = T>`.
fn item(stream: &Path) -> Option<&Type> {
    associated(stream, "Item")
}

fn associated<'a>(bound: &'a Path, name: &str) -> Option<&'a Type> {
    let PathArguments::AngleBracketed(arguments) = &bound.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(associated) if associated.ident == name => Some(&associated.ty),
        _ => None,
    })
}

/// What a future gives, if the type is one: `impl Future<Output = T>`, `BoxFuture<'_, T>`, or one in a box.
pub(super) fn future(ty: &Type) -> Option<&Type> {
    let bounds = match types::bare(ty) {
        Type::ImplTrait(opaque) => &opaque.bounds,
        Type::TraitObject(object) => &object.bounds,
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            let inner = only_type(arguments)?;
            return match last.ident.to_string().as_str() {
                "BoxFuture" | "LocalBoxFuture" => Some(inner),
                "Pin" | "Box" => future(inner),
                _ => None,
            };
        }
        _ => return None,
    };
    associated(bound(bounds, "Future")?, "Output")
}

/// The stream that a method returns, and how it begins; or what keeps it from being one.
pub(super) fn output(sig: &Signature, ty: &Type, style: Style, scope: &Scope, errors: &mut Errors) -> Option<Output> {
    let stream = Written::within(ty)?;
    let before = errors.count();
    check_form(&stream, style, errors);
    if errors.count() > before {
        return None;
    }
    let opening = opening(sig, ty, &stream, scope, errors);
    // A `BoxStream` without items is reported by the compiler.
    let item = stream.item?;
    types::check_item(item, scope, errors);
    let item = types::value(item, scope);
    (errors.count() == before).then_some(())?;
    Some(Output::Stream(Box::new(Stream { written: ty.clone(), item, opening: opening? })))
}

fn check_form(stream: &Written<'_>, style: Style, errors: &mut Errors) {
    let item = stream.item_text();
    let boxed = format!("`Pin<Box<dyn Stream<Item = {item}> + Send + '_>>`");
    match stream.form {
        Form::Streaming => {
            let text =
                format!("a method returns a stream as `impl Stream<Item = {item}>`: `Streaming` is what is received");
            errors.at(stream.ty, text);
        }
        Form::Opaque if style == Style::AsyncTrait => {
            let text = format!("with #[async_trait] a stream is returned in a box, such as {boxed}");
            errors.at(stream.ty, text);
        }
        Form::Opaque if stream.item.is_none() => {
            errors.at(stream.ty, "say what the items of the stream are: `impl Stream<Item = T>`");
        }
        Form::Object => errors.at(stream.ty, format!("a stream in a box is returned as {boxed}")),
        Form::Opaque | Form::Boxed => {}
    }
}

fn opening(sig: &Signature, ty: &Type, stream: &Written<'_>, scope: &Scope, errors: &mut Errors) -> Option<Opening> {
    if Written::of(ty).is_some() {
        return Some(if sig.asyncness.is_some() { Opening::Awaited } else { Opening::AtOnce });
    }
    let Some(result) = types::emptied(ty, stream.ty).filter(|_| types::is_result(ty, scope)) else {
        let text =
            "a stream is returned alone, or as the value of a `Result`, or of an alias with `Result` in its name";
        errors.at(stream.ty, text);
        return None;
    };
    if sig.asyncness.is_none() {
        let text = "a method whose stream may fail to begin is an `async fn`: put `async` before `fn`";
        errors.at(sig.fn_token, text);
    }
    types::check_output(&result, scope, errors);
    Some(Opening::Fallible(Box::new(types::value(&result, scope))))
}

/// Whether the method returns a stream, of whatever kind and at whatever place.
pub(super) fn is_returned(output: &ReturnType) -> bool {
    matches!(output, ReturnType::Type(_, ty) if Written::within(ty).is_some())
}

/// Whether there is an `impl Trait` in it, whose type can not be written.
pub(crate) fn is_opaque(output: &ReturnType) -> bool {
    struct Finder(bool);
    impl<'a> Visit<'a> for Finder {
        fn visit_type_impl_trait(&mut self, _: &'a syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut finder = Finder(false);
    finder.visit_return_type(output);
    finder.0
}

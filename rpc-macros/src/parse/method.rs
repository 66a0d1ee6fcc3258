//! One function of the trait: is it a method that can be called over a wire?

use proc_macro2::Ident;
use syn::{
    FnArg, GenericParam, Lifetime, LitStr, Pat, ReceiverKind, ReturnType, Safety, Signature, TraitItem, TraitItemFn,
    WherePredicate, ext::IdentExt, spanned::Spanned,
};

use super::{argument, attributes, streams, types};
use crate::{
    errors::Errors,
    model::{Method, Output, Parameter, Style},
    options::MethodOptions,
    rename::Rename,
    scope::Scope,
};

/// As many as serde takes in one tuple.
const MAX_ARGUMENTS: usize = 16;
/// What the client has of its own.
const RESERVED: [&str; 6] = ["new", "named", "channel", "from_service", "from_arc", "DESCRIPTOR"];

/// What every type has by the prelude, and takes by value.
const TAKEN: [&str; 2] = ["into", "try_into"];

/// What is known of the trait that a method is in.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) style: Style,
    pub(super) rename: Option<Rename>,
    pub(super) scope: &'a Scope,
}

/// Reads a method, or reports why it is none. Takes our attributes off the function.
pub(super) fn read(
    source: &mut TraitItemFn,
    Surroundings { style, rename, scope }: Surroundings<'_>,
    errors: &mut Errors,
) -> Option<Method> {
    let options = MethodOptions::take(&mut source.attrs, errors);
    attributes::refuse_conditional_options(&mut source.attrs, errors);
    let carried = attributes::carried(&source.attrs);
    let before = errors.count();
    check_qualifiers(&source.sig, errors);
    let receiver = receiver(&source.sig, errors);
    let parameters = parameters(&mut source.sig, scope, errors);
    let output = output(&source.sig, style, scope, errors);
    let name = source.sig.ident.clone();
    let client_name = options.client.unwrap_or_else(|| name.clone());
    if is_reserved(&client_name) {
        errors.at(
            &client_name,
            format!(
                "the client has a `{client_name}` of its own: name its method with #[rpc(client = \"other_name\")]"
            ),
        );
    }
    if TAKEN.iter().any(|taken| client_name == taken) {
        errors.at(
            &client_name,
            format!(
                "every type has a method `{client_name}`, which a call of the client would find first: name the \
                 client's with #[rpc(client = \"other_name\")]"
            ),
        );
    }
    if let Some(inline) = options.inline.filter(|_| is_streaming(parameters.as_deref(), output.as_ref())) {
        errors.at(inline, "a method with a stream always has a task of its own: leave `inline` out");
    }
    if errors.count() > before {
        return None;
    }
    let wire_name = options.name.unwrap_or_else(|| {
        let plain = name.unraw().to_string();
        LitStr::new(&rename.map_or_else(|| plain.clone(), |rule| rule.apply(&plain)), name.span())
    });
    Some(Method {
        wire_name,
        name,
        client_name,
        docs: attributes::docs(&source.attrs),
        cfg: attributes::cfg(&source.attrs),
        deprecated: carried.iter().any(|attribute| attribute.path().is_ident("deprecated")),
        carried,
        lifetimes: source.sig.generics.params.iter().cloned().collect(),
        predicates: predicates(&source.sig),
        receiver,
        parameters: parameters?,
        output: output?,
        execution: options.execution,
    })
}

/// Whether the client has something of this name already.
pub(crate) fn is_reserved(name: &Ident) -> bool {
    RESERVED.iter().any(|reserved| name == reserved)
}

/// Whether `#[async_trait]` has been at this function: it leaves a lifetime of its own.
pub(super) fn is_expanded_async_trait(item: &TraitItem) -> bool {
    let TraitItem::Fn(function) = item else { return false };
    function.sig.generics.lifetimes().any(|parameter| parameter.lifetime.ident == "async_trait")
}

fn check_qualifiers(sig: &Signature, errors: &mut Errors) {
    // With a stream it depends on how that begins.
    if sig.asyncness.is_none() && !streams::is_returned(&sig.output) {
        errors.at(sig.fn_token, "a method of a service is an `async fn`: put `async` before `fn`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a method of a service can not be unsafe");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a method of a service has no abi of its own");
    }
    for parameter in &sig.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let text = "a method of a service can not be generic: both ends have to know its types; name them";
            errors.at(parameter, text);
        }
    }
}

fn predicates(sig: &Signature) -> Vec<WherePredicate> {
    sig.generics.where_clause.iter().flat_map(|clause| clause.predicates.iter().cloned()).collect()
}

/// The lifetime of `&'a self`, if it has one.
fn receiver(sig: &Signature, errors: &mut Errors) -> Option<Lifetime> {
    const WANTED: &str = "a method of a service takes `&self`";
    let Some(receiver) = sig.receiver() else {
        errors.at(&sig.ident, WANTED);
        return None;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, lifetime, None) => return lifetime.clone(),
        ReceiverKind::Reference(_, _, Some(token)) => {
            errors.at(token, format!("{WANTED}: its calls run at the same time; put what they change behind a lock"));
        }
        _ => errors.at(receiver, WANTED),
    }
    None
}

/// What stands after `&self`; `None` when something of it was reported, by us or by the compiler.
fn parameters(sig: &mut Signature, scope: &Scope, errors: &mut Errors) -> Option<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let (mut arguments, mut streams) = (0, 0);
    for input in sig.inputs.iter_mut().filter_map(typed) {
        let parameter = argument::read(input, scope, errors);
        if matches!(parameter, Some(Parameter::Streaming(_))) {
            streams += 1;
            if streams == 2 {
                let text = "a method takes one stream at most: let its items be an `enum`, or make two methods of it";
                errors.at(&input.ty, text);
            }
        } else {
            arguments += 1;
            if arguments == MAX_ARGUMENTS + 1 {
                let text = format!("a method has at most {MAX_ARGUMENTS} arguments: put some of them into a struct");
                errors.at(&*input, text);
            }
        }
        parameters.push(parameter);
        // A trait's function without a body takes no patterns: one message is enough for them.
        if !matches!(&*input.pat, Pat::Ident(_)) {
            let span = input.pat.span();
            *input.pat = syn::parse_quote_spanned!(span=> _);
        }
    }
    parameters.into_iter().collect()
}

fn typed(input: &mut FnArg) -> Option<&mut syn::PatType> {
    match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    }
}

/// `None` when something of it was reported, by us or by the compiler.
fn output(sig: &Signature, style: Style, scope: &Scope, errors: &mut Errors) -> Option<Output> {
    let ReturnType::Type(_, ty) = &sig.output else { return Some(Output::Unit) };
    if streams::is_returned(&sig.output) {
        return streams::output(sig, ty, style, scope, errors);
    }
    types::check_output(ty, scope, errors);
    Some(Output::Value(Box::new(types::value(ty))))
}

fn is_streaming(parameters: Option<&[Parameter]>, output: Option<&Output>) -> bool {
    parameters.unwrap_or_default().iter().any(|parameter| matches!(parameter, Parameter::Streaming(_)))
        || matches!(output, Some(Output::Stream(_)))
}

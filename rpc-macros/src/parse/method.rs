//! One function of the trait: is it a method that can be called over a wire?

use syn::{
    FnArg, GenericParam, Lifetime, LitStr, Pat, ReceiverKind, ReturnType, Safety, Signature, TraitItem, TraitItemFn,
    Type, ext::IdentExt, spanned::Spanned,
};

use super::{argument, attributes, types};
use crate::{
    errors::Errors,
    model::{Argument, Method, MethodKind, Output},
    options::MethodOptions,
    rename::Rename,
};

/// As many as serde takes in one tuple.
const MAX_ARGUMENTS: usize = 16;
/// What the client has of its own.
const RESERVED: [&str; 5] = ["new", "named", "channel", "from_service", "DESCRIPTOR"];

/// Reads a method, or reports why it is none. Takes our attributes off the function.
pub(super) fn read(source: &mut TraitItemFn, rename: Option<Rename>, errors: &mut Errors) -> Option<Method> {
    let options = MethodOptions::take(&mut source.attrs, errors);
    attributes::refuse_conditional_options(&mut source.attrs, errors);
    let carried = attributes::carried(&source.attrs);
    let before = errors.count();
    let kind = kind(&source.sig, errors);
    if kind != MethodKind::Unary {
        return None;
    }
    check_qualifiers(&source.sig, errors);
    let receiver = receiver(&source.sig, errors);
    let arguments = arguments(&mut source.sig, errors);
    let output = output(&source.sig.output, errors);
    let name = source.sig.ident.clone();
    let client_name = options.client.unwrap_or_else(|| name.clone());
    if RESERVED.iter().any(|reserved| client_name == reserved) {
        errors.at(
            &client_name,
            format!(
                "the client has a `{client_name}` of its own: name its method with #[rpc(client = \"other_name\")]"
            ),
        );
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
        kind,
        docs: attributes::docs(&source.attrs),
        cfg: attributes::cfg(&source.attrs),
        deprecated: carried.iter().any(|attribute| attribute.path().is_ident("deprecated")),
        carried,
        lifetimes: source.sig.generics.params.iter().cloned().collect(),
        receiver,
        arguments,
        output,
        execution: options.execution,
    })
}

/// Whether `#[async_trait]` has been at this function: it leaves a lifetime of its own.
pub(super) fn is_expanded_async_trait(item: &TraitItem) -> bool {
    let TraitItem::Fn(function) = item else { return false };
    function.sig.generics.lifetimes().any(|parameter| parameter.lifetime.ident == "async_trait")
}

/// Which sides are streams; says that they are not supported yet, once.
fn kind(sig: &Signature, errors: &mut Errors) -> MethodKind {
    const MESSAGE: &str = "streaming methods are not supported yet";
    let stream = match &sig.output {
        ReturnType::Type(_, ty) => types::returned_stream(ty),
        ReturnType::Default => None,
    };
    let streaming = sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(argument) if types::is_named(&argument.ty, "Streaming") => Some(&argument.ty),
        _ => None,
    });
    match (stream, streaming) {
        (None, None) => return MethodKind::Unary,
        (Some(stream), _) => errors.at(stream, MESSAGE),
        (None, Some(streaming)) => errors.at(streaming, MESSAGE),
    }
    match (stream, streaming) {
        (Some(_), Some(_)) => MethodKind::Bidirectional,
        (Some(_), None) => MethodKind::ServerStreaming,
        _ => MethodKind::ClientStreaming,
    }
}

fn check_qualifiers(sig: &Signature, errors: &mut Errors) {
    if sig.asyncness.is_none() {
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
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, "a method of a service can not have a where clause");
    }
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

fn arguments(sig: &mut Signature, errors: &mut Errors) -> Vec<Argument> {
    let mut arguments = Vec::new();
    for (index, input) in sig.inputs.iter_mut().filter_map(typed).enumerate() {
        if index == MAX_ARGUMENTS {
            let text = format!("a method has at most {MAX_ARGUMENTS} arguments: put some of them into a struct");
            errors.at(&*input, text);
        }
        arguments.extend(argument::read(input, errors));
        // A trait's function without a body takes no patterns: one message is enough for them.
        if !matches!(&*input.pat, Pat::Ident(_)) {
            let span = input.pat.span();
            *input.pat = syn::parse_quote_spanned!(span=> _);
        }
    }
    arguments
}

fn typed(input: &mut FnArg) -> Option<&mut syn::PatType> {
    match input {
        FnArg::Typed(argument) => Some(argument),
        FnArg::Receiver(_) => None,
    }
}

fn output(output: &ReturnType, errors: &mut Errors) -> Output {
    let ReturnType::Type(_, ty) = output else { return Output::Unit };
    types::check_output(ty, errors);
    let ty = Type::clone(ty);
    if types::is_named(&ty, "Result") {
        if types::is_result_of_bytes(&ty) { Output::BulkOutcome(ty) } else { Output::Outcome(ty) }
    } else if types::is_bytes(&ty) {
        Output::Bulk(ty)
    } else if types::name(&ty).is_some_and(|name| name.to_string().contains("Result")) {
        Output::Unclear(ty)
    } else {
        Output::Value(ty)
    }
}

//! What is said of the service as constant data.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Lit, Type, ext::IdentExt};

use super::{Names, beside_trait};
use crate::{
    model::{Argument, Execution, Method, MethodKind, Output, Service, Streaming},
    parse, text,
};

/// A type whose associated constants are the methods' descriptors: constants of a type can depend on cfg one by one.
pub(super) fn expand(service: &Service, names: &Names) -> TokenStream {
    let type_name = &names.methods;
    let attributes = beside_trait(service);
    let Service { runtime, wire_name, .. } = service;
    let docs = joined(&parse::docs(&service.source.attrs));
    let descriptor = quote!(#runtime::descriptor::ServiceDescriptor);
    let methods = service.methods().map(|Method { name, cfg, .. }| quote!(#(#cfg)* Self::#name));
    let constants = service.methods().map(|method| constant(service, method));
    quote! {
        #attributes
        #[doc(hidden)]
        struct #type_name;

        #attributes
        #[allow(non_upper_case_globals)]
        impl #type_name {
            const __SERVICE: &'static #runtime::descriptor::ServiceDescriptor = &#descriptor {
                name: #wire_name,
                docs: #docs,
                methods: &[#(#methods),*],
            };
            #(#constants)*
        }
    }
}

fn constant(service: &Service, method: &Method) -> TokenStream {
    let Service { runtime, wire_name: service_name, .. } = service;
    let Method { name, wire_name, cfg, deprecated, .. } = method;
    let rust_name = name.unraw().to_string();
    let full_name = format!("{service_name}.{}", wire_name.value());
    let docs = joined(&method.docs);
    let kind = match method.kind() {
        MethodKind::Unary => quote!(Unary),
        MethodKind::ServerStreaming => quote!(ServerStreaming),
        MethodKind::ClientStreaming => quote!(ClientStreaming),
        MethodKind::Bidirectional => quote!(Bidirectional),
    };
    let execution = match method.execution {
        Execution::Auto => quote!(Auto),
        Execution::Inline => quote!(Inline),
        Execution::Task => quote!(Task),
    };
    let arguments = method.arguments().map(|Argument { name, written, .. }| {
        let (name, type_name) = (name.unraw().to_string(), text::of_type(written));
        quote!(#runtime::descriptor::ArgumentDescriptor { name: #name, type_name: #type_name })
    });
    let output = match &method.output {
        Output::Unit => String::new(),
        Output::Value(value) => text::of_type(&value.ty),
        Output::Stream(stream) => text::of_type(&stream.written),
    };
    let items_in = method.streaming().map(|Streaming { item, .. }| item);
    let items_out = match &method.output {
        Output::Stream(stream) => Some(&stream.item.ty),
        Output::Unit | Output::Value(_) => None,
    };
    let (items_in, items_out) = (items(items_in), items(items_out));
    quote! {
        #(#cfg)*
        const #name: &'static #runtime::descriptor::MethodDescriptor = &#runtime::descriptor::MethodDescriptor {
            service: #service_name,
            name: #wire_name,
            rust_name: #rust_name,
            full_name: #full_name,
            kind: #runtime::descriptor::MethodKind::#kind,
            arguments: &[#(#arguments),*],
            output: #output,
            items_in: #items_in,
            items_out: #items_out,
            docs: #docs,
            execution: #runtime::descriptor::Execution::#execution,
            deprecated: #deprecated,
        };
    }
}

fn items(ty: Option<&Type>) -> TokenStream {
    match ty.map(text::of_type) {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// Docs as one string; with `#[doc = include_str!(..)]` and the like among them, the compiler puts it together.
fn joined(docs: &[Expr]) -> TokenStream {
    let literal = |doc: &Expr| match doc {
        Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
            let line = line.value();
            Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
        }
        _ => None,
    };
    if let Some(lines) = docs.iter().map(literal).collect::<Option<Vec<String>>>() {
        let text = lines.join("\n");
        let text = text.trim();
        return quote!(#text);
    }
    let parts = docs.iter().map(|doc| literal(doc).map_or_else(|| quote!(#doc), |line| quote!(#line)));
    quote!(::core::concat!(#(#parts, "\n"),*))
}

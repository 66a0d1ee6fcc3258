//! From the model to tokens: the trait, its descriptors, the client, the server. Data and one-line methods; what
//! they do is in the runtime's `__private`. All is named by full paths, so that no name in the user's scope matters.

mod client;
mod descriptor;
mod server;
#[cfg(test)]
mod tests;
mod trait_;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Path, Type, spanned::Spanned};

use crate::{
    errors::Errors,
    model::{Method, Opening, Service},
    parse,
};

/// The whole attribute: the items, and a `compile_error!` for each mistake. With mistakes the trait is there all the
/// same, and a client and server with the methods that are sound, so that one mistake gives one message.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let expanded = match parse::service(options, item.clone(), &mut errors) {
        Some(service) => expand(&service),
        None => item,
    };
    let errors = errors.to_tokens();
    quote!(#expanded #errors)
}

fn expand(service: &Service) -> TokenStream {
    let names = Names::of(service);
    let parts = [
        trait_::expand(service),
        descriptor::expand(service, &names),
        client::expand(service, &names),
        server::expand(service, &names),
    ];
    parts.into_iter().collect()
}

/// The names of what is generated.
struct Names {
    /// The private type that the methods' descriptors are constants of.
    methods: Ident,
    client: Ident,
    server: Ident,
}

impl Names {
    fn of(service: &Service) -> Self {
        let name = &service.source.ident;
        Self {
            methods: format_ident!("__{name}Methods"),
            client: format_ident!("{name}Client"),
            server: format_ident!("{name}Server"),
        }
    }
}

/// The attributes that an item beside the trait needs: the trait's `#[cfg]`s, and what a user can do nothing about.
fn beside_trait(service: &Service) -> TokenStream {
    let cfg = parse::cfg(&service.source.attrs);
    quote! {
        #(#cfg)*
        #[allow(dead_code, deprecated, non_camel_case_types, private_interfaces, unreachable_pub)]
        #[allow(clippy::all, clippy::pedantic)]
    }
}

/// Where a bound on this type is reported, with the names of generated code.
fn at(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}

/// Where a bound on the arguments is reported: at the type if there is but one, else at the method.
fn at_arguments(method: &Method) -> Span {
    let mut arguments = method.arguments();
    match (arguments.next(), arguments.next()) {
        (Some(one), None) => at(&one.written),
        _ => at(&method.name),
    }
}

/// Whether a return type is a `Result`, as a constant expression.
fn is_result(runtime: &Path, ty: &Type) -> TokenStream {
    quote_spanned!(at(ty)=> {
        use #runtime::__private::PlainValue as _;
        #runtime::__private::IsResult::<#ty>::VALUE
    })
}

/// How a return type is treated for which only the compiler knows whether it is a `Result`.
fn returned(runtime: &Path, ty: &Type) -> TokenStream {
    let is_result = is_result(runtime, ty);
    quote_spanned!(at(ty)=> <#runtime::__private::Returned<#is_result> as #runtime::__private::Returns<#ty>>)
}

/// The error of a method that may refuse to begin its stream.
fn opening_error(runtime: &Path, opening: &Opening) -> Option<TokenStream> {
    match opening {
        Opening::AtOnce | Opening::Awaited => None,
        Opening::Fallible(ty) => Some(quote_spanned!(at(ty)=> <#ty as #runtime::__private::Outcome>::Error)),
    }
}

/// The trait's own `#[deprecated]`, for the types that are made of it.
fn deprecation(service: &Service) -> impl Iterator<Item = &Attribute> {
    service.source.attrs.iter().filter(|attribute| attribute.path().is_ident("deprecated"))
}

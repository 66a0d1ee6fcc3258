//! From the model to tokens: the trait, its descriptors, the client, the server. Data and one-line methods; what
//! they do is in the runtime's `__private`. All is named by full paths, so that no name in the user's scope matters.

mod assertions;
mod client;
mod descriptor;
mod generics;
mod server;
#[cfg(test)]
mod tests;
mod trait_;
mod value;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, ext::IdentExt, spanned::Spanned};

use generics::Parameters;

use crate::{
    errors::Errors,
    model::{Method, Service},
    parse,
};

/// The whole attribute: the items, and a `compile_error!` for each mistake. With mistakes the trait is there all the
/// same, and a client and server with the methods that are sound, so that one mistake gives one message.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if let Some(service) = parse::service(options, item.clone(), &mut errors) {
        return expand(&service, &errors);
    }
    let mut expanded = item;
    expanded.extend(errors.to_tokens());
    expanded
}

fn expand(service: &Service, errors: &Errors) -> TokenStream {
    let names = Names::of(service, errors);
    let parts = [
        mistakes(service, &names, errors).unwrap_or_default(),
        trait_::expand(service),
        assertions::expand(service),
        descriptor::expand(service, &names),
        client::expand(service, &names),
        server::expand(service, &names),
    ];
    parts.into_iter().collect()
}

/// The names of what is generated.
struct Names {
    parameters: Parameters,
    /// The private type that the methods' descriptors are constants of.
    methods: Ident,
    client: Ident,
    server: Ident,
    /// The type that stands for one that is wrong, if the trait has mistakes.
    mistake: Option<Ident>,
}

impl Names {
    fn of(service: &Service, errors: &Errors) -> Self {
        let name = service.source.ident.unraw();
        Self {
            parameters: Parameters::of(service),
            methods: format_ident!("__{name}Methods"),
            client: format_ident!("{name}Client"),
            server: format_ident!("{name}Server"),
            mistake: (errors.count() > 0).then(|| format_ident!("__{name}Mistake")),
        }
    }
}

/// Every mistake, the first as the type that the client's methods have in place of those that are wrong.
fn mistakes(service: &Service, names: &Names, errors: &Errors) -> Option<TokenStream> {
    let ((first, others), mistake) = errors.to_type().zip(names.mistake.as_ref())?;
    let attributes = beside_trait(service);
    Some(quote! {
        #attributes
        type #mistake = #first;
        #others
    })
}

/// The attributes that an item beside the trait needs: the trait's `#[cfg]`s, and what a user can do nothing about.
fn beside_trait(service: &Service) -> TokenStream {
    let cfg = parse::cfg(&service.source.attrs);
    quote! {
        #(#cfg)*
        #[allow(
            clippy::all, clippy::pedantic,
            dead_code, deprecated, non_camel_case_types, private_interfaces, unreachable_pub
        )]
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

/// The trait's own `#[deprecated]`, for the types that are made of it.
fn deprecation(service: &Service) -> impl Iterator<Item = &Attribute> {
    service.source.attrs.iter().filter(|attribute| attribute.path().is_ident("deprecated"))
}

//! The typed client: each method is one call into the runtime.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{Names, at, at_arguments, beside_trait, deprecation, descriptor, returned};
use crate::model::{Argument, Lend, Method, Output, Service};

pub(super) fn expand(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, .. } = service;
    let (vis, client) = (&source.vis, &names.client);
    let attributes = beside_trait(service);
    let deprecation = deprecation(service);
    let docs = format!("A client of [`{}`]: each of its methods makes a call.", source.ident);
    let descriptor = descriptor::of_service(service, names);
    let methods = service.methods().map(|method| expand_method(service, names, method));
    let from_service = from_service(service, names);
    quote! {
        #attributes
        #(#deprecation)*
        #[doc = #docs]
        ///
        /// It is cheap to clone, and several clients can share one channel.
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #client {
            client: #runtime::__private::Client,
        }

        #attributes
        impl #client {
            /// What the trait says of the service.
            #vis const DESCRIPTOR: &'static #runtime::descriptor::ServiceDescriptor = #descriptor;

            /// A client whose calls go over this channel.
            #[must_use]
            #vis fn new(channel: #runtime::Channel) -> Self {
                Self { client: #runtime::__private::Client::new(channel, Self::DESCRIPTOR) }
            }

            /// A client of the instance that was registered under this name.
            #[must_use]
            #vis fn named(channel: #runtime::Channel, name: &str) -> Self {
                Self { client: #runtime::__private::Client::named(channel, Self::DESCRIPTOR, name) }
            }

            #from_service

            /// The channel that its calls go over.
            #[must_use]
            #vis fn channel(&self) -> &#runtime::Channel {
                self.client.channel()
            }

            #(#methods)*
        }
    }
}

/// The constructor of a client without a connection. A trait with a mistake in it may be one that can not be a bound.
fn from_service(service: &Service, names: &Names) -> Option<TokenStream> {
    let Service { runtime, source, .. } = service;
    let (vis, trait_name, server) = (&source.vis, &source.ident, &names.server);
    service.can_be_bound.then(|| {
        quote! {
            /// A client of this implementation, in this process: for tests, and for mocks, which are implementations
            /// like any other. Its calls go through the codec and have everything that others have but a connection.
            #[must_use]
            #vis fn from_service(service: impl #trait_name) -> Self {
                Self::new(#runtime::Channel::in_process(#server::new(service)))
            }
        }
    })
}

fn expand_method(service: &Service, names: &Names, method: &Method) -> TokenStream {
    let Service { runtime, source, wire_name: service_name, .. } = service;
    let (vis, descriptors) = (&source.vis, &names.methods);
    let Method { name, client_name, wire_name, carried, lifetimes, receiver, arguments, .. } = method;
    let docs = method.docs.is_empty().then(|| {
        let text = format!("Calls `{service_name}.{}`.", wire_name.value());
        quote!(#[doc = #text])
    });
    let generics = (!lifetimes.is_empty()).then(|| quote!(<#(#lifetimes),*>));
    let parameters = arguments.iter().map(|Argument { name, written, .. }| quote!(#name: #written));
    let span = at_arguments(method);
    let values = if arguments.is_empty() {
        quote!(#runtime::__private::NoArguments)
    } else {
        let values = arguments.iter().map(|argument| encoded(service, argument));
        quote_spanned!(span=> (#(#values,)*))
    };
    let output = match &method.output {
        Output::Unit => quote!(()),
        Output::Value(ty) | Output::Bulk(ty) => quote!(#ty),
        Output::Outcome(ty) | Output::BulkOutcome(ty) => {
            let outcome = quote_spanned!(at(ty)=> <#ty as #runtime::__private::Outcome>);
            quote_spanned!(at(ty)=> #outcome::Ok, #outcome::Error)
        }
        Output::Unclear(ty) => {
            let returned = returned(runtime, ty);
            quote_spanned!(at(ty)=> #returned::Ok, #returned::Error)
        }
    };
    let call = match &method.output {
        Output::Bulk(_) | Output::BulkOutcome(_) => quote_spanned!(span=> call_bulk),
        Output::Unit | Output::Value(_) | Output::Outcome(_) | Output::Unclear(_) => quote_spanned!(span=> call),
    };
    let call = quote_spanned!(span=> self.client.#call(#descriptors::#name, &#values));
    quote! {
        #(#carried)*
        #docs
        #vis fn #client_name #generics (&#receiver self, #(#parameters),*) -> #runtime::Call<#output> {
            #call
        }
    }
}

/// An argument as it is encoded.
fn encoded(service: &Service, argument: &Argument) -> TokenStream {
    let (runtime, name) = (&service.runtime, &argument.name);
    match (argument.bulk, argument.lend) {
        (false, _) => quote!(#name),
        (true, Lend::Borrow) => quote!(#runtime::__private::Bulk(&#name[..])),
        (true, _) => quote!(#runtime::__private::Bulk(#name)),
    }
}

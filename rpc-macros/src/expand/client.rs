//! The typed client: each method is one call into the runtime.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::{Names, at, at_arguments, beside_trait, deprecation, descriptor, opening_error, returned};
use crate::model::{Argument, BulkOutcome, Lend, Method, Opening, Output, Parameter, Service, Shape, Streaming, Value};

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
    let vis = &source.vis;
    let Method { client_name, wire_name, carried, lifetimes, receiver, .. } = method;
    let docs = method.docs.is_empty().then(|| {
        let text = format!("Calls `{service_name}.{}`.", wire_name.value());
        quote!(#[doc = #text])
    });
    let generics = (!lifetimes.is_empty()).then(|| quote!(<#(#lifetimes),*>));
    let parameters = method.parameters.iter().map(|one| parameter(service, one));
    let output = match &method.output {
        Output::Unit => quote!(()),
        Output::Value(value) => received(service, value),
        Output::Stream(stream) => {
            let items = received(service, &stream.item);
            let error = opening_error(runtime, &stream.opening).map(|error| quote!(, #error));
            quote!(#runtime::Streaming<#items> #error)
        }
    };
    let call = call(service, names, method);
    quote! {
        #(#carried)*
        #docs
        #vis fn #client_name #generics (&#receiver self, #(#parameters),*) -> #runtime::Call<#output> {
            #call
        }
    }
}

fn parameter(Service { runtime, .. }: &Service, parameter: &Parameter) -> TokenStream {
    match parameter {
        Parameter::Argument(argument) => {
            let Argument { name, written, .. } = &**argument;
            quote!(#name: #written)
        }
        Parameter::Streaming(streaming) => {
            let Streaming { name, item, .. } = &**streaming;
            let sent = quote_spanned!(at(item)=> impl #runtime::__private::SendItem<#item> + 'static);
            let items = quote_spanned!(at(item)=> impl #runtime::__private::Stream<Item = #sent>);
            quote_spanned!(at(item)=> #name: #items + ::core::marker::Send + 'static)
        }
    }
}

/// What a client gets of a value, and the error that it may get in its stead.
fn received(Service { runtime, .. }: &Service, Value { ty, shape }: &Value) -> TokenStream {
    match shape {
        Shape::Plain | Shape::Bulk => quote!(#ty),
        // Bytes need not be `Serialize`.
        Shape::BulkOutcome(outcome) => {
            let BulkOutcome { bytes, empty } = &**outcome;
            quote_spanned!(at(ty)=> #bytes, <#empty as #runtime::__private::Outcome>::Error)
        }
        Shape::Outcome => {
            let outcome = quote_spanned!(at(ty)=> <#ty as #runtime::__private::Outcome>);
            quote_spanned!(at(ty)=> #outcome::Ok, #outcome::Error)
        }
        Shape::Unclear => {
            let returned = returned(runtime, ty);
            quote_spanned!(at(ty)=> #returned::Ok, #returned::Error)
        }
    }
}

/// The call into the runtime. Its name stands where bounds on what is received are reported.
fn call(service: &Service, names: &Names, method: &Method) -> TokenStream {
    let Service { runtime, .. } = service;
    let (descriptors, name) = (&names.methods, &method.name);
    let span = at_arguments(method);
    let values = if method.arguments().next().is_none() {
        quote!(#runtime::__private::NoArguments)
    } else {
        let values = method.arguments().map(|argument| encoded(service, argument));
        quote_spanned!(span=> (#(#values,)*))
    };
    let items = method.streaming().map(|Streaming { name, item, bulk }| {
        let function = if *bulk { quote_spanned!(at(item)=> bulk_items) } else { quote_spanned!(at(item)=> items) };
        quote_spanned!(at(item)=> self.client.#function::<#item, _>(#name))
    });
    let (function, items) = match (&method.output, items) {
        (Output::Stream(stream), items) => {
            let items = match items {
                Some(items) => quote!(::core::option::Option::Some(#items)),
                None => quote!(::core::option::Option::None),
            };
            let at_once = matches!(stream.opening, Opening::AtOnce);
            (function(&stream.item, "stream", "stream_bulk"), Some(quote!(#items, #at_once)))
        }
        (Output::Value(value), Some(items)) => (function(value, "send", "send_for_bulk"), Some(items)),
        (Output::Value(value), None) => (function(value, "call", "call_bulk"), None),
        (Output::Unit, Some(items)) => (Ident::new("send", span), Some(items)),
        (Output::Unit, None) => (Ident::new("call", span), None),
    };
    let items = items.map(|items| quote!(, #items));
    quote_spanned!(span=> self.client.#function(#descriptors::#name, &#values #items))
}

fn function(Value { ty, shape }: &Value, plain: &str, bulk: &str) -> Ident {
    Ident::new(if matches!(shape, Shape::Bulk | Shape::BulkOutcome(_)) { bulk } else { plain }, at(ty))
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

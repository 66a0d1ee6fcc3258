//! The typed client: each method is one call into the runtime.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{FnArg, parse_quote};

use super::{
    Names, at, at_arguments, beside_trait, deprecation,
    generics::{self, Where, arguments, declared, introduced, phantom},
    value::{Coder, Typed, coder},
};
use crate::{
    model::{Argument, Item, Lend, Method, Opening, Output, Parameter, Service, Streaming},
    parse,
    scope::Written,
};

pub(super) fn expand(service: &Service, names: &Names) -> TokenStream {
    let types = expand_type(service, names);
    let constructors = expand_constructors(service, names);
    let written = service.scope.in_client();
    let parameters = names.parameters.in_client();
    let (client, attributes) = (&names.client, beside_trait(service));
    let (introduced, arguments) = (introduced(&parameters), arguments(&parameters));
    let clause = Where::of_client(service);
    let in_process = expand_in_process(service, names);
    let methods = service.methods().map(|method| expand_method(service, names, &written, method));
    let stand_ins = names.mistake.iter().flat_map(|mistake| stand_ins(service, mistake));
    quote! {
        #types
        #constructors

        #attributes
        impl #introduced #client #arguments #clause {
            #in_process
            #(#methods)*
            #(#stand_ins)*
        }
    }
}

fn expand_type(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, .. } = service;
    let (vis, client) = (&source.vis, &names.client);
    let (attributes, deprecation) = (beside_trait(service), deprecation(service));
    let docs = format!(" A client of [`{}`]: each of its methods makes a call.", source.ident);
    let parameters = names.parameters.in_client();
    let (declared, introduced, arguments) = (declared(&parameters), introduced(&parameters), arguments(&parameters));
    let types = phantom(&parameters).map(|phantom| quote!(types: #phantom,));
    let cloned = types.as_ref().map(|_| quote!(types: ::core::marker::PhantomData,));
    let name = client.to_string();
    quote! {
        #attributes
        #(#deprecation)*
        #[doc = #docs]
        ///
        /// It is cheap to clone, and several clients can share one channel.
        #vis struct #client #declared {
            client: #runtime::__private::Client,
            #types
        }

        #attributes
        impl #introduced ::core::clone::Clone for #client #arguments {
            fn clone(&self) -> Self {
                Self { client: ::core::clone::Clone::clone(&self.client), #cloned }
            }
        }

        #attributes
        impl #introduced ::core::fmt::Debug for #client #arguments {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#name).field("client", &self.client).finish()
            }
        }
    }
}

fn expand_constructors(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, .. } = service;
    let (vis, client, descriptors) = (&source.vis, &names.client, &names.methods);
    let attributes = beside_trait(service);
    let parameters = names.parameters.in_client();
    let (introduced, arguments) = (introduced(&parameters), arguments(&parameters));
    let types = phantom(&parameters).map(|_| quote!(types: ::core::marker::PhantomData));
    quote! {
        #attributes
        impl #introduced #client #arguments {
            /// What the trait says of the service.
            #vis const DESCRIPTOR: &'static #runtime::descriptor::ServiceDescriptor = #descriptors::__SERVICE;

            /// A client whose calls go over this channel.
            #[must_use]
            #vis fn new(channel: #runtime::Channel) -> Self {
                Self { client: #runtime::__private::Client::new(channel, Self::DESCRIPTOR), #types }
            }

            /// A client of the instance that was registered under this name.
            #[must_use]
            #vis fn named(channel: #runtime::Channel, name: &str) -> Self {
                Self { client: #runtime::__private::Client::named(channel, Self::DESCRIPTOR, name), #types }
            }

            /// The channel that its calls go over.
            #[must_use]
            #vis fn channel(&self) -> &#runtime::Channel {
                self.client.channel()
            }
        }
    }
}

/// The constructors of a client without a connection. A trait with a mistake in it may be one that can not be a bound.
fn expand_in_process(service: &Service, names: &Names) -> Option<TokenStream> {
    let Service { runtime, source, .. } = service;
    let (vis, server) = (&source.vis, &names.server);
    if !service.can_be_bound {
        return None;
    }
    let own = generics::implementation(service, "__Service");
    let bound = names.parameters.with_associated(service);
    // What the server asks beside the trait: of types with parameters, and in the methods' where clauses.
    let asks =
        !names.parameters.in_client().is_empty() || service.methods().any(|method| !method.predicates.is_empty());
    let clause = asks.then(|| {
        let arguments = arguments(&names.parameters.in_server(parse_quote!(#own)));
        quote!(where #server #arguments: #runtime::Service)
    });
    let (generics, argument) = match &clause {
        None => (None, quote!(impl #bound)),
        Some(_) => (Some(quote!(<#own: #bound>)), quote!(#own)),
    };
    Some(quote! {
        /// A client of this implementation, in this process: for tests, and for mocks, which are implementations
        /// like any other. Its calls go through the codec and have everything that others have but a connection.
        #[must_use]
        #vis fn from_service #generics (service: #argument) -> Self #clause {
            Self::from_arc(::std::sync::Arc::new(service))
        }

        /// A client of an implementation that is shared, in this process: a mock that a test keeps, or one behind `dyn`.
        #[must_use]
        #vis fn from_arc<#own: #bound + ?::core::marker::Sized>(service: ::std::sync::Arc<#own>) -> Self #clause {
            Self::new(#runtime::Channel::in_process(#server::from_arc(service)))
        }
    })
}

fn expand_method(service: &Service, names: &Names, written: &Written<'_>, method: &Method) -> TokenStream {
    let Service { runtime, source, scope, wire_name: service_name, .. } = service;
    let vis = &source.vis;
    let Method { client_name, wire_name, carried, lifetimes, receiver, .. } = method;
    let docs = method.docs.is_empty().then(|| {
        let text = format!(" Calls `{service_name}.{}`.", wire_name.value());
        quote!(#[doc = #text])
    });
    let generics = (!lifetimes.is_empty()).then(|| quote!(<#(#lifetimes),*>));
    let parameters = method.parameters.iter().map(|one| parameter(service, written, one));
    let output = match &method.output {
        Output::Unit => quote!(()),
        Output::Value(value) => received(&Typed::new(runtime, scope, written, value)),
        Output::Stream(stream) => {
            let items = received(&Typed::new(runtime, scope, written, &stream.item));
            let error = stream.opening.value().and_then(|value| Typed::new(runtime, scope, written, value).error());
            let error = error.map(|error| quote!(, #error));
            quote!(#runtime::Streaming<#items> #error)
        }
    };
    let clause = Where::of_call(service, written, method);
    let call = call(service, names, written, method);
    quote! {
        #(#carried)*
        #docs
        #vis fn #client_name #generics (&#receiver self, #(#parameters),*) -> #runtime::Call<#output> #clause {
            #call
        }
    }
}

fn parameter(Service { runtime, .. }: &Service, written: &Written<'_>, parameter: &Parameter) -> TokenStream {
    match parameter {
        Parameter::Argument(argument) => {
            let (name, ty) = (&argument.name, written.ty(&argument.written));
            quote!(#name: #ty)
        }
        Parameter::Streaming(streaming) => {
            let (name, span, item) = (&streaming.name, at(&streaming.item), written.ty(&streaming.item));
            let sent = quote_spanned!(span=> impl #runtime::__private::SendItem<#item> + 'static);
            let items = quote_spanned!(span=> impl #runtime::__private::Stream<Item = #sent>);
            quote_spanned!(span=> #name: #items + ::core::marker::Send + 'static)
        }
    }
}

/// What a client gets of a value, and the error that it may get in its stead.
fn received(value: &Typed<'_>) -> TokenStream {
    let (ok, error) = (value.ok(), value.error().map(|error| quote!(, #error)));
    quote!(#ok #error)
}

/// The call into the runtime.
fn call(service: &Service, names: &Names, written: &Written<'_>, method: &Method) -> TokenStream {
    let Service { runtime, scope, .. } = service;
    let (descriptors, name) = (&names.methods, &method.name);
    let status = quote!(#runtime::__private::Probe::<#runtime::Status>::NEW.failure());
    let values = if method.arguments().next().is_none() {
        quote!(#runtime::__private::NoArguments)
    } else {
        let values = method.arguments().map(|argument| encoded(service, argument));
        quote!((#(#values,)*))
    };
    // Names of ours: an argument may have them too.
    let [arguments, encode, sent] = ["arguments", "encode", "sent"].map(|name| Ident::new(name, Span::mixed_site()));
    let send = method.streaming().map(|Streaming { name, item, bulk }| {
        let (span, item) = (at(item), written.ty(item));
        let encode = coder(runtime, span, *bulk, &quote!(#item), Coder::Encoder);
        quote_spanned!(span=> let #sent = self.client.items::<#item, _>(#name, #encode);)
    });
    let (function, rest) = match &method.output {
        Output::Stream(stream) => {
            let item = Typed::new(runtime, scope, written, &stream.item);
            let (decode, failure) = (item.decoder(), item.failure());
            let opening = stream.opening.value().map(|value| Typed::new(runtime, scope, written, value).failure());
            let opening = opening.unwrap_or(status);
            let items = match send {
                Some(_) => quote!(::core::option::Option::Some(#sent)),
                None => quote!(::core::option::Option::None),
            };
            let function = if matches!(stream.opening, Opening::AtOnce) { "open_at_once" } else { "open" };
            (function, quote!(#items, (#decode, #failure), #opening))
        }
        output => {
            let (decode, failure) = match output {
                Output::Value(value) => {
                    let value = Typed::new(runtime, scope, written, value);
                    (value.decoder(), value.failure())
                }
                _ => (quote!(#runtime::__private::Probe::<()>::NEW.decoder()), status),
            };
            let function = if send.is_some() { "send" } else { "call" };
            let items = send.as_ref().map(|_| quote!(#sent,));
            (function, quote!(#items #decode, #failure))
        }
    };
    let span = at_arguments(method);
    let function = Ident::new(function, span);
    quote_spanned! {span=>
        let #arguments = #values;
        let #encode = #runtime::__private::Probe::of(&#arguments).encoder();
        #send
        self.client.#function(#descriptors::#name, &#arguments, #encode, #rest)
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

/// What can be called in place of a method with a mistake, so that its calls are no mistakes too.
fn stand_ins(service: &Service, mistake: &Ident) -> Vec<TokenStream> {
    let vis = &service.source.vis;
    let mut taken: BTreeSet<&Ident> = service.methods().map(|method| &method.client_name).collect();
    let entries = service.items.iter().filter_map(|item| match item {
        Item::Method(entry) if entry.method.is_none() => Some(entry),
        _ => None,
    });
    let mut stand_ins = Vec::new();
    for entry in entries {
        let sig = &entry.source.sig;
        if parse::is_reserved(&sig.ident) || !taken.insert(&sig.ident) {
            continue;
        }
        let (name, cfg) = (&sig.ident, parse::cfg(&entry.source.attrs));
        let arguments = sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))).map(|_| quote!(_: #mistake));
        stand_ins.push(quote! {
            #(#cfg)*
            #vis fn #name(&self, #(#arguments),*) -> #mistake {
                loop {}
            }
        });
    }
    stand_ins
}

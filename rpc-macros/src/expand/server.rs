//! The server: an implementation of the trait, offered to callers as a table with one row for each method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Path;

use super::{Names, at, at_arguments, beside_trait, deprecation, returned};
use crate::model::{Argument, Lend, Method, Opening, Output, Parameter, Service, Shape, Stream, Streaming, Value};

pub(super) fn expand(service: &Service, names: &Names) -> TokenStream {
    let types = expand_type(service, names);
    let implementation = expand_service(service, names);
    quote!(#types #implementation)
}

fn expand_type(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, wire_name, .. } = service;
    let (vis, server, client) = (&source.vis, &names.server, &names.client);
    let attributes = beside_trait(service);
    let deprecation = deprecation(service);
    let docs = format!("Offers an implementation of [`{}`] to callers: register it with a server.", source.ident);
    let type_text = server.to_string();
    quote! {
        #attributes
        #(#deprecation)*
        #[doc = #docs]
        #vis struct #server<S: ?::core::marker::Sized> {
            name: ::std::borrow::Cow<'static, str>,
            service: ::std::sync::Arc<S>,
        }

        #attributes
        impl #server<()> {
            /// What the trait says of the service.
            #vis const DESCRIPTOR: &'static #runtime::descriptor::ServiceDescriptor = #client::DESCRIPTOR;
        }

        #attributes
        impl<S> #server<S> {
            /// Offers this implementation.
            #[must_use]
            #vis fn new(service: S) -> Self {
                Self::from_arc(::std::sync::Arc::new(service))
            }
        }

        #attributes
        impl<S: ?::core::marker::Sized> #server<S> {
            /// Offers an implementation that is shared with others, or one behind `dyn`.
            #[must_use]
            #vis fn from_arc(service: ::std::sync::Arc<S>) -> Self {
                Self { name: ::std::borrow::Cow::Borrowed(#wire_name), service }
            }

            /// Registers it under another name than the trait's, so that a server can have several of its kind.
            #[must_use]
            #vis fn named(mut self, name: impl ::core::convert::Into<::std::string::String>) -> Self {
                self.name = ::std::borrow::Cow::Owned(name.into());
                self
            }
        }

        #attributes
        impl<S: ?::core::marker::Sized> ::core::clone::Clone for #server<S> {
            fn clone(&self) -> Self {
                Self {
                    name: ::core::clone::Clone::clone(&self.name),
                    service: ::core::clone::Clone::clone(&self.service),
                }
            }
        }

        #attributes
        impl<S: ?::core::marker::Sized> ::core::fmt::Debug for #server<S> {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#type_text).field("name", &self.name).finish_non_exhaustive()
            }
        }
    }
}

fn expand_service(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, .. } = service;
    let (server, client, trait_name) = (&names.server, &names.client, &source.ident);
    let attributes = beside_trait(service);
    // The rows name the user's types, which must not be taken for this parameter.
    let parameter = Ident::new("__Service", Span::call_site());
    let bound = if service.can_be_bound {
        quote!(#trait_name)
    } else {
        quote!(::core::marker::Send + ::core::marker::Sync + 'static)
    };
    let rows = service.methods().map(|method| row(service, names, method, &parameter));
    quote! {
        #attributes
        impl<#parameter> #runtime::Service for #server<#parameter>
        where
            #parameter: #bound + ?::core::marker::Sized,
        {
            fn name(&self) -> &str {
                &self.name
            }

            fn descriptor(&self) -> &'static #runtime::descriptor::ServiceDescriptor {
                #client::DESCRIPTOR
            }

            fn methods(&self) -> ::std::vec::Vec<#runtime::__private::Method> {
                ::core::convert::From::from([#(#rows,)*])
            }
        }
    }
}

/// A row of the table: the descriptor, and a function that decodes, calls and encodes. Its block is written out, and no
/// helper takes the method as a closure: only so the compiler sees that the future is `Send`.
fn row(service: &Service, names: &Names, method: &Method, parameter: &Ident) -> TokenStream {
    let (runtime, trait_name, descriptors) = (&service.runtime, &service.source.ident, &names.methods);
    let Method { name, cfg, .. } = method;
    let locals: Vec<Local<'_>> = method.parameters.iter().enumerate().map(Local::new).collect();
    let decode = decode(runtime, &locals, at_arguments(method));
    let streaming = locals.iter().filter_map(Local::streaming);
    let lent = locals.iter().map(Local::lent);
    let call = quote!(<#parameter as #trait_name>::#name(&*service, #(#lent),*));
    let (outlet, body) = match &method.output {
        Output::Unit => (None, quote!(let outcome = #call.await; #runtime::__private::reply_value(codec, &outcome))),
        Output::Value(value) => {
            let reply = reply(runtime, value);
            (None, quote!(let outcome = #call.await; #reply))
        }
        Output::Stream(stream) => {
            let sending = send_items(runtime, stream, &call);
            (Some(quote!(let outlet = arguments.outlet()?;)), sending)
        }
    };
    quote! {
        #(#cfg)*
        #runtime::__private::Method::new(#descriptors::#name, &self.service, |service, arguments| {
            #decode
            #(#streaming)*
            #outlet
            let service = ::core::clone::Clone::clone(service);
            let codec = arguments.codec();
            ::core::result::Result::Ok(::std::boxed::Box::pin(async move { #body }))
        })
    }
}

/// Encodes the `outcome`.
fn reply(runtime: &Path, Value { ty, shape }: &Value) -> TokenStream {
    match shape {
        Shape::Plain => quote_spanned!(at(ty)=> #runtime::__private::reply_value(codec, &outcome)),
        Shape::Bulk => quote!(#runtime::__private::reply_value(codec, &#runtime::__private::Bulk(outcome))),
        Shape::Outcome => quote_spanned!(at(ty)=> #runtime::__private::reply_outcome(codec, outcome)),
        Shape::BulkOutcome(_) => {
            let outcome = quote!(::core::result::Result::map(outcome, #runtime::__private::Bulk));
            quote_spanned!(at(ty)=> #runtime::__private::reply_outcome(codec, #outcome))
        }
        Shape::Unclear => {
            let returned = returned(runtime, ty);
            quote_spanned!(at(ty)=> #returned::reply(codec, outcome))
        }
    }
}

/// Waits for the stream to begin and sends its items. Its end is bound to a name: what waits for it borrows the stream,
/// and would outlive it in editions before 2024.
fn send_items(runtime: &Path, Stream { item, opening, .. }: &Stream, call: &TokenStream) -> TokenStream {
    let begin = match opening {
        Opening::AtOnce => quote!(let stream = #call;),
        Opening::Awaited => quote!(let stream = #call.await; outlet.open();),
        Opening::Fallible(ty) => {
            let refuse = quote_spanned! {at(ty)=>
                #runtime::__private::reply_outcome::<#ty>(codec, ::core::result::Result::Err(error))
            };
            quote! {
                let stream = match #call.await {
                    ::core::result::Result::Ok(stream) => stream,
                    ::core::result::Result::Err(error) => return #refuse,
                };
                outlet.open();
            }
        }
    };
    let Value { ty, shape } = item;
    let encode = match shape {
        Shape::Plain => quote_spanned!(at(ty)=> #runtime::__private::item_value::<#ty>),
        Shape::Bulk => quote_spanned!(at(ty)=> #runtime::__private::item_bulk::<#ty>),
        Shape::Outcome => quote_spanned!(at(ty)=> #runtime::__private::item_outcome::<#ty>),
        Shape::BulkOutcome(_) => quote_spanned!(at(ty)=> #runtime::__private::item_bulk_outcome),
        Shape::Unclear => {
            let returned = returned(runtime, ty);
            quote_spanned!(at(ty)=> #returned::put_item)
        }
    };
    quote! {
        #begin
        let ended = outlet.send_all(codec, ::core::pin::pin!(stream), #encode).await;
        ended
    }
}

fn decode(runtime: &Path, locals: &[Local<'_>], span: Span) -> TokenStream {
    let arguments: Vec<_> = locals.iter().filter_map(Local::argument).collect();
    if arguments.is_empty() {
        let none = quote!(#runtime::__private::NoArguments);
        return quote!(let #none = arguments.decode::<#none>()?;);
    }
    let patterns = arguments
        .iter()
        .map(|(name, argument)| if argument.bulk { quote!(#runtime::__private::Bulk(#name)) } else { quote!(#name) });
    let types = arguments.iter().map(
        |(_, Argument { owned, bulk, .. })| {
            if *bulk { quote!(#runtime::__private::Bulk<#owned>) } else { quote!(#owned) }
        },
    );
    quote_spanned!(span=> let (#(#patterns,)*) = arguments.decode::<(#(#types,)*)>()?;)
}

/// A decoded argument. Its name is ours: a user's could be that of a constant in scope.
struct Local<'a> {
    name: Ident,
    parameter: &'a Parameter,
}

impl<'a> Local<'a> {
    fn new((index, parameter): (usize, &'a Parameter)) -> Self {
        Self { name: format_ident!("argument_{index}", span = Span::mixed_site()), parameter }
    }

    fn argument(&self) -> Option<(&Ident, &'a Argument)> {
        match self.parameter {
            Parameter::Argument(argument) => Some((&self.name, argument)),
            Parameter::Streaming(_) => None,
        }
    }

    /// The statement that takes the stream, if it is one.
    fn streaming(&self) -> Option<TokenStream> {
        let Parameter::Streaming(streaming) = self.parameter else { return None };
        let Streaming { item, bulk, .. } = &**streaming;
        let (name, span) = (&self.name, at(item));
        let function = Ident::new(if *bulk { "streaming_bulk" } else { "streaming" }, span);
        Some(quote_spanned!(span=> let #name = arguments.#function::<#item>()?;))
    }

    /// The expression that the handler gets.
    fn lent(&self) -> TokenStream {
        let name = &self.name;
        let lend = self.argument().map_or(Lend::Move, |(_, argument)| argument.lend);
        match lend {
            Lend::Move => quote!(#name),
            Lend::Borrow => quote!(&#name),
            Lend::AsRef => quote!(#name.as_ref()),
            Lend::AsDeref => quote!(#name.as_deref()),
        }
    }
}

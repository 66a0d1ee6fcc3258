//! The server: an implementation of the trait, offered to callers as a table with one row for each method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::{Names, at, at_arguments, beside_trait, deprecation, returned};
use crate::model::{Argument, Lend, Method, Output, Service};

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
    let Method { name, cfg, arguments, .. } = method;
    let locals: Vec<Local<'_>> = arguments.iter().enumerate().map(Local::new).collect();
    let decode = decode(runtime, &locals, at_arguments(method));
    let lent = locals.iter().map(Local::lent);
    let reply = match &method.output {
        Output::Unit => quote!(#runtime::__private::reply_value(codec, &outcome)),
        Output::Value(ty) => quote_spanned!(at(ty)=> #runtime::__private::reply_value(codec, &outcome)),
        Output::Bulk(_) => quote!(#runtime::__private::reply_value(codec, &#runtime::__private::Bulk(outcome))),
        Output::Outcome(ty) => quote_spanned!(at(ty)=> #runtime::__private::reply_outcome(codec, outcome)),
        Output::BulkOutcome(ty) => {
            let outcome = quote!(::core::result::Result::map(outcome, #runtime::__private::Bulk));
            quote_spanned!(at(ty)=> #runtime::__private::reply_outcome(codec, #outcome))
        }
        Output::Unclear(ty) => {
            let returned = returned(runtime, ty);
            quote_spanned!(at(ty)=> #returned::reply(codec, outcome))
        }
    };
    quote! {
        #(#cfg)*
        #runtime::__private::Method::new(#descriptors::#name, &self.service, |service, arguments| {
            #decode
            let service = ::core::clone::Clone::clone(service);
            let codec = arguments.codec();
            ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                let outcome = <#parameter as #trait_name>::#name(&*service, #(#lent),*).await;
                #reply
            }))
        })
    }
}

fn decode(runtime: &syn::Path, locals: &[Local<'_>], span: Span) -> TokenStream {
    if locals.is_empty() {
        let none = quote!(#runtime::__private::NoArguments);
        return quote!(let #none = arguments.decode::<#none>()?;);
    }
    let patterns =
        locals.iter().map(
            |Local { name, argument }| {
                if argument.bulk { quote!(#runtime::__private::Bulk(#name)) } else { quote!(#name) }
            },
        );
    let types = locals.iter().map(
        |Local { argument: Argument { owned, bulk, .. }, .. }| {
            if *bulk { quote!(#runtime::__private::Bulk<#owned>) } else { quote!(#owned) }
        },
    );
    quote_spanned!(span=> let (#(#patterns,)*) = arguments.decode::<(#(#types,)*)>()?;)
}

/// A decoded argument. Its name is ours: a user's could be that of a constant in scope.
struct Local<'a> {
    name: Ident,
    argument: &'a Argument,
}

impl<'a> Local<'a> {
    fn new((index, argument): (usize, &'a Argument)) -> Self {
        Self { name: format_ident!("argument_{index}", span = Span::mixed_site()), argument }
    }

    /// The expression that the handler gets.
    fn lent(&self) -> TokenStream {
        let name = &self.name;
        match self.argument.lend {
            Lend::Move => quote!(#name),
            Lend::Borrow => quote!(&#name),
            Lend::AsRef => quote!(#name.as_ref()),
            Lend::AsDeref => quote!(#name.as_deref()),
        }
    }
}

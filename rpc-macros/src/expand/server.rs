//! The server: an implementation of the trait, offered to callers as a table with one row for each method.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{GenericParam, parse_quote};

use super::{
    Names, at, at_arguments, beside_trait, deprecation,
    generics::{self, Where, arguments, declared, introduced, phantom},
    value::{Coder, Typed, coder},
};
use crate::{
    model::{Argument, Lend, Method, Opening, Output, Parameter, Service, Stream, Streaming, Value},
    scope::Written,
};

pub(super) fn expand(service: &Service, names: &Names) -> TokenStream {
    let types = expand_type(service, names);
    let implementation = expand_service(service, names);
    quote!(#types #implementation)
}

fn expand_type(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, source, wire_name, .. } = service;
    let (vis, server, descriptors) = (&source.vis, &names.server, &names.methods);
    let attributes = beside_trait(service);
    let deprecation = deprecation(service);
    let docs = format!(" Offers an implementation of [`{}`] to callers: register it with a server.", source.ident);
    let own = generics::implementation(service, "S");
    let sized = introduced(&names.parameters.in_server(parse_quote!(#own)));
    let parameters = names.parameters.in_server(parse_quote!(#own: ?::core::marker::Sized));
    let (declared, introduced, arguments) = (declared(&parameters), introduced(&parameters), arguments(&parameters));
    let types = phantom(&parameters[1..]).map(|phantom| quote!(types: #phantom,));
    let none = types.as_ref().map(|_| quote!(types: ::core::marker::PhantomData,));
    let derived = expand_derived(service, names, &parameters);
    let of_any = generics::introduced(&parameters[1..]);
    let any = parameters[1..].iter().filter_map(generics::argument);
    quote! {
        #attributes
        #(#deprecation)*
        #[doc = #docs]
        #vis struct #server #declared {
            name: ::std::borrow::Cow<'static, str>,
            service: ::std::sync::Arc<#own>,
            #types
        }

        #attributes
        impl #of_any #server<(), #(#any),*> {
            /// What the trait says of the service.
            #vis const DESCRIPTOR: &'static #runtime::descriptor::ServiceDescriptor = #descriptors::__SERVICE;
        }

        #attributes
        impl #sized #server #arguments {
            /// Offers this implementation.
            #[must_use]
            #vis fn new(service: #own) -> Self {
                Self::from_arc(::std::sync::Arc::new(service))
            }
        }

        #attributes
        impl #introduced #server #arguments {
            /// Offers an implementation that is shared with others, or one behind `dyn`.
            #[must_use]
            #vis fn from_arc(service: ::std::sync::Arc<#own>) -> Self {
                Self { name: ::std::borrow::Cow::Borrowed(#wire_name), service, #none }
            }

            /// Registers it under another name than the trait's, so that a server can have several of its kind.
            #[must_use]
            #vis fn named(mut self, name: impl ::core::convert::Into<::std::string::String>) -> Self {
                self.name = ::std::borrow::Cow::Owned(name.into());
                self
            }
        }

        #derived
    }
}

/// What could be derived if it asked nothing of the parameters.
fn expand_derived(service: &Service, names: &Names, parameters: &[GenericParam]) -> TokenStream {
    let (server, name, attributes) = (&names.server, names.server.to_string(), beside_trait(service));
    let (introduced, arguments) = (introduced(parameters), arguments(parameters));
    let types = phantom(&parameters[1..]).map(|_| quote!(types: ::core::marker::PhantomData,));
    quote! {
        #attributes
        impl #introduced ::core::clone::Clone for #server #arguments {
            fn clone(&self) -> Self {
                Self {
                    name: ::core::clone::Clone::clone(&self.name),
                    service: ::core::clone::Clone::clone(&self.service),
                    #types
                }
            }
        }

        #attributes
        impl #introduced ::core::fmt::Debug for #server #arguments {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#name).field("name", &self.name).finish_non_exhaustive()
            }
        }
    }
}

fn expand_service(service: &Service, names: &Names) -> TokenStream {
    let Service { runtime, .. } = service;
    let (server, descriptors, trait_name) = (&names.server, &names.methods, &names.parameters.implemented);
    let attributes = beside_trait(service);
    // The rows name the user's types, which must not be taken for this parameter.
    let own = generics::implementation(service, "__Service");
    let bound = if service.can_be_bound {
        quote!(#trait_name)
    } else {
        quote!(::core::marker::Send + ::core::marker::Sync + 'static)
    };
    let written = service.scope.in_server(own.clone(), trait_name.clone());
    let rows = service.methods().map(|method| Row::new(service, names, &written, &own, method).expand());
    let clause = Where::of_server(service, &written, &own, &bound);
    let parameters = names.parameters.in_server(parse_quote!(#own));
    let (introduced, arguments) = (introduced(&parameters), arguments(&parameters));
    quote! {
        #attributes
        impl #introduced #runtime::Service for #server #arguments #clause {
            fn name(&self) -> &str {
                &self.name
            }

            fn descriptor(&self) -> &'static #runtime::descriptor::ServiceDescriptor {
                #descriptors::__SERVICE
            }

            fn methods(&self) -> ::std::vec::Vec<#runtime::__private::Method> {
                ::core::convert::From::from([#(#rows,)*])
            }
        }
    }
}

/// A row of the table: the descriptor, and a function that decodes, calls and encodes. Its block is written out, and no
/// helper takes the method as a closure: only so the compiler sees that the future is `Send`.
struct Row<'a> {
    service: &'a Service,
    names: &'a Names,
    written: &'a Written<'a>,
    /// The implementation's type.
    own: &'a Ident,
    method: &'a Method,
    locals: Vec<Local<'a>>,
}

impl<'a> Row<'a> {
    fn new(
        service: &'a Service,
        names: &'a Names,
        written: &'a Written<'a>,
        own: &'a Ident,
        method: &'a Method,
    ) -> Self {
        let locals = method.parameters.iter().enumerate().map(Local::new).collect();
        Self { service, names, written, own, method, locals }
    }

    fn expand(&self) -> TokenStream {
        let Self { service, names, method, .. } = self;
        let (runtime, descriptors) = (&service.runtime, &names.methods);
        let Method { name, cfg, .. } = method;
        let (decode_first, decode_inside) = if method.borrows() {
            (quote!(let kept = arguments.keep()?;), Some(self.decode_kept()))
        } else {
            (self.decode(), None)
        };
        let streaming = self.locals.iter().filter_map(|local| self.streaming(local));
        let outlet = matches!(method.output, Output::Stream(_)).then(|| quote!(let outlet = arguments.outlet()?;));
        let body = self.body();
        quote! {
            #(#cfg)*
            #runtime::__private::Method::new(#descriptors::#name, &self.service, |service, arguments| {
                #decode_first
                #(#streaming)*
                #outlet
                let service = ::core::clone::Clone::clone(service);
                let codec = arguments.codec();
                ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                    #decode_inside
                    #body
                }))
            })
        }
    }

    /// Calls the method and encodes what it returns.
    fn body(&self) -> TokenStream {
        let runtime = &self.service.runtime;
        let (own, implemented, name) = (self.own, &self.names.parameters.implemented, &self.method.name);
        let lent = self.locals.iter().map(Local::lent);
        let call = quote!(<#own as #implemented>::#name(&*service, #(#lent),*));
        match &self.method.output {
            Output::Unit => {
                let encode = quote!(#runtime::__private::Probe::<()>::NEW.encoder());
                quote!(let outcome = #call.await; #runtime::__private::reply_value(codec, &outcome, #encode))
            }
            Output::Value(value) => {
                let reply = self.reply(value);
                quote!(let outcome = #call.await; #reply)
            }
            Output::Stream(stream) => self.send_items(stream, &call),
        }
    }

    /// Encodes the `outcome`.
    fn reply(&self, value: &Value) -> TokenStream {
        let runtime = &self.service.runtime;
        let typed = self.typed(value);
        let (span, encode) = (at(&value.ty), typed.encoder());
        if typed.may_fail() {
            let (outcome, fail) = (typed.as_result(quote!(outcome)), typed.failure_encoder());
            return quote_spanned!(span=> #runtime::__private::reply_outcome(codec, #outcome, #encode, #fail));
        }
        quote_spanned!(span=> #runtime::__private::reply_value(codec, &outcome, #encode))
    }

    /// Waits for the stream to begin and sends its items. Its end is bound to a name: what waits for it borrows the
    /// stream, and would outlive it in editions before 2024.
    fn send_items(&self, Stream { item, opening, .. }: &Stream, call: &TokenStream) -> TokenStream {
        let runtime = &self.service.runtime;
        let begin = match opening {
            Opening::AtOnce => quote!(let stream = #call;),
            Opening::Awaited => quote!(let stream = #call.await; outlet.open();),
            Opening::Fallible(value) => {
                let fail = self.typed(value).failure_encoder();
                quote! {
                    let stream = match #call.await {
                        ::core::result::Result::Ok(stream) => stream,
                        ::core::result::Result::Err(error) => return #fail(codec, error),
                    };
                    outlet.open();
                }
            }
        };
        let typed = self.typed(item);
        let (span, encode) = (at(&item.ty), typed.encoder());
        let put = if typed.may_fail() {
            let (item, fail) = (typed.as_result(quote!(item)), typed.failure_encoder());
            quote_spanned!(span=> #runtime::__private::put_outcome(codec, #item, out, #encode, #fail))
        } else {
            quote_spanned!(span=> #runtime::__private::put_value(codec, &item, out, #encode))
        };
        quote! {
            #begin
            let ended = outlet.send_all(codec, ::core::pin::pin!(stream), |codec, item, out| #put).await;
            ended
        }
    }

    fn decode(&self) -> TokenStream {
        let runtime = &self.service.runtime;
        let arguments: Vec<_> = self.locals.iter().filter_map(Local::argument).collect();
        if arguments.is_empty() {
            let none = quote!(#runtime::__private::NoArguments);
            return quote!(let #none = arguments.decode(#runtime::__private::Probe::<#none>::NEW.decoder())?;);
        }
        let (patterns, types) = self.tuple();
        let span = at_arguments(self.method);
        quote_spanned! {span=>
            let #patterns = arguments.decode(#runtime::__private::Probe::<#types>::NEW.decoder())?;
        }
    }

    /// The same for arguments that borrow from the body, which the handler keeps.
    fn decode_kept(&self) -> TokenStream {
        let runtime = &self.service.runtime;
        let (patterns, types) = self.tuple();
        let span = at_arguments(self.method);
        quote_spanned! {span=>
            let #patterns = match kept.decode::<#types>() {
                ::core::result::Result::Ok(decoded) => decoded,
                ::core::result::Result::Err(status) => return #runtime::__private::Reply::Status(status),
            };
        }
    }

    /// The arguments as a pattern, and its type.
    fn tuple(&self) -> (TokenStream, TokenStream) {
        let runtime = &self.service.runtime;
        let arguments = self.locals.iter().filter_map(Local::argument);
        let (patterns, types): (Vec<_>, Vec<_>) = arguments
            .map(|(name, argument)| {
                let ty = self.written.ty(&argument.owned);
                if argument.bulk {
                    (quote!(#runtime::__private::Bulk(#name)), quote!(#runtime::__private::Bulk<#ty>))
                } else {
                    (quote!(#name), quote!(#ty))
                }
            })
            .unzip();
        (quote!((#(#patterns,)*)), quote!((#(#types,)*)))
    }

    /// The statement that takes the stream, if it is one.
    fn streaming(&self, local: &Local<'_>) -> Option<TokenStream> {
        let Parameter::Streaming(streaming) = local.parameter else { return None };
        let Streaming { item, bulk, .. } = &**streaming;
        let (runtime, name, span, ty) = (&self.service.runtime, &local.name, at(item), self.written.ty(item));
        let decode = coder(runtime, span, *bulk, &quote!(#ty), Coder::Decoder);
        Some(quote_spanned!(span=> let #name = arguments.streaming::<#ty>(#decode)?;))
    }

    fn typed(&self, value: &'a Value) -> Typed<'a> {
        Typed::new(&self.service.runtime, &self.service.scope, self.written, value)
    }
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

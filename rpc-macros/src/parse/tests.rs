//! What is understood of a trait, and what is said when it is not understood.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::*;
use crate::model::{Lend, MethodKind, Opening, Output, Parameter, Shape, Style};

fn read(item: TokenStream) -> (Option<Service>, Vec<String>) {
    let mut errors = Errors::default();
    let service = service(TokenStream::new(), item, &mut errors);
    (service, errors.messages())
}

/// The service of a trait without mistakes.
fn sound(item: TokenStream) -> Service {
    let (service, messages) = read(item);
    assert_eq!(messages, [""; 0]);
    service.unwrap()
}

fn messages(item: TokenStream) -> Vec<String> {
    read(item).1
}

#[test]
fn every_shape_of_argument_has_an_owned_form_and_a_way_to_lend_it() {
    let shape = |written: TokenStream| {
        let service = sound(quote!(trait T { async fn f<'a>(&self, x: #written); }));
        let argument = service.methods().next().unwrap().arguments().next().unwrap();
        (argument.owned.to_token_stream().to_string().replace(' ', ""), argument.lend, argument.bulk)
    };
    let owned = |text: &str, lend| (text.to_owned(), lend, false);
    let bulk = |text: &str, lend| (text.to_owned(), lend, true);
    assert_eq!(shape(quote!(u8)), owned("u8", Lend::Move));
    assert_eq!(shape(quote!(Cow<'a, str>)), owned("Cow<'static,str>", Lend::Move));
    assert_eq!(shape(quote!(&'a str)), owned("::std::string::String", Lend::Borrow));
    assert_eq!(shape(quote!((&[T]))), owned("::std::vec::Vec<T>", Lend::Borrow));
    assert_eq!(shape(quote!(&Label<'_>)), owned("Label<'_>", Lend::Borrow));
    assert_eq!(shape(quote!(&Path)), owned("<Pathas::std::borrow::ToOwned>::Owned", Lend::Borrow));
    assert_eq!(shape(quote!(Option<&T>)), owned("Option<T>", Lend::AsRef));
    assert_eq!(shape(quote!(std::option::Option<&str>)).0, "std::option::Option<::std::string::String>");
    assert_eq!(shape(quote!(Option<&[u16]>)), owned("Option<::std::vec::Vec<u16>>", Lend::AsDeref));
    assert_eq!(shape(quote!(Option<&[u8]>)), bulk("Option<::std::vec::Vec<u8>>", Lend::AsDeref));
    assert_eq!(shape(quote!(Option<Vec<u8>>)), bulk("Option<Vec<u8>>", Lend::Move));
    assert_eq!(shape(quote!(r#Option<r#Vec<r#u8>>)), bulk("r#Option<r#Vec<r#u8>>", Lend::Move));
    assert_eq!(shape(quote!(Box<[u8]>)), bulk("Box<[u8]>", Lend::Move));
    assert_eq!(shape(quote!(Cow<'a, [u8]>)), bulk("::std::vec::Vec<u8>", Lend::Cow));
    assert_eq!(shape(quote!(Box<Vec<u8>>)), owned("Box<Vec<u8>>", Lend::Move));
    assert_eq!(shape(quote!(Bytes<u8>)), owned("Bytes<u8>", Lend::Move));
    assert_eq!(shape(quote!(&[u8])), bulk("::std::vec::Vec<u8>", Lend::Borrow));
    assert_eq!(shape(quote!(Vec<u8>)), bulk("Vec<u8>", Lend::Move));
    assert_eq!(shape(quote!(&bytes::Bytes)), bulk("bytes::Bytes", Lend::Borrow));
    assert_eq!(shape(quote!(Vec<u16>)), owned("Vec<u16>", Lend::Move));
}

#[test]
fn a_return_type_is_told_by_its_last_segment() {
    let service = sound(quote! {
        trait T {
            async fn a(&self);
            async fn b(&self) -> ();
            async fn c(&self) -> io::Result<u8>;
            async fn d(&self) -> Outcome<u8>;
            async fn e(&self) -> std::vec::Vec<u8>;
            async fn f(&self) -> Option<Result<u8, u8>>;
            async fn g(&self) -> ArithResult<u8>;
        }
    });
    let shapes = service.methods().map(|method| match &method.output {
        Output::Unit => "unit",
        Output::Value(value) => shape_name(&value.shape),
        Output::Stream(_) => "stream",
    });
    assert_eq!(shapes.collect::<Vec<_>>(), ["unit", "value", "alias", "value", "bulk", "value", "unclear"]);
}

fn shape_name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Plain => "value",
        Shape::Bulk => "bulk",
        Shape::Outcome(outcome) if outcome.bulk => "bulk outcome",
        Shape::Outcome(_) => "outcome",
        Shape::Alias { certain: true, bulk: true } => "bulk alias",
        Shape::Alias { certain: true, .. } => "alias",
        Shape::Alias { .. } => "unclear",
    }
}

#[test]
fn the_streams_of_a_method_are_told_by_their_names() {
    let service = sound(quote! {
        trait T {
            fn a(&self) -> impl futures::Stream<Item = Vec<u8>> + Send + '_;
            async fn b(&self) -> (impl Stream<Item = u8>);
            async fn c(&self) -> io::Result<impl Stream<Item = Result<Bytes, E>>, E>;
            fn d(&self) -> stream::BoxStream<'static, SearchResult>;
            async fn e(&self) -> MyResult<Pin<Box<dyn Stream<Item = Result<u8>> + Send + '_>>>;
        }
    });
    let openings = service.methods().map(|method| match &method.output {
        Output::Stream(stream) => {
            let opening = match &stream.opening {
                Opening::AtOnce => "at once".to_owned(),
                Opening::Awaited => "awaited".to_owned(),
                Opening::Fallible(value) => value.ty.to_token_stream().to_string().replace(' ', ""),
            };
            (shape_name(&stream.item.shape), opening)
        }
        Output::Unit | Output::Value(_) => panic!("a stream"),
    });
    let wanted = [
        ("bulk", "at once"),
        ("value", "awaited"),
        ("bulk outcome", "io::Result<(),E>"),
        ("unclear", "at once"),
        ("alias", "MyResult<()>"),
    ];
    assert_eq!(openings.collect::<Vec<_>>(), wanted.map(|(shape, opening)| (shape, opening.to_owned())));
}

#[test]
fn a_method_has_the_kind_of_its_streams() {
    let service = sound(quote! {
        trait T {
            async fn a(&self, x: u8) -> u8;
            fn b(&self, x: u8) -> impl Stream<Item = u8>;
            async fn c(&self, x: u8, y: (rpc::Streaming<Vec<u8>>), z: u8);
            fn d(&self, x: Streaming<u8>) -> impl Stream<Item = u8>;
        }
    });
    use MethodKind::{Bidirectional, ClientStreaming, ServerStreaming, Unary};
    let kinds: Vec<_> = service.methods().map(crate::model::Method::kind).collect();
    assert_eq!(kinds, [Unary, ServerStreaming, ClientStreaming, Bidirectional]);
    let method = service.methods().nth(2).unwrap();
    assert!(matches!(&*method.parameters, [Parameter::Argument(_), Parameter::Streaming(_), Parameter::Argument(_)]));
    assert!(method.streaming().unwrap().bulk);
    assert_eq!(method.arguments().count(), 2);
}

#[test]
fn sixteen_arguments_may_stand_beside_a_stream() {
    let arguments = (0..16).map(|index| quote::format_ident!("x{index}")).collect::<Vec<_>>();
    sound(quote!(trait T { async fn f(&self, #(#arguments: u8,)* values: Streaming<u8>); }));
}

#[test]
fn all_mistakes_of_a_trait_are_found_at_once() {
    let found = messages(quote! {
        trait T<'a> {
            type Item<'b>;
        }
    });
    assert_eq!(found.len(), 2, "{found:?}");
    let found = messages(quote! {
        trait T {
            fn a(&mut self, (x, y): (u8, u8), z: &mut u8) -> &str;
            async fn right(&self);
            async fn b<G>(&self, #[cfg(x)] a: u8);
        }
    });
    assert_eq!(found.len(), 7, "{found:?}");
}

#[test]
fn the_types_that_travel_are_found_in_those_that_only_hold_them() {
    let found = |ty: TokenStream| {
        let ty: syn::Type = syn::parse2(ty).unwrap();
        leaves(&ty).into_iter().map(|ty| ty.to_token_stream().to_string().replace(' ', "")).collect::<Vec<_>>()
    };
    assert_eq!(found(quote!(u8)), [""; 0]);
    assert_eq!(found(quote!(&[Option<Box<Point>>])), ["Point"]);
    assert_eq!(found(quote!((A, Vec<(B, String)>, Result<C, D>))), ["A", "B", "C", "D"]);
    assert_eq!(found(quote!(HashMap<K, Vec<V>>)), ["K", "V"]);
    assert_eq!(found(quote!([Point; 3])), ["Point"]);
    // Others of the same name, and what may ask anything of its parts.
    assert_eq!(found(quote!(heapless::Vec<Point, LENGTH>)), ["heapless::Vec<Point,LENGTH>"]);
    assert_eq!(found(quote!(Page<Point>)), ["Page<Point>"]);
}

#[test]
fn a_type_borrows_when_it_has_a_lifetime_outside_of_a_cow() {
    let borrows = |ty: TokenStream| {
        let service = sound(quote!(trait T { async fn f<'a>(&self, x: #ty); }));
        service.methods().next().unwrap().borrows()
    };
    assert!(borrows(quote!(Label<'_>)));
    assert!(borrows(quote!(&Label<'a>)));
    assert!(borrows(quote!(Cow<'a, Label<'a>>)));
    assert!(!borrows(quote!(&'a str)));
    assert!(!borrows(quote!(Vec<Cow<'_, str>>)));
    assert!(!borrows(quote!(Label<'static>)));
}

#[test]
fn the_client_has_a_parameter_for_each_associated_type() {
    let service = sound(quote! {
        trait T<K> {
            type Item;
            type Key;
            async fn get(&self, key: Key) -> Self::Item;
        }
    });
    let written = |name: &str| {
        let ty: syn::Type = syn::parse_str(name).unwrap();
        assert!(service.scope.is_in(&ty), "{name}");
        service.scope.in_client().ty(&ty).to_token_stream().to_string()
    };
    assert_eq!(written("Self::Item"), "Item");
    // The trait names another `Key`.
    assert_eq!(written("Self::Key"), "SelfKey");
    assert_eq!(written("Vec<K>").replace(' ', ""), "Vec<K>");
}

#[test]
fn a_method_with_a_mistake_leaves_the_others_alone() {
    let (service, messages) = read(quote!(
        trait T {
            fn wrong(&self);
            async fn right(&self);
        }
    ));
    let service = service.unwrap();
    assert_eq!((messages.len(), service.items.len()), (1, 2));
    assert_eq!(service.methods().map(|method| method.name.to_string()).collect::<Vec<_>>(), ["right"]);
}

#[test]
fn what_is_not_a_trait_is_not_read() {
    for item in [
        quote!(
            struct S;
        ),
        quote!(
            fn f() {}
        ),
        quote!(impl T for S {}),
        quote!(
            use a;
        ),
        quote!(trait),
    ] {
        let (service, messages) = read(item);
        assert!(service.is_none());
        assert_eq!(messages.len(), 1);
    }
}

#[test]
fn two_methods_of_one_name_are_told_apart_by_cfg_alone() {
    let duplicate = |first: TokenStream, second: TokenStream| {
        messages(
            quote!(trait T { #first async fn a(&self); #second #[rpc(name = "a", client = "b")] async fn c(&self); }),
        )
        .len()
    };
    assert_eq!(duplicate(quote!(), quote!()), 1);
    assert_eq!(duplicate(quote!(#[cfg(x)]), quote!()), 1);
    assert_eq!(duplicate(quote!(#[cfg(x)]), quote!(#[cfg(y)])), 0);
}

#[test]
fn attributes_are_carried_over_or_left_with_the_trait() {
    let service = sound(quote! {
        trait T {
            /// Docs.
            #[cfg(unix)]
            #[deprecated]
            #[inline]
            #[cfg_attr(x, doc = "More.", deprecated)]
            #[cfg_attr(x, tracing::instrument)]
            async fn f(&self);
        }
    });
    let method = service.methods().next().unwrap();
    let carried: Vec<_> =
        method.carried.iter().map(|attribute| attribute.path().to_token_stream().to_string()).collect();
    assert_eq!(carried, ["doc", "cfg", "deprecated", "cfg_attr"]);
    assert!(method.deprecated);
    assert_eq!((method.cfg.len(), method.docs.len()), (1, 1));
}

#[test]
fn async_trait_is_seen_below_and_above() {
    assert_eq!(
        sound(quote!(
            #[async_trait::async_trait]
            trait T {
                async fn f(&self);
            }
        ))
        .style,
        Style::AsyncTrait
    );
    let above = quote! {
        trait T {
            fn f<'life0, 'async_trait>(&'life0 self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
            where
                'life0: 'async_trait;
        }
    };
    assert_eq!(messages(above), ["put #[async_trait] below #[rpc_service]"]);
}

//! A service where no name is there by itself.
#![no_implicit_prelude]

/// Lengths of this and that.
#[::rpc::rpc_service(crate = "::rpc")]
pub trait Bare {
    /// The length of each.
    async fn lengths(
        &self,
        bytes: &[u8],
        text: ::std::option::Option<&str>,
        cow: ::std::borrow::Cow<'_, str>,
    ) -> ::std::vec::Vec<usize> {
        ::std::convert::From::from([bytes.len(), ::std::option::Option::map_or(text, 0, str::len), cow.len()])
    }
    /// Whatever comes.
    fn echo(
        &self,
        items: ::rpc::Streaming<u8>,
    ) -> impl ::futures_core::Stream<Item = ::std::result::Result<u8, ::rpc::Status>> {
        items
    }
}

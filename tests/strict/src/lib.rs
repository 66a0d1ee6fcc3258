//! Services in a crate with every lint on, which knows the runtime under another name.
//!
//! Nothing generated may give a warning: not in a public trait, not in a private one, and not where only the client or
//! only the server of a trait is used.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic, rust_2018_idioms, rustdoc::all)]

pub mod bare;
mod parts;
pub mod public;

pub use parts::doubled;
pub use public::{Numbers as Renamed, NumbersClient as Client, NumbersServer as Offer};

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use rpc::prelude::*;

    use super::{bare::BareClient, public::Failure};

    struct Here;

    impl super::Renamed for Here {
        async fn sum(&self, numbers: &[u8], last: u8) -> Result<u8, Failure> {
            numbers.iter().try_fold(last, |sum, number| sum.checked_add(*number)).ok_or(Failure::Overflow)
        }
        fn below(&self, limit: u64) -> impl Stream<Item = u64> {
            stream::iter(0..limit)
        }
        async fn total(&self, values: Streaming<Vec<u8>>) -> u64 {
            values.count().await as u64
        }
        async fn both(&self, values: Streaming<u8>) -> Result<impl Stream<Item = Result<u8, Failure>>, Failure> {
            Ok(values.map(|value| value.map_err(|_| Failure::Overflow)))
        }
    }

    #[tokio::test]
    async fn a_renamed_runtime_serves_and_calls() {
        let client = super::Client::from_service(Here);
        assert_eq!(client.sum(&[1, 2], 3).await.unwrap(), 6);
        assert_eq!(client.sum(&[1], 255).await.unwrap_err().service(), Some(&Failure::Overflow));
        assert_eq!(client.below(1).await.unwrap().next().await.unwrap().unwrap(), 0);
        assert_eq!(client.total(stream::iter([vec![1]])).await.unwrap(), 1);
        let mut both = client.both(stream::iter([7])).await.unwrap();
        assert_eq!(both.next().await.unwrap().unwrap(), 7);
        assert_eq!(client.length("four").await.unwrap(), 4);
    }

    #[tokio::test]
    async fn one_half_of_a_service_is_enough() {
        assert_eq!(super::doubled(4).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_module_without_a_prelude_has_services_too() {
        struct Lengths;
        impl super::bare::Bare for Lengths {}
        let client = BareClient::from_service(Lengths);
        assert_eq!(client.lengths(&[1], Some("ab"), "abc".into()).await.unwrap(), [1, 2, 3]);
    }
}

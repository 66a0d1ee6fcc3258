//! Mocks that mockall makes of a service's trait, as docs/testing.md says.
#![expect(refining_impl_trait, reason = "mockall can not name the stream inside a Result otherwise")]

use async_trait::async_trait;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use mockall::{automock, mock, predicate::eq};
use rpc_runtime::prelude::*;

use super::{refused, within};

#[rpc_service]
trait Prices {
    async fn price(&self, share: &str) -> Result<f64, Status>;
    fn history(&self, share: &str) -> impl Stream<Item = f64>;
    async fn follow(&self, share: &str, from: Option<u64>) -> Result<impl Stream<Item = f64>, String>;
    async fn mean(&self, prices: Streaming<f64>) -> f64;
}

mock! {
    Prices {}
    impl Prices for Prices {
        async fn price(&self, share: &str) -> Result<f64, Status>;
        fn history(&self, share: &str) -> impl Stream<Item = f64> + Send;
        async fn follow(&self, share: &str, from: Option<u64>) -> Result<BoxStream<'static, f64>, String>;
        async fn mean(&self, prices: Streaming<f64>) -> f64;
    }
}

#[tokio::test]
async fn a_mock_expects_borrowed_arguments_and_gives_plain_values() {
    let mut mock = MockPrices::new();
    mock.expect_price().with(eq("ABC")).returning(|_| Ok(7.25));
    mock.expect_price().with(eq("XYZ")).returning(|_| Err(Status::not_found("no such share")));
    let prices = PricesClient::from_service(mock);
    assert_eq!(prices.price("ABC").await.unwrap(), 7.25);
    assert_eq!(prices.price("XYZ").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_mock_gives_streams() {
    let mut mock = MockPrices::new();
    mock.expect_history().returning(|_| Box::pin(stream::iter([7.0, 7.25])));
    mock.expect_follow()
        .withf(|share, from| (share, *from) == ("ABC", Some(3)))
        .returning(|_, _| Ok(stream::iter([7.5]).boxed()));
    let prices = PricesClient::from_service(mock);
    let history: Vec<_> = within(prices.history("ABC").await.unwrap().try_collect()).await.unwrap();
    assert_eq!(history, [7.0, 7.25]);
    let followed: Vec<_> = within(prices.follow("ABC", Some(3)).await.unwrap().try_collect()).await.unwrap();
    assert_eq!(followed, [7.5]);
}

#[tokio::test]
async fn a_mock_refuses_to_open_a_stream() {
    let mut mock = MockPrices::new();
    mock.expect_follow().returning(|_, _| Err("no such share".to_owned()));
    let prices = PricesClient::from_service(mock);
    assert_eq!(refused(prices.follow("ABC", None).await.map(drop)), "no such share");
}

#[tokio::test]
async fn a_mock_takes_a_stream() {
    let mut mock = MockPrices::new();
    mock.expect_mean().return_const(7.0);
    let prices = PricesClient::from_service(mock);
    assert_eq!(within(prices.mean(stream::pending::<f64>())).await.unwrap(), 7.0);
}

#[tokio::test]
async fn a_call_that_was_not_expected_is_an_internal_error_with_mockalls_words() {
    let prices = PricesClient::from_service(MockPrices::new());
    let status = prices.price("ABC").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("MockPrices::price"), "{status}");
}

#[tokio::test]
#[should_panic(expected = "MockPrices::price: Expectation(<anything>) called 0 time(s)")]
async fn an_expectation_that_was_not_met_panics_where_the_last_client_is_dropped() {
    let mut mock = MockPrices::new();
    mock.expect_price().times(1).returning(|_| Ok(7.25));
    drop(PricesClient::from_service(mock));
}

/// mockall sees the trait as `rpc_service` leaves it, with futures.
#[rpc_service]
#[automock]
trait Names {
    async fn name(&self, user: u64) -> Result<String, Status>;
    fn all(&self) -> impl Stream<Item = String>;
}

#[tokio::test]
async fn automock_below_the_attribute_expects_futures() {
    let mut mock = MockNames::new();
    mock.expect_name().returning(|user| Box::pin(async move { Ok(format!("user {user}")) }));
    mock.expect_all().returning(|| Box::pin(stream::iter(["Ada".to_owned()])));
    let names = NamesClient::from_service(mock);
    assert_eq!(names.name(7).await.unwrap(), "user 7");
    let all: Vec<_> = within(names.all().await.unwrap().try_collect()).await.unwrap();
    assert_eq!(all, ["Ada"]);
}

#[rpc_service]
#[automock]
#[async_trait]
trait Boxed {
    async fn name(&self, user: &str) -> Result<String, Status>;
    async fn all(&self) -> Result<BoxStream<'static, String>, Status>;
}

#[tokio::test]
async fn automock_above_async_trait_expects_plain_values() {
    let mut mock = MockBoxed::new();
    mock.expect_name().returning(|user| Ok(format!("user {user}")));
    mock.expect_all().returning(|| Ok(stream::iter(["Ada".to_owned()]).boxed()));
    let names = BoxedClient::from_service(mock);
    assert_eq!(names.name("7").await.unwrap(), "user 7");
    let all: Vec<_> = within(names.all().await.unwrap().try_collect()).await.unwrap();
    assert_eq!(all, ["Ada"]);
}

//! Mocks by hand behind `from_service`: streams of every kind, as they come, fail and are given up.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::stream as streams;
use rpc_runtime::{CallError, Code, Status, prelude::*, stream};
use serde::{Deserialize, Serialize};

use super::{refused, take, within};

#[rpc_service]
trait Station {
    fn readings(&self, place: &str) -> impl Stream<Item = u64>;
    fn checked(&self) -> impl Stream<Item = Result<u64, Broken>>;
    async fn open(&self, place: &str) -> Result<impl Stream<Item = u64>, NoSuchPlace>;
    async fn sum(&self, values: Streaming<u64>) -> Result<u64, Status>;
    fn doubled(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>>;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Broken;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NoSuchPlace(String);

/// What the test pushes, and whether what it says may be answered.
struct Mock {
    pushed: Mutex<Option<stream::Receiver<u64>>>,
}

impl Station for Mock {
    fn readings(&self, place: &str) -> impl Stream<Item = u64> {
        streams::iter(1..=place.len() as u64)
    }

    fn checked(&self) -> impl Stream<Item = Result<u64, Broken>> {
        streams::iter([Ok(1), Err(Broken), Ok(2)])
    }

    async fn open(&self, place: &str) -> Result<impl Stream<Item = u64>, NoSuchPlace> {
        match place {
            "far away" => std::future::pending().await,
            "here" => Ok(self.pushed.lock().unwrap().take().unwrap()),
            _ => Err(NoSuchPlace(place.to_owned())),
        }
    }

    async fn sum(&self, mut values: Streaming<u64>) -> Result<u64, Status> {
        let mut sum = 0;
        while let Some(value) = values.next().await.transpose()? {
            if value == 0 {
                return Err(Status::invalid_argument("a value of nothing"));
            }
            sum += value;
        }
        Ok(sum)
    }

    fn doubled(&self, values: Streaming<u64>) -> impl Stream<Item = Result<u64, Status>> {
        futures_util::StreamExt::map(values, |value| match value? {
            7 => panic!("seven was not expected"),
            value => Ok(2 * value),
        })
    }
}

/// A client of the mock, and what pushes into its stream.
fn station() -> (StationClient, stream::Sender<u64>) {
    let (push, pushed) = stream::channel(1);
    (StationClient::from_service(Mock { pushed: Mutex::new(Some(pushed)) }), push)
}

#[tokio::test]
async fn a_stream_has_the_items_of_the_mock_and_its_end() {
    let (station, _) = station();
    let mut readings = station.readings("abc").await.unwrap();
    assert_eq!(take(&mut readings, 3).await, [1, 2, 3]);
    assert!(within(readings.next()).await.is_none());
}

#[tokio::test]
async fn an_item_that_is_an_error_is_the_typed_end() {
    let (station, _) = station();
    let mut checked = station.checked().await.unwrap();
    assert_eq!(take(&mut checked, 1).await, [1]);
    assert_eq!(refused(within(checked.next()).await.unwrap()), Broken);
    assert!(within(checked.next()).await.is_none());
}

#[tokio::test]
async fn items_come_when_the_test_pushes_them() {
    let (station, push) = station();
    let mut opened = station.open("here").await.unwrap();
    for value in [3, 1, 2] {
        push.send(value).await.unwrap();
        assert_eq!(take(&mut opened, 1).await, [value]);
    }
    drop(push);
    assert!(within(opened.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_that_the_mock_refuses_to_open_is_a_typed_error() {
    let (station, _) = station();
    assert_eq!(refused(station.open("Atlantis").await.map(drop)), NoSuchPlace("Atlantis".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_mock_that_does_not_open_its_stream_in_time_costs_the_deadline() {
    let (station, _) = station();
    let error = within(station.open("far away").timeout(Duration::from_secs(50))).await.map(drop).unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code() == Code::DeadlineExceeded), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_stream_whose_mock_has_nothing_more() {
    let (station, _push) = station();
    let mut opened = station.open("here").timeout(Duration::from_secs(50)).await.unwrap();
    let status = within(opened.next()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn dropping_the_stream_drops_that_of_the_mock() {
    let (station, push) = station();
    let opened = station.open("here").await.unwrap();
    drop(opened);
    within(push.closed()).await;
}

#[tokio::test]
async fn the_mock_reads_what_the_caller_sends() {
    let (station, _) = station();
    assert_eq!(within(station.sum(streams::iter(1..=3))).await.unwrap(), 6);
}

#[tokio::test]
async fn a_mock_that_answers_early_stops_its_caller() {
    let (station, _) = station();
    let (push, pushed) = stream::channel(1);
    let call = station.sum(pushed).start();
    push.send(0).await.unwrap();
    assert_eq!(within(call).await.unwrap_err().code(), Code::InvalidArgument);
    within(push.closed()).await;
}

#[tokio::test]
async fn both_directions_go_in_step() {
    let (station, _) = station();
    let (push, pushed) = stream::channel(1);
    let mut doubled = station.doubled(pushed).await.unwrap();
    for value in 1..4 {
        push.send(value).await.unwrap();
        assert_eq!(take(&mut doubled, 1).await, [2 * value]);
    }
    drop(push);
    assert!(within(doubled.next()).await.is_none());
}

#[tokio::test]
async fn a_mock_whose_stream_panics_is_an_internal_error_with_its_words() {
    let (station, _) = station();
    let mut doubled = station.doubled(streams::iter([1, 7])).await.unwrap();
    assert_eq!(take(&mut doubled, 1).await, [2]);
    let status = within(doubled.next()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("seven was not expected"), "{status}");
}

#[tokio::test]
async fn a_mock_that_the_test_keeps_can_be_asked_afterwards() {
    let (_push, pushed) = stream::channel(1);
    let mock = Arc::new(Mock { pushed: Mutex::new(Some(pushed)) });
    let station = StationClient::from_arc(mock.clone());
    let _opened = station.open("here").await.unwrap();
    assert!(mock.pushed.lock().unwrap().is_none());
}

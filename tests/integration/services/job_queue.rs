//! The job queue: what runs, what waits, and what cancels a job.

use futures_util::TryStreamExt;
use rpc_runtime::{CallError, Channel, Code, Server, testing};
use services::job_queue::{
    JobError, JobsClient, JobsServer,
    Progress::{self, Cancelled, Done, Running, Waiting},
    Queue,
};

use super::{refused, take, within};

/// A job that ends only when it is cancelled.
const ENDLESS: u64 = u64::MAX;

/// A queue that keeps one result.
fn queue(workers: usize, waiting: usize) -> JobsServer<Queue> {
    JobsServer::new(Queue::new(workers, waiting, 1))
}

/// A client with a connection of its own to this queue.
async fn enter(queue: &JobsServer<Queue>) -> (JobsClient, testing::Link) {
    let (channel, link) = testing::link(Server::builder().service(queue.clone()), Channel::builder()).await.unwrap();
    (JobsClient::new(channel), link)
}

#[tokio::test]
async fn progress_grows_and_ends_with_the_result() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let job = jobs.submit(100_000).await.unwrap();
    let steps: Vec<Progress> = within(jobs.progress(job).await.unwrap().try_collect()).await.unwrap();
    let (end, before) = steps.split_last().unwrap();
    assert_eq!(*end, Done(9_592));
    let percents = before.iter().map(|step| match step {
        Waiting => None,
        Running(percent) => Some(*percent),
        other => panic!("{other:?} before the end"),
    });
    assert!(percents.is_sorted(), "{steps:?}");
}

#[tokio::test]
async fn the_progress_of_a_job_that_has_ended_is_its_end() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let job = jobs.submit(100).await.unwrap();
    within(jobs.result(job)).await.unwrap();
    let steps: Vec<Progress> = within(jobs.progress(job).await.unwrap().try_collect()).await.unwrap();
    assert_eq!(steps, [Done(25)]);
}

#[tokio::test]
async fn a_result_is_fetched_by_several() {
    let queue = queue(1, 0);
    let (jobs, _link) = enter(&queue).await;
    let job = jobs.submit(100).await.unwrap();
    let (others, _link) = enter(&queue).await;
    let (first, second) = within(async { tokio::join!(jobs.result(job), others.result(job)) }).await;
    assert_eq!((first.unwrap(), second.unwrap()), (25, 25));
}

#[tokio::test]
async fn a_job_goes_on_when_the_client_that_gave_it_is_lost() {
    let queue = queue(1, 0);
    let (jobs, link) = enter(&queue).await;
    let job = jobs.submit(200_000).await.unwrap();
    drop(link);
    let (others, _link) = enter(&queue).await;
    assert_eq!(within(others.result(job)).await.unwrap(), 17_984);
}

#[tokio::test]
async fn no_more_jobs_run_than_there_are_workers() {
    let (jobs, _link) = enter(&queue(1, 1)).await;
    let mut first = jobs.run(ENDLESS).await.unwrap();
    let second = jobs.submit(ENDLESS).await.unwrap();
    // While the worker goes on and on.
    assert!(take(&mut first, 50).await.contains(&Running(0)));
    assert_eq!(take(&mut jobs.progress(second).await.unwrap(), 1).await, [Waiting]);
}

#[tokio::test]
async fn a_full_queue_refuses_a_job() {
    let (jobs, _link) = enter(&queue(1, 1)).await;
    jobs.submit(ENDLESS).await.unwrap();
    jobs.submit(ENDLESS).await.unwrap();
    assert_eq!(refused(jobs.submit(1).await), JobError::Full);
    assert_eq!(refused(jobs.run(1).await.map(drop)), JobError::Full);
}

#[tokio::test]
async fn a_job_that_is_cancelled_has_left_its_place_and_its_worker() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let endless = jobs.submit(ENDLESS).await.unwrap();
    within(jobs.cancel(endless)).await.unwrap();
    let job = jobs.submit(100).await.unwrap();
    assert_eq!(within(jobs.result(job)).await.unwrap(), 25);
}

#[tokio::test]
async fn a_job_that_waits_can_be_cancelled() {
    let (jobs, _link) = enter(&queue(1, 1)).await;
    jobs.submit(ENDLESS).await.unwrap();
    let waiting = jobs.submit(100).await.unwrap();
    within(jobs.cancel(waiting)).await.unwrap();
    assert_eq!(refused(within(jobs.result(waiting)).await), JobError::Cancelled);
}

#[tokio::test]
async fn whoever_follows_a_job_that_is_cancelled_learns_it() {
    let queue = queue(1, 0);
    let (jobs, _link) = enter(&queue).await;
    let endless = jobs.submit(ENDLESS).await.unwrap();
    let progress = jobs.progress(endless).await.unwrap();
    let (others, _link) = enter(&queue).await;
    let result = others.result(endless).start();
    within(others.cancel(endless)).await.unwrap();
    let steps: Vec<_> = within(progress.try_collect()).await.unwrap();
    assert_eq!(steps.last(), Some(&Cancelled));
    assert_eq!(refused(within(result).await), JobError::Cancelled);
}

#[tokio::test]
async fn a_job_that_has_ended_keeps_its_result_when_it_is_cancelled() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let job = jobs.submit(100).await.unwrap();
    within(jobs.result(job)).await.unwrap();
    within(jobs.cancel(job)).await.unwrap();
    assert_eq!(within(jobs.result(job)).await.unwrap(), 25);
}

#[tokio::test]
async fn dropping_the_stream_of_an_attached_job_cancels_it() {
    let (jobs, _link) = enter(&queue(1, 1)).await;
    let mut attached = jobs.run(ENDLESS).await.unwrap();
    assert!(take(&mut attached, 2).await.contains(&Running(0)));
    // It never ran if the worker were not given back.
    let next = jobs.submit(100).await.unwrap();
    drop(attached);
    assert_eq!(within(jobs.result(next)).await.unwrap(), 25);
}

#[tokio::test]
async fn losing_the_client_of_an_attached_job_cancels_it() {
    let queue = queue(1, 1);
    let (jobs, _link) = enter(&queue).await;
    let (lost, link) = enter(&queue).await;
    let mut attached = lost.run(ENDLESS).await.unwrap();
    assert!(take(&mut attached, 2).await.contains(&Running(0)));
    let next = jobs.submit(100).await.unwrap();
    drop(link);
    let status = within(attached.try_for_each(async |_| Ok(()))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(within(jobs.result(next)).await.unwrap(), 25);
}

#[tokio::test]
async fn dropping_what_follows_a_job_does_not_cancel_it() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let job = jobs.submit(200_000).await.unwrap();
    let mut progress = jobs.progress(job).await.unwrap();
    take(&mut progress, 2).await;
    drop(progress);
    assert_eq!(within(jobs.result(job)).await.unwrap(), 17_984);
}

#[tokio::test]
async fn the_oldest_result_goes_when_more_than_are_kept_have_ended() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let job = jobs.submit(100).await.unwrap();
        within(jobs.result(job)).await.unwrap();
        numbers.push(job);
    }
    assert_eq!(refused(jobs.result(numbers[0]).await), JobError::NoSuchJob);
    assert_eq!(jobs.result(numbers[2]).await.unwrap(), 25);
}

#[tokio::test]
async fn a_number_that_no_job_has_is_a_typed_error_everywhere() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    assert_eq!(refused(jobs.progress(7).await.map(drop)), JobError::NoSuchJob);
    assert_eq!(refused(jobs.result(7).await), JobError::NoSuchJob);
    assert_eq!(refused(jobs.cancel(7).await), JobError::NoSuchJob);
}

#[tokio::test(start_paused = true)]
async fn who_can_not_wait_for_a_result_fetches_it_later() {
    let (jobs, _link) = enter(&queue(1, 0)).await;
    let job = jobs.submit(200_000).await.unwrap();
    let early = jobs.result(job).timeout(std::time::Duration::ZERO).await.unwrap_err();
    assert!(matches!(early, CallError::Status(status) if status.code() == Code::DeadlineExceeded));
    assert_eq!(within(jobs.result(job)).await.unwrap(), 17_984);
}

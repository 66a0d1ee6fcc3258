//! A job queue: a job that goes on alone, its progress as a stream, its result fetched later; and jobs that are
//! cancelled, by number or by dropping what follows it. `cargo run --example job_queue`

use rpc_runtime::prelude::*;
use services::job_queue::{JobError, JobsClient, JobsServer, Progress, Queue};

#[tokio::main]
async fn main() -> Result<(), CallError<JobError>> {
    let server = Server::builder().service(JobsServer::new(Queue::new(1, 2, 100))).bind("tcp://127.0.0.1:0").await?;
    let address = server.local_address().to_owned();
    tokio::spawn(server.serve());
    let jobs = JobsClient::new(Channel::connect(&address).await?);

    // A job that goes on by itself, for whoever knows its number.
    let number = jobs.submit(100_000).await?;
    let mut progress = jobs.progress(number).await?;
    let mut steps = Vec::new();
    while let Some(step) = progress.next().await.transpose()? {
        steps.push(step);
    }
    assert_eq!(steps.last(), Some(&Progress::Done(9_592)));
    println!("followed to its end: {} primes", jobs.result(number).await?);

    // Behind one that takes all time wait two others, and there is no room for a third.
    let endless = jobs.submit(u64::MAX).await?;
    let mut attached = jobs.run(u64::MAX).await?;
    println!("the second is {:?}", attached.next().await.transpose()?);
    let last = jobs.submit(1_000).await?;
    let refused = jobs.submit(1).await;
    assert!(matches!(refused, Err(CallError::Service(JobError::Full))), "there is no room for a fourth: {refused:?}");

    // The one is cancelled by its number, the other by dropping what follows it; else the last would never run.
    jobs.cancel(endless).await?;
    drop(attached);
    println!("the last has found {} primes", jobs.result(last).await?);
    let cancelled = jobs.result(endless).await;
    assert!(matches!(cancelled, Err(CallError::Service(JobError::Cancelled))), "it has no result: {cancelled:?}");
    Ok(())
}

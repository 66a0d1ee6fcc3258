//! The service of the example `job_queue`: so many jobs run, so many wait, and so many results are kept.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt, stream as streams};
use rpc_runtime::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinSet, yield_now},
};

/// Counts primes. A job has a number, by which any client may ask for it.
#[rpc_service]
pub trait Jobs {
    /// Takes in a job, which goes on whether or not its client stays.
    async fn submit(&self, below: u64) -> Result<u64, JobError>;
    /// How far the job is, from now to its end. Whoever reads slowly is told of fewer steps.
    async fn progress(&self, job: u64) -> Result<impl Stream<Item = Progress>, JobError>;
    /// Both at once: a job that is cancelled when its client drops the stream or is lost.
    async fn run(&self, below: u64) -> Result<impl Stream<Item = Progress>, JobError>;
    /// Waits for the job's result, which may be fetched several times.
    async fn result(&self, job: u64) -> Result<u64, JobError>;
    /// Returns when the job has ended and its place is free.
    async fn cancel(&self, job: u64) -> Result<(), JobError>;
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Progress {
    /// For a worker.
    Waiting,
    /// With so many percent done.
    Running(u64),
    /// With this result.
    Done(u64),
    /// By a client, or because its worker panicked.
    Cancelled,
}

/// Why there is no result.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum JobError {
    /// As many jobs run and wait as there is room for.
    Full,
    /// There was none of this number, or its result is not kept any more.
    NoSuchJob,
    /// By a client, or because its worker panicked.
    Cancelled,
}

/// Runs the jobs, and ends them when it is dropped.
pub struct Queue {
    workers: Arc<Semaphore>,
    /// One for each job that runs or waits.
    places: Arc<Semaphore>,
    /// So many jobs there are at most, with those that have ended.
    most: usize,
    jobs: Mutex<BTreeMap<u64, Job>>,
    numbers: AtomicU64,
}

struct Job {
    /// Aborted when it is dropped.
    task: JoinSet<()>,
    /// Closed when the task has ended, which it does without `Done` when it is aborted.
    progress: watch::Receiver<Progress>,
}

impl Job {
    fn steps(&self) -> impl Stream<Item = Progress> + use<> {
        let mut progress = self.progress.clone();
        progress.mark_changed();
        streams::unfold(Some(progress), async |progress| {
            let mut progress = progress?;
            let more = progress.changed().await.is_ok();
            let now = *progress.borrow_and_update();
            match (more, now) {
                (true, now) => Some((now, Some(progress))),
                (false, Progress::Done(_)) => None,
                (false, _) => Some((Progress::Cancelled, None)),
            }
        })
    }
}

impl Queue {
    /// One that runs and lets wait so many jobs at a time, and keeps so many results.
    pub fn new(workers: usize, waiting: usize, kept: usize) -> Self {
        let (places, workers) = (Arc::new(Semaphore::new(workers + waiting)), Arc::new(Semaphore::new(workers)));
        Self {
            most: places.available_permits() + kept,
            workers,
            places,
            jobs: Mutex::default(),
            numbers: AtomicU64::new(1),
        }
    }

    fn start(&self, below: u64) -> Result<Job, JobError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| JobError::Full)?;
        let (sender, progress) = watch::channel(Progress::Waiting);
        let mut task = JoinSet::new();
        task.spawn(count(self.workers.clone(), Held { place, progress: sender }, below));
        Ok(Job { task, progress })
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<u64, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped in this order: when the end is seen, the place is free.
struct Held {
    place: OwnedSemaphorePermit,
    progress: watch::Sender<Progress>,
}

async fn count(workers: Arc<Semaphore>, held: Held, below: u64) {
    let Ok(_worker) = workers.acquire().await else { return };
    let mut primes = 0;
    for number in 0..below {
        if number % 1_000 == 0 {
            held.progress.send_replace(Progress::Running(number * 100 / below));
            yield_now().await;
        }
        primes += u64::from(number > 1 && (2..=number.isqrt()).all(|divisor| number % divisor != 0));
    }
    drop(held.place);
    held.progress.send_replace(Progress::Done(primes));
}

impl Jobs for Queue {
    async fn submit(&self, below: u64) -> Result<u64, JobError> {
        let mut jobs = self.jobs();
        let job = self.start(below)?;
        if jobs.len() >= self.most {
            let ended = jobs.iter().find(|(_, job)| job.progress.has_changed().is_err()).map(|(number, _)| *number);
            ended.and_then(|number| jobs.remove(&number));
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        jobs.insert(number, job);
        Ok(number)
    }

    async fn progress(&self, job: u64) -> Result<impl Stream<Item = Progress>, JobError> {
        Ok(self.jobs().get(&job).ok_or(JobError::NoSuchJob)?.steps())
    }

    async fn run(&self, below: u64) -> Result<impl Stream<Item = Progress>, JobError> {
        let job = self.start(below)?;
        let steps = job.steps();
        Ok(steps.inspect(move |_| _ = &job))
    }

    async fn result(&self, job: u64) -> Result<u64, JobError> {
        let mut progress = self.jobs().get(&job).ok_or(JobError::NoSuchJob)?.progress.clone();
        match progress.wait_for(|progress| matches!(progress, Progress::Done(_))).await.as_deref() {
            Ok(Progress::Done(primes)) => Ok(*primes),
            _ => Err(JobError::Cancelled),
        }
    }

    async fn cancel(&self, job: u64) -> Result<(), JobError> {
        let mut progress = {
            let mut jobs = self.jobs();
            let job = jobs.get_mut(&job).ok_or(JobError::NoSuchJob)?;
            job.task.abort_all();
            job.progress.clone()
        };
        while progress.changed().await.is_ok() {}
        Ok(())
    }
}
